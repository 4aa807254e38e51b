"""What can be read of a training while it runs and afterwards."""

from datetime import datetime

from pydantic import Field

from lambdas.core.presign import SignedDownload
from lambdas.trainings.schema import Frozen, Status


class TrainingEvent(Frozen):
    """Something that happened to a training."""

    id: str
    at: datetime
    status: Status
    provider_status: str | None = None
    message: str


class MetricsRow(Frozen):
    """One optimizer step."""

    step: int
    epoch: int | None = None
    loss: float | None = None
    average_loss: float | None = None
    learning_rates: dict[str, float | None] = Field(default={})
    seconds_per_step: float | None = None


class Metrics(Frozen):
    """Rows in the order of their steps."""

    data: list[MetricsRow]
    next_since_step: int | None = Field(
        description="Give it as `since_step` for what follows; null: this is all there is so far."
    )


class Checkpoint(Frozen):
    """A LoRA that the job has finished so far; size in bytes."""

    file_name: str
    epoch: int | None
    step: int | None
    size: int
    sha256: str
    download: SignedDownload


class Checkpoints(Frozen):
    """The LoRAs of a training in the order of their steps."""

    data: list[Checkpoint]
