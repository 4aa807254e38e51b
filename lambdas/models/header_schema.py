"""What a safetensors header tells of a model, as the API tells it and the table keeps it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Family = Literal["sd_1_5", "sd_2", "sd_xl", "sd_xl_refiner", "sd_3", "flux", "unknown"]
Part = Literal["diffusion", "text_encoder", "vae"]
Prediction = Literal["epsilon", "v"]
LoraForm = Literal["kohya", "diffusers", "peft"]
LoraAlgorithm = Literal["lora", "loha", "lokr"]
LoraTarget = Literal["diffusion", "text_encoder"]


class TriggerTag(BaseModel):
    """A tag of the captions that a LoRA was trained with."""

    model_config = ConfigDict(frozen=True)

    tag: str = Field(description="The tag, as it stood in the captions.")
    count: int = Field(description="In how many captions it stood, all subsets together.")


class LoraFacts(BaseModel):
    """What a LoRA's header tells besides its rank and alpha."""

    model_config = ConfigDict(frozen=True)

    form: LoraForm = Field(description="Whose names its tensors have.")
    algorithm: LoraAlgorithm = Field(description="`loha` and `lokr` are LyCORIS's.")
    dora: bool = Field(default=False, description="Whether weights are decomposed (DoRA).")
    ranks: list[int] = Field(description="The ranks that occur, at most 16, smallest first.")
    targets: list[LoraTarget] = Field(description="Which parts of the base model it changes.")
    modules: list[str] = Field(
        description="The kinds of layers it changes, `attn2_to_k` say, the most frequent first, "
        "20 at most."
    )
    module_count: int = Field(description="How many layers it changes.")
    trigger_tags: list[TriggerTag] = Field(
        default=[], description="From `ss_tag_frequency`, the most frequent first, at most 20."
    )


class ModelSpec(BaseModel):
    """The ModelSpec fields of a header, each cut to 500 characters; absent ones are null.

    See https://github.com/Stability-AI/ModelSpec.
    """

    model_config = ConfigDict(frozen=True)

    architecture: str | None = Field(
        default=None, description="`modelspec.architecture`: what kind of model it is."
    )
    implementation: str | None = Field(
        default=None, description="`modelspec.implementation`: whose code it is for."
    )
    title: str | None = Field(default=None, description="`modelspec.title`.")
    description: str | None = Field(default=None, description="`modelspec.description`.")
    author: str | None = Field(default=None, description="`modelspec.author`.")
    date: str | None = Field(default=None, description="`modelspec.date`: when it was made.")
    license: str | None = Field(default=None, description="`modelspec.license`.")
    resolution: str | None = Field(
        default=None, description="`modelspec.resolution`: width and height in pixels."
    )
    tags: str | None = Field(default=None, description="`modelspec.tags`.")
    merged_from: str | None = Field(
        default=None, description="`modelspec.merged_from`: the models that it was merged from."
    )
    trigger_phrase: str | None = Field(
        default=None, description="`modelspec.trigger_phrase`: what brings its subject about."
    )
    usage_hint: str | None = Field(default=None, description="`modelspec.usage_hint`.")
    prediction_type: str | None = Field(
        default=None, description="`modelspec.prediction_type`: epsilon or v."
    )
    hash_sha256: str | None = Field(
        default=None, description="`modelspec.hash_sha256`: of its tensors, in hex."
    )


class HeaderFacts(BaseModel):
    """What the safetensors header says, read without the tensors."""

    model_config = ConfigDict(frozen=True)

    tensors: int = Field(description="How many tensors there are.")
    parameters: int = Field(description="How many numbers they hold together.")
    precision: str = Field(description="The type of most of them, `F16` say.")
    family: Family = Field(
        default="unknown",
        description="The family that the tensors' names and shapes tell; finer than `fm_type`, "
        "which says what can be trained here.",
    )
    parts: list[Part] = Field(
        default=[], description="Of a checkpoint: what it holds; a whole one holds all three."
    )
    inpainting: bool = Field(default=False, description="Whether it takes a mask and an image.")
    prediction: Prediction | None = Field(
        default=None,
        description="`v` or `epsilon` where the header tells it; null where it does not, as most "
        "do not.",
    )
    rank: int | None = Field(
        default=None, description="Of a LoRA: its network_dim; null when its layers differ."
    )
    alpha: float | None = Field(
        default=None, description="Of a LoRA: its network_alpha, where the metadata tells it."
    )
    lora: LoraFacts | None = Field(default=None, description="Of a LoRA: what else is known.")
    modelspec: ModelSpec | None = Field(
        default=None, description="The ModelSpec fields, when there are any."
    )
    engine: str | None = Field(
        default=None, description="`rehearsal` when no real training made it."
    )
