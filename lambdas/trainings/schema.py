"""What a training is, as the API takes it, tells it and keeps it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lambdas.core.json_types import Flag, Number, Whole
from lambdas.core.names import Name, Reference
from lambdas.datasets.schema import CaptionPolicy
from lambdas.trainings.captioning_schema import Captioning
from lambdas.trainings.samples_schema import MOST_PROMPTS, NewSamplePrompt, SamplePrompt

MOST_DATASETS = 16
MOST_TAGS = 20
MOST_BUCKETS = 1000
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
    "deleting",
]
# One that is being deleted had ended before, so that nothing that its job tells changes it.
FINAL: frozenset[Status] = frozenset({"succeeded", "failed", "canceled", "deleting"})


class Frozen(BaseModel):
    """Data that does not change."""

    model_config = ConfigDict(frozen=True)


class Request(BaseModel):
    """What a client sends; a field that nobody knows is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _no_reserved_tag(tags: dict[str, str]) -> dict[str, str]:
    reserved = sorted(name for name in tags if name.lower().startswith(("aws:", "lorastack:")))
    if reserved:
        raise ValueError(f"aws: and lorastack: are reserved, so {reserved[0]} can't be a tag")
    return tags


class DatasetChoice(Request):
    """A dataset to train on, or to hold against what is learnt.

    The same dataset may stand several times, each time with another resolution, say. Of one that
    has several subsets each is trained with its own repeats and subject, all with these options.
    """

    dataset: Reference
    repeats: Whole | None = Field(
        default=None,
        ge=1,
        le=9999,
        description="Instead of those in the dataset's prefix; not with one of "
        "several subsets, which have their own.",
    )
    regularisation: Flag = Field(
        default=False,
        description="Images of the class (any rabbit, say) that keep the subject from taking it "
        "over: as many are seen in an epoch as of the images that they regularise, and "
        "prior_loss_weight says how much they count. They regularise the datasets that have the "
        "resolution, batch size, etc. of `options`; without any of these, all.",
    )
    caption_policy: CaptionPolicy | None = Field(
        default=None, description="Instead of the dataset's own."
    )
    options: dict[str, Any] = Field(
        default={},
        description="Options of sd-scripts that this dataset has otherwise than config_params. "
        "Datasets that are alike in resolution, batch size, buckets and validation share buckets "
        "and batches. Strict as config_params are; POST /trainings/validate corrects.",
        examples=[{"resolution": "768,768", "train_batch_size": 2, "flip_aug": True}],
    )


class EarlyStop(Request):
    """When a training whose loss falls no more is ended."""

    patience_epochs: Whole = Field(
        ge=1, le=1000, description="So many epochs without a better average loss end it."
    )
    min_improvement: Number = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="The share by which an epoch's average loss must be lower than the best so far "
        "to count as better: 0.01 is one percent.",
    )


TrainingTags = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=128, pattern=TAG_PATTERN)],
        Annotated[str, Field(max_length=256, pattern=TAG_PATTERN)],
    ],
    AfterValidator(_no_reserved_tag),
    Field(max_length=MOST_TAGS),
]


class TrainingChanges(Request):
    """What is to change of a training."""

    tags: TrainingTags = Field(
        description="All of them: they replace those there. A job that has begun keeps the tags "
        "that it began with."
    )


class NewTraining(Request):
    """A training that is to be checked or started."""

    name: Name = Field(description="Also the name of the LoRA to come.")
    fm_type: FmType | None = Field(
        default=None, description="When given it must agree with the base model's."
    )
    model: Reference = Field(description="The base model: a checkpoint's id or name.")
    datasets: list[DatasetChoice] = Field(
        min_length=1,
        max_length=MOST_DATASETS,
        description="What it is trained on; each dataset may come several times.",
    )
    continue_from: Reference | None = Field(
        default=None,
        description="A finished LoRA's id or name, to be trained further: of the base model's "
        "family and a plain one in kohya's form; its rank and alpha are taken over. Or the id of a "
        "training that has ended and kept its state, `trn_...`: the new one goes on from its step "
        "and epoch with its options, model, datasets and number of GPUs; max_train_epochs counts "
        "from the beginning. A name always means a LoRA.",
    )
    keep_state: Flag | None = Field(
        default=None,
        description="Whether the newest two states are kept, with the LoRAs of epochs, from which "
        "an interrupted training goes on and a later one may (continue_from). A state is about six "
        "times the LoRA's size. Absent: true for spot, else false.",
    )
    early_stop: EarlyStop | None = Field(
        default=None,
        description="End when the loss falls no more; the best epoch's LoRA becomes the "
        "training's, which has succeeded then. Needs a LoRA of every epoch.",
    )
    captioning: Captioning | None = Field(
        default=None,
        description="Captions proposed by a tagger before the training; absent: none. A dataset "
        "that is invalid only because captions are missing will do then.",
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
    spot: Flag = Field(default=False, description="Cheaper, and may be interrupted and go on.")
    max_runtime_minutes: Whole | None = Field(
        default=None, ge=5, le=MOST_RUNTIME_MINUTES, description="The job is stopped after that."
    )
    config_params: dict[str, Any] | str = Field(
        default={},
        description="Options of Kohya's sd-scripts over the preset's, as an object or as TOML. "
        "Strict: a number is no text, and nothing is corrected; POST /trainings/validate corrects.",
        examples=[{"network_dim": 16, "max_train_epochs": 10}],
    )
    sample_prompts: list[NewSamplePrompt] = Field(
        default=[],
        max_length=MOST_PROMPTS,
        description="Drawn while the training runs, to see what it learns: at each epoch's end, "
        "unless the options sample_every_n_epochs or sample_every_n_steps say otherwise.",
    )
    tags: TrainingTags = Field(default={}, description="Put on the SageMaker job as well.")


class BucketUsed(Frozen):
    """Images that are cut to one resolution; a batch has images of one bucket only."""

    resolution: Annotated[list[int], Field(min_length=2, max_length=2)] = Field(
        description="Width and height."
    )
    images: int = Field(description="How many images fall into it.")
    samples: int = Field(description="Images times their repeats.")
    group: int = Field(
        default=0, description="Whose bucket it is: the number that `datasets` have in `groups`."
    )


class Steps(Frozen):
    """How much work a training is, as sd-scripts counts it."""

    images: int = Field(description="Without those of regularisation.")
    samples_per_epoch: int = Field(description="Images times their repeats.")
    regularisation_samples: int = Field(
        default=0,
        description="What is seen of regularisation sets besides, as often as it takes to be as "
        "many.",
    )
    steps_per_epoch: int = Field(description="Optimizer steps in one epoch.")
    epochs: int = Field(description="How many epochs.")
    total_steps: int = Field(description="Optimizer steps in all.")
    buckets: list[BucketUsed] = Field(
        default=[],
        description="Where each image falls, the 1,000 fullest; empty where sizes aren't known.",
    )
    assumption: str | None = Field(
        description="What the reckoning takes for granted; null: nothing, it is exact."
    )


class ModelUsed(Frozen):
    """The base model of a training."""

    id: str = Field(description="`mdl_` and a ULID.")
    name: str = Field(description="Its name when the training was made.")
    file_name: str = Field(description="The file's name.")


class Continued(Frozen):
    """What a training goes on from: a finished LoRA, or another training's saved state."""

    kind: Literal["lora", "state"] = Field(
        default="lora", description="A finished LoRA, or a saved state."
    )
    id: str = Field(description="The LoRA's, or the training's whose state it is.")
    name: str = Field(description="Its name when the training was made.")
    file_name: str | None = Field(default=None, description="The LoRA's file.")
    step: int = Field(default=0, description="After which step of the other training it began.")
    epoch: int = Field(default=0, description="After which epoch.")


class DatasetUsed(Frozen):
    """A dataset as a training takes it, or one of its subsets where it has several."""

    id: str = Field(description="`ds_` and a ULID.")
    name: str = Field(description="Its name when the training was made.")
    folder: str = Field(description="The folder in which the job finds it.")
    subset: int | None = Field(
        default=None,
        description="Which of the dataset's subsets it is, from 0; null: it has one alone.",
    )
    repeats: int = Field(description="How often it is repeated within one epoch.")
    subject: str = Field(description="What an image without caption is trained on.")
    caption_policy: CaptionPolicy = Field(description="What of an image without caption.")
    images: int = Field(description="How many images it has.")
    regularisation: bool = Field(
        default=False, description="Whether it only holds the model to what it knew."
    )
    options: dict[str, Any] = Field(
        default={}, description="What it has otherwise than config_params."
    )
    groups: list[int] = Field(
        default=[0],
        description="Which of the job's [[datasets]] it lies in, from 0: those in one share "
        "buckets and batches. A regularisation set lies in all that it regularises.",
    )


class Gpu(Frozen):
    """A GPU of the job's; null is what it does not tell."""

    index: int = Field(description="Counted from 0.")
    name: str = Field(description="As its driver tells it.")
    memory_total_mib: int | None = Field(description="Memory of the GPU, in MiB.")
    memory_used_mib: int | None = Field(description="Memory of the GPU in use, in MiB.")
    memory_peak_mib: int | None = Field(
        description="The most that was in use, looked at every 5 seconds."
    )
    utilization_percent: int | None = Field(description="How busy the GPU was, in percent.")


class StoppedEarly(Frozen):
    """Where a training was ended since its loss fell no more."""

    after_epoch: int = Field(description="The last epoch that was trained.")
    best_epoch: int = Field(description="Whose LoRA became the training's.")


class Progress(Frozen):
    """How far a training is, as its container last told."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    phase: str = Field(
        description="preparing, captioning, training, saving, finished, stopped (canceled, or spot "
        "capacity was taken back) or failed."
    )
    engine: str | None = Field(description="`kohya`, or `rehearsal` where nothing is learnt.")
    step: int = Field(description="Optimizer steps done.")
    total_steps: int | None = Field(description="Optimizer steps in all.")
    epoch: int | None = Field(description="Counted from 1.")
    total_epochs: int | None = Field(description="Epochs in all.")
    loss: float | None = Field(description="Of the last step.")
    average_loss: float | None = Field(description="Over the last epoch's steps.")
    seconds_per_step: float | None = Field(description="Seconds that a step takes.")
    seconds_remaining: float | None = Field(description="Seconds that are left, as things stand.")
    gpus: list[Gpu] | None = Field(default=None, description="null: there is none.")
    images_captioned: int | None = Field(
        default=None, description="Images that the tagger has done; null: nothing to caption."
    )
    images_to_caption: int | None = Field(
        default=None, description="Images that the tagger has still to look at."
    )
    stopped_early: StoppedEarly | None = Field(
        default=None, description="Where it was ended since its loss fell no more."
    )
    updated_at: datetime = Field(description="When the container told it.")


class Failure(Frozen):
    """Why a training failed and what to do."""

    code: str = Field(description="Stable and for programs.")
    message: str = Field(description="What happened, for people.")
    advice: str = Field(description="What to do about it.")
    log_tail: list[str] = Field(
        default=[], description="The last lines of the trainer's log, at most 20; cut when long."
    )


class Charge(Frozen):
    """What a training counts for in its month."""

    month: str = Field(description="In which it was made, in UTC.", examples=["2026-11"])
    gpu_seconds: int = Field(
        description="Seconds times GPUs: the most that it may take until it has ended, then those "
        "that SageMaker bills."
    )
    usd: float | None = Field(description="US dollars, likewise; null: the price is unknown.")


class Training(Frozen):
    """A training and how it stands."""

    id: str = Field(description="`trn_` and a ULID.")
    name: str = Field(
        description="Unique among the trainings of the workspace, and its LoRA's name."
    )
    status: Status = Field(description="How it stands; a final status never changes.")
    provider_status: str | None = Field(
        default=None, description="SageMaker's own words, `InProgress/Downloading` say."
    )
    fm_type: FmType = Field(description="The family of the base model.")
    model: ModelUsed = Field(description="The base model.")
    datasets: list[DatasetUsed] = Field(description="What it is trained on.")
    continue_from: Continued | None = Field(
        default=None, description="What it was to train further."
    )
    captioning: Captioning | None = Field(
        default=None, description="How captions were proposed; null: not asked for."
    )
    keep_state: bool = Field(default=False, description="Whether state is kept to go on from.")
    early_stop: EarlyStop | None = Field(
        default=None, description="When it ends because its loss falls no more."
    )
    instance_type: str = Field(description="SageMaker's name of the machine.")
    preset: Preset | None = Field(default=None, description="null: made before presets.")
    spot: bool = Field(description="Whether it runs on spot capacity.")
    interruptions: int = Field(default=0, description="How often its spot machine was taken away.")
    max_runtime_minutes: int = Field(description="Minutes after which it is stopped.")
    config_params: dict[str, Any] = Field(
        description="The options of sd-scripts that it is trained with."
    )
    sample_prompts: list[SamplePrompt] = Field(
        default=[], description="What is drawn while it runs."
    )
    tags: dict[str, str] = Field(description="Put on the SageMaker job as well.")
    steps: Steps = Field(description="How much work it is.")
    progress: Progress | None = Field(default=None, description="null until the job tells.")
    failure: Failure | None = Field(default=None, description="Why it failed; null unless it did.")
    lora_id: str | None = Field(default=None, description="The model that came out of it.")
    job_name: str = Field(description="The SageMaker training job.")
    billable_seconds: int | None = Field(default=None, description="What SageMaker charges for.")
    charge: Charge | None = Field(
        default=None,
        description="What it counts for in the limits of its month; null: made before there were "
        "any.",
    )
    created_at: datetime = Field(description="When it was asked for.")
    started_at: datetime | None = Field(
        default=None, description="When its job began; null before."
    )
    ended_at: datetime | None = Field(default=None, description="When it ended; null before.")
    updated_at: datetime = Field(description="When it last changed.")
    revision: int = Field(
        default=1, description="Grows with each PATCH; If-Match is held to it by the ETag."
    )
