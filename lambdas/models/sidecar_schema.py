"""The files beside a model, with the very names that other tools read."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Named(BaseModel):
    """Data whose names outside are not ours."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)


class CivitaiModel(_Named):
    """The model that a version belongs to."""

    name: str
    type: str = Field(description="`LORA`, or `LoCon` for LyCORIS.")
    nsfw: bool = False
    poi: bool = False
    tags: list[str]


class CivitaiFileMetadata(_Named):
    """How the numbers are kept."""

    fp: str | None
    format: Literal["SafeTensor"] = "SafeTensor"


class CivitaiFile(_Named):
    """The file itself."""

    name: str
    size_kb: float = Field(alias="sizeKB")
    type: Literal["Model"] = "Model"
    primary: bool = True
    metadata: CivitaiFileMetadata
    hashes: dict[str, str] = Field(description="`SHA256` in capitals, where it is known.")


class CivitaiInfo(_Named):
    """A model version as Civitai tells of it; save it as `<name>.civitai.info`."""

    name: str
    description: str
    base_model: str = Field(alias="baseModel")
    trained_words: list[str] = Field(alias="trainedWords")
    model: CivitaiModel
    files: list[CivitaiFile]
    images: list[dict[str, str]] = Field(
        default=[], description="Always empty: previews are no part of a model yet."
    )


class WebuiMetadata(_Named):
    """What WebUI keeps of an extra network; save it as `<name>.json`."""

    description: str
    sd_version: str = Field(alias="sd version", description="`SD1`, `SD2`, `SDXL` or `Unknown`.")
    activation_text: str = Field(alias="activation text")
    preferred_weight: float = Field(
        default=0, alias="preferred weight", description="0: WebUI takes its own default."
    )
    negative_text: str = Field(default="", alias="negative text")
    notes: str
