"""The files beside a model, with the very names that other tools read."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Named(BaseModel):
    """Data whose names outside are not ours."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)


class CivitaiModel(_Named):
    """The model that a version belongs to."""

    name: str = Field(description="The model's name.")
    type: str = Field(description="`LORA`, or `LoCon` for LyCORIS.")
    nsfw: bool = Field(default=False, description="Always false: it is not known here.")
    poi: bool = Field(
        default=False, description="Always false: whether it shows a real person is not known here."
    )
    tags: list[str] = Field(description="The model's tags.")


class CivitaiFileMetadata(_Named):
    """How the numbers are kept."""

    fp: str | None = Field(description="`fp16`, `bf16` or `fp32`; null: another.")
    format: Literal["SafeTensor"] = Field(
        default="SafeTensor", description="The format of the file."
    )


class CivitaiFile(_Named):
    """The file itself."""

    name: str = Field(description="The file's name.")
    size_kb: float = Field(alias="sizeKB", description="Its size in KiB.")
    type: Literal["Model"] = Field(default="Model", description="What kind of file it is.")
    primary: bool = Field(default=True, description="Whether it is the one to load.")
    metadata: CivitaiFileMetadata = Field(description="How its numbers are kept.")
    hashes: dict[str, str] = Field(description="`SHA256` in capitals, where it is known.")


class CivitaiInfo(_Named):
    """A model version as Civitai tells of it; save it as `<name>.civitai.info`."""

    name: str = Field(description="The name of the version.")
    description: str = Field(description="A note for people.")
    base_model: str = Field(alias="baseModel", description="The family, in Civitai's words.")
    trained_words: list[str] = Field(
        alias="trainedWords", description="What brings its subject about."
    )
    model: CivitaiModel = Field(description="The model that it is a version of.")
    files: list[CivitaiFile] = Field(description="The one file.")
    images: list[dict[str, str]] = Field(
        default=[], description="Always empty: previews are no part of a model yet."
    )


class WebuiMetadata(_Named):
    """What WebUI keeps of an extra network; save it as `<name>.json`."""

    description: str = Field(description="A note for people.")
    sd_version: str = Field(alias="sd version", description="`SD1`, `SD2`, `SDXL` or `Unknown`.")
    activation_text: str = Field(
        alias="activation text", description="What is put into the prompt."
    )
    preferred_weight: float = Field(
        default=0, alias="preferred weight", description="0: WebUI takes its own default."
    )
    negative_text: str = Field(
        default="", alias="negative text", description="What is put into the negative prompt."
    )
    notes: str = Field(description="What else is known of it.")
