"""What the container is told: `job.json`, pinned in tests/contract."""

from typing import Any, Literal

from pydantic import Field

from lambdas.datasets.schema import CaptionPolicy
from lambdas.trainings.captioning_schema import Captioning
from lambdas.trainings.schema import MOST_DATASETS, FmType, Frozen


class JobModel(Frozen):
    """Where the job finds the base model."""

    channel: Literal["model"] = "model"
    model_id: str
    file_name: str


class JobInit(Frozen):
    """Where the job finds what it goes on with, and what that is."""

    channel: Literal["init"] = "init"
    kind: Literal["lora"] = "lora"
    model_id: str
    file_name: str


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
        description="Whether state is kept at epoch ends, to go on from after an interruption; it "
        "is several times the LoRA's size.",
    )
    init: JobInit | None = None
    captioning: Captioning | None = None
