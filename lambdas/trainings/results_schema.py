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

    id: str = Field(description="Sorts by time.")
    type: TrainingEventType = Field(description="What happened, by which events are filtered.")
    at: datetime = Field(description="When it happened.")
    status: Status = Field(description="How the training stood then.")
    provider_status: str | None = Field(default=None, description="SageMaker's own word.")
    message: str = Field(description="What happened, for people.")


class RowGpu(Frozen):
    """What a GPU had at about that time."""

    memory_used_mib: int | None = Field(description="Memory of the GPU in use, in MiB.")
    memory_total_mib: int | None = Field(description="Memory of the GPU, in MiB.")
    utilization_percent: int | None = Field(description="How busy the GPU was, in percent.")


class MetricsRow(Frozen):
    """One optimizer step, or several of a fast training.

    After step 1,000 there are at most ten rows a second.
    """

    step: int = Field(description="Optimizer steps done.")
    steps: int = Field(
        default=1,
        description="How many steps it stands for, of which `step` is the last; `loss` and "
        "`seconds_per_step` are their means.",
    )
    epoch: int | None = Field(default=None, description="Counted from 1.")
    loss: float | None = Field(default=None, description="Of this step.")
    average_loss: float | None = Field(default=None, description="Over the last epoch's steps.")
    learning_rates: dict[str, float | None] = Field(
        default={}, description="By the part of the model that they are for."
    )
    seconds_per_step: float | None = Field(default=None, description="Seconds that a step takes.")
    gpus: list[RowGpu] | None = Field(default=None, description="null: there is none.")

    def meets(self, stride: int) -> bool:
        """Say whether `stride` divides one of its steps."""
        return self.step // stride > (self.step - self.steps) // stride


class Metrics(Frozen):
    """Rows in the order of their steps."""

    data: list[MetricsRow] = Field(description="The earliest step first.")
    next_since_step: int | None = Field(
        description="Give it as `since_step` for what follows; null: this is all there is so far."
    )


class Checkpoint(Frozen):
    """A LoRA that the job has finished so far; size in bytes."""

    file_name: str = Field(description="The file's name.")
    epoch: int | None = Field(description="The epoch at whose end it was saved.")
    step: int | None = Field(description="The step at which it was saved.")
    size: int = Field(description="Its size in bytes.")
    sha256: str = Field(description="Of the file, in hex.")
    download: SignedDownload = Field(description="Where its bytes are.")


class Checkpoints(Frozen):
    """The LoRAs of a training in the order of their steps."""

    data: list[Checkpoint] = Field(description="The earliest first.")
