"""What can be read of a training while it runs and afterwards."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from lambdas.core.presign import SignedDownload
from lambdas.trainings.schema import Frozen, Status

TrainingEventType = Literal[
    "training.queued",
    "training.starting",
    "training.started",
    "training.uploading",
    "training.interrupted",
    "training.canceling",
    "training.succeeded",
    "training.failed",
    "training.canceled",
]
TYPE_OF: dict[Status, TrainingEventType] = {
    "queued": "training.queued",
    "starting": "training.starting",
    "running": "training.started",
    "uploading": "training.uploading",
    "interrupted": "training.interrupted",
    "canceling": "training.canceling",
    "succeeded": "training.succeeded",
    "failed": "training.failed",
    "canceled": "training.canceled",
}


class TrainingEvent(Frozen):
    """Something that happened to a training."""

    id: str
    type: TrainingEventType
    at: datetime
    status: Status
    provider_status: str | None = None
    message: str


class RowGpu(Frozen):
    """What a GPU had at about that time."""

    memory_used_mib: int | None
    memory_total_mib: int | None
    utilization_percent: int | None


class MetricsRow(Frozen):
    """One optimizer step, or several of a fast training.

    After step 1,000 there are at most ten rows a second.
    """

    step: int
    steps: int = Field(
        default=1,
        description="How many steps it stands for, of which `step` is the last; `loss` and "
        "`seconds_per_step` are their means.",
    )
    epoch: int | None = None
    loss: float | None = None
    average_loss: float | None = None
    learning_rates: dict[str, float | None] = Field(default={})
    seconds_per_step: float | None = None
    gpus: list[RowGpu] | None = Field(default=None, description="null: there is none.")

    def meets(self, stride: int) -> bool:
        """Say whether `stride` divides one of its steps."""
        return self.step // stride > (self.step - self.steps) // stride


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
