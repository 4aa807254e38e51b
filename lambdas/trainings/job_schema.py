"""What the container is told: `job.json`, pinned in tests/contract."""

from typing import Annotated, Any, Literal

from pydantic import Field

from lambdas.datasets.schema import CaptionPolicy
from lambdas.datasets.subset_schema import MOST_SUBSETS
from lambdas.trainings.captioning_schema import Captioning
from lambdas.trainings.samples_schema import MOST_PROMPTS, SamplePrompt
from lambdas.trainings.schema import MOST_DATASETS, FmType, Frozen

# Half of the datasets regularise the others, and each has all subsets that one may have.
_MOST_FOLDERS = (MOST_DATASETS // 2 + 1) * (MOST_DATASETS // 2) * MOST_SUBSETS


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
    """Where the job finds a dataset, or a subset of one, and how it trains on it.

    Those with equal `dataset_options` are one dataset to sd-scripts; a regularisation set stands
    here once for each of these that it regularises.
    """

    channel: str = Field(pattern=r"^dataset_\d\d$")
    dataset_id: str
    folder: str
    subset: int | None = Field(
        default=None,
        ge=0,
        lt=MOST_SUBSETS,
        description="Which of the dataset's subsets the folder is; null: it has one alone.",
    )
    repeats: int = Field(ge=1)
    subject: str
    caption_policy: CaptionPolicy
    regularisation: bool = False
    options: dict[str, Any] = Field(default={}, description="Those of the folder alone.")
    dataset_options: dict[str, Any] = Field(
        default={}, description="Those of all that share buckets and batches."
    )


class Job(Frozen):
    """What the container is told: `job.json` in the channel `config`."""

    version: Literal[1] = 1
    training_id: str
    training_name: str
    workspace: str
    fm_type: FmType
    output_name: str
    model: JobModel
    datasets: list[JobDataset] = Field(min_length=1, max_length=_MOST_FOLDERS)
    config_params: dict[str, Any]
    keeps_state: bool = Field(
        default=True,
        description="Whether state is kept at epoch ends, to go on from; it is several times the "
        "LoRA's size.",
    )
    init: Annotated[JobLora | JobState, Field(discriminator="kind")] | None = None
    early_stop: JobEarlyStop | None = None
    sample_prompts: list[SamplePrompt] = Field(default=[], max_length=MOST_PROMPTS)
    captioning: Captioning | None = None
