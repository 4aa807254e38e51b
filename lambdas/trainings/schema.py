"""What a training is, as the API takes it, tells it and keeps it; and what its job is told."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from lambdas.core.errors import Fault
from lambdas.core.names import Name, Reference
from lambdas.core.presign import SignedDownload
from lambdas.datasets.schema import CaptionPolicy

MOST_DATASETS = 16
MOST_TAGS = 20
MOST_RUNTIME_MINUTES = 5 * 24 * 60  # what SageMaker's default quota allows
TAG_PATTERN = r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$"

FmType = Literal["sd_1_5", "sd_xl"]
Preset = Literal["style", "character", "object"]
Status = Literal[
    "queued",
    "starting",
    "running",
    "uploading",
    "interrupted",
    "canceling",
    "succeeded",
    "failed",
    "canceled",
]
FINAL: frozenset[Status] = frozenset({"succeeded", "failed", "canceled"})


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _no_reserved_tag(tags: dict[str, str]) -> dict[str, str]:
    reserved = sorted(name for name in tags if name.lower().startswith(("aws:", "lorastack:")))
    if reserved:
        raise ValueError(f"aws: and lorastack: are reserved, so {reserved[0]} can't be a tag")
    return tags


class DatasetChoice(_Request):
    """A dataset to train on."""

    dataset: Reference
    repeats: int | None = Field(
        default=None, ge=1, le=9999, description="Instead of those in the dataset's prefix."
    )


class NewTraining(_Request):
    """A training that is to be checked or started."""

    name: Name = Field(description="Also the name of the LoRA to come.")
    fm_type: FmType | None = Field(
        default=None, description="When given it must agree with the base model's."
    )
    model: Reference = Field(description="The base model: a checkpoint's id or name.")
    datasets: list[DatasetChoice] = Field(min_length=1, max_length=MOST_DATASETS)
    continue_from: Reference | None = Field(
        default=None,
        description="A finished LoRA's id or name, to be trained further. Of the base model's "
        "family; its rank and alpha are taken over.",
    )
    instance_type: str | None = Field(
        default=None,
        description="SageMaker's name of the machine; absent: the deployment's default.",
        examples=["ml.g5.xlarge"],
    )
    preset: Preset | None = Field(
        default=None,
        description="What the options have that config_params does not set, for the family and the "
        "instance's GPU memory; absent: style. GET /training-options has them with reasons.",
    )
    spot: bool = Field(default=False, description="Cheaper, and may be interrupted and go on.")
    max_runtime_minutes: int | None = Field(
        default=None, ge=5, le=MOST_RUNTIME_MINUTES, description="The job is stopped after that."
    )
    config_params: dict[str, Any] | str = Field(
        default={},
        description="Options of Kohya's sd-scripts over the preset's, as an object or as TOML. "
        "Strict: a number is no text, and nothing is corrected; POST /trainings/validate corrects.",
        examples=[{"network_dim": 16, "max_train_epochs": 10}],
    )
    tags: Annotated[
        dict[
            Annotated[str, Field(min_length=1, max_length=128, pattern=TAG_PATTERN)],
            Annotated[str, Field(max_length=256, pattern=TAG_PATTERN)],
        ],
        AfterValidator(_no_reserved_tag),
    ] = Field(default={}, max_length=MOST_TAGS, description="Put on the SageMaker job as well.")


class BucketUsed(_Frozen):
    """Images that are cut to one resolution; a batch has images of one bucket only."""

    resolution: Annotated[list[int], Field(min_length=2, max_length=2)] = Field(
        description="Width and height."
    )
    images: int
    samples: int = Field(description="Images times their repeats.")


class TrainingDraft(NewTraining):
    """A training that is to be checked; its options may be as people paste them."""

    config_params: dict[str, Any] | str = Field(
        default={},
        description="Options of Kohya's sd-scripts over the preset's: an object, TOML text with or "
        "without sections, or what the kohya_ss window saved as JSON. What can only mean one thing "
        "is corrected.",
        examples=["[training]\nlr = 1e-4\nepochs = 10"],
    )


def _tellable(value: Any) -> Any:
    """Return a value that JSON has; TOML's dates and NaN, which it lacks, as text."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return str(value)[:100]
    return value


_Told = Annotated[Any, BeforeValidator(_tellable)]


class Correction(_Frozen):
    """Something in config_params that was read otherwise than it was written."""

    option: str = Field(description="The option as sd-scripts calls it, or the section.")
    given: _Told = Field(description="What was written; with its name where that was another.")
    taken: _Told = Field(description="What it was read as; null: it was left out.")
    why: str


class Steps(_Frozen):
    """How much work a training is, as sd-scripts counts it."""

    images: int
    samples_per_epoch: int = Field(description="Images times their repeats.")
    steps_per_epoch: int
    epochs: int
    total_steps: int
    buckets: list[BucketUsed] = Field(
        default=[], description="Where each image falls; empty where sizes aren't known."
    )
    assumption: str | None = Field(
        description="What the reckoning takes for granted; null: nothing, it is exact."
    )


class Price(_Frozen):
    """What an hour of an instance costs on demand, and where that comes from."""

    usd_per_hour: float
    region: str
    as_of: str | None = Field(description="A date or a month; null for the deployment's own.")
    source: str


class SpotCost(_Frozen):
    """What a training may cost on spot capacity; its discount is known only afterwards."""

    usd_least: float
    usd_most: float


class Estimate(_Frozen):
    """What a training would take; null is unknown, and the notes say why."""

    seconds: float | None = Field(description="Of training alone, from a measured speed.")
    usd: float | None = Field(description="For those seconds, on demand.")
    spot: SpotCost | None
    usd_at_most: float | None = Field(
        description="For max_runtime_minutes on demand: the job is stopped after them."
    )
    price: Price | None
    notes: list[str]


class Validation(_Frozen):
    """What would come of a training; nothing was started."""

    valid: bool = Field(
        description="Whether POST /trainings would start it with the config_params of this answer; "
        "where there are corrections, those that were sent would be refused."
    )
    errors: list[Fault] = Field(description="All that must change before it can start.")
    warnings: list[Fault] = Field(description="What would start, and is hardly what is meant.")
    corrections: list[Correction]
    fm_type: FmType | None
    instance_type: str
    preset: Preset
    config_params: dict[str, Any] = Field(description="The options that would be trained with.")
    toml: str = Field(description="The same as sd-scripts' --config_file, by section.")
    steps: Steps | None
    estimate: Estimate


class ModelUsed(_Frozen):
    """A model that a training takes: its base model, or the LoRA that it continues."""

    id: str
    name: str
    file_name: str


class DatasetUsed(_Frozen):
    """A dataset as a training takes it."""

    id: str
    name: str
    folder: str
    repeats: int
    subject: str
    caption_policy: CaptionPolicy
    images: int


class Progress(_Frozen):
    """How far a training is, as its container last told."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    phase: str = Field(description="preparing, training, saving, finished or failed.")
    engine: str | None = Field(description="`kohya`, or `rehearsal` where nothing is learnt.")
    step: int
    total_steps: int | None
    epoch: int | None
    total_epochs: int | None
    loss: float | None
    average_loss: float | None
    seconds_per_step: float | None
    seconds_remaining: float | None
    updated_at: datetime


class Failure(_Frozen):
    """Why a training failed and what to do."""

    code: str
    message: str
    advice: str


class Training(_Frozen):
    """A training and how it stands."""

    id: str
    name: str
    status: Status
    provider_status: str | None = Field(
        default=None, description="SageMaker's own words, `InProgress/Downloading` say."
    )
    fm_type: FmType
    model: ModelUsed
    datasets: list[DatasetUsed]
    continue_from: ModelUsed | None = Field(
        default=None, description="The LoRA that it was to train further."
    )
    instance_type: str
    preset: Preset | None = Field(default=None, description="null: made before presets.")
    spot: bool
    max_runtime_minutes: int
    config_params: dict[str, Any]
    tags: dict[str, str]
    steps: Steps
    progress: Progress | None = Field(default=None, description="null until the job tells.")
    failure: Failure | None = None
    lora_id: str | None = Field(default=None, description="The model that came out of it.")
    job_name: str = Field(description="The SageMaker training job.")
    billable_seconds: int | None = Field(default=None, description="What SageMaker charges for.")
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    updated_at: datetime


class TrainingEvent(_Frozen):
    """Something that happened to a training."""

    id: str
    at: datetime
    status: Status
    provider_status: str | None = None
    message: str


class MetricsRow(_Frozen):
    """One optimizer step."""

    step: int
    epoch: int | None = None
    loss: float | None = None
    average_loss: float | None = None
    learning_rates: dict[str, float | None] = {}
    seconds_per_step: float | None = None


class Metrics(_Frozen):
    """Rows in the order of their steps."""

    data: list[MetricsRow]
    next_since_step: int | None = Field(
        description="Give it as `since_step` for what follows; null: this is all there is so far."
    )


class Checkpoint(_Frozen):
    """A LoRA that the job has finished so far; size in bytes."""

    file_name: str
    epoch: int | None
    step: int | None
    size: int
    sha256: str
    download: SignedDownload


class Checkpoints(_Frozen):
    """The LoRAs of a training in the order of their steps."""

    data: list[Checkpoint]


class JobModel(_Frozen):
    """Where the job finds the base model."""

    channel: Literal["model"] = "model"
    model_id: str
    file_name: str


class JobInit(_Frozen):
    """Where the job finds what it goes on with, and what that is."""

    channel: Literal["init"] = "init"
    kind: Literal["lora"] = "lora"
    model_id: str
    file_name: str


class JobDataset(_Frozen):
    """Where the job finds a dataset and how it trains on it."""

    channel: str = Field(pattern=r"^dataset_\d\d$")
    dataset_id: str
    folder: str
    repeats: int = Field(ge=1)
    subject: str
    caption_policy: CaptionPolicy


class Job(_Frozen):
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
