"""What the container is told: `job.json`, pinned in tests/contract."""

from typing import Annotated, Any, Literal

from pydantic import Field

from lambdas.datasets.schema import CaptionPolicy
from lambdas.trainings.schema import MOST_DATASETS, FmType, Frozen


class JobModel(Frozen):
    """Where the job finds the base model."""

    channel: Literal["model"] = "model"
    model_id: str
    file_name: str


class JobLora(Frozen):
    """Where the job finds the LoRA that it trains further."""

    channel: Literal["init"] = "init"
    kind: Literal["lora"] = "lora"
    model_id: str
    file_name: str


class JobState(Frozen):
    """Where the job finds the states of the training that it goes on from."""

    channel: Literal["init"] = "init"
    kind: Literal["state"] = "state"
    training_id: str
    output_name: str = Field(description="With which the names of the states begin.")


class JobEarlyStop(Frozen):
    """When the job ends its training since the loss falls no more."""

    patience_epochs: int = Field(ge=1)
    min_improvement: float = Field(ge=0, lt=1)


class JobDataset(Frozen):
    """Where the job finds a dataset and how it trains on it."""

    channel: str = Field(pattern=r"^dataset_\d\d$")
    dataset_id: str
    folder: str
    repeats: int = Field(ge=1)
    subject: str
    caption_policy: CaptionPolicy


class Job(Frozen):
    """What the container is told: `job.json` in the channel `config`."""

    version: Literal[1] = 1
    training_id: str
    training_name: str
    workspace: str
    fm_type: FmType
    output_name: str
    model: JobModel
    datasets: list[JobDataset] = Field(min_length=1, max_length=MOST_DATASETS)
    config_params: dict[str, Any]
    keeps_state: bool = Field(
        default=True,
        description="Whether state is kept at epoch ends, to go on from; it is several times the "
        "LoRA's size.",
    )
    init: Annotated[JobLora | JobState, Field(discriminator="kind")] | None = None
    early_stop: JobEarlyStop | None = None
