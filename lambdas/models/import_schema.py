"""An import as the API takes it, and what is kept of it until it has ended."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from lambdas.core.names import Name
from lambdas.models.remote_url import MOST_CHARACTERS
from lambdas.models.schema import (
    FILE_NAME_PATTERN,
    Description,
    ModelType,
    Sha256,
    Tags,
    check_file_name,
)


class ImportModel(BaseModel):
    """A model that is to be fetched: from an https link, or from the workspace's place in S3."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    type: ModelType = Field(default="checkpoint", description="`checkpoint` is a base model.")
    description: Description = Field(default="", description="A note for people.")
    tags: Tags = []
    url: str | None = Field(
        default=None,
        max_length=MOST_CHARACTERS,
        description="An https link to a .safetensors; pages of Hugging Face (`/blob/`) and Civitai "
        "(`?modelVersionId=`) will do as the browser shows them.",
        examples=["https://huggingface.co/acme/base/blob/main/base.safetensors"],
    )
    s3_uri: str | None = Field(
        default=None,
        max_length=1100,
        json_schema_extra={"pattern": r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\n]+$"},
        description="Of an object in the workspace's inbox, `s3://<bucket>/<workspace>/inbox/`, or "
        "in a prefix that the deployment gives the workspace. It is copied and stays there.",
    )
    file_name: (
        Annotated[
            str,
            AfterValidator(check_file_name),
            Field(json_schema_extra={"pattern": FILE_NAME_PATTERN}),
        ]
        | None
    ) = Field(
        default=None, description="Absent: as the source calls it, or after the model's name."
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="Of the whole file: one that has another is `invalid`. Absent: what Hugging "
        "Face tells of its files is held to.",
    )

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if (self.url is None) == (self.s3_uri is None):
            raise ValueError("give url or s3_uri, one of the two")
        return self


class Source(BaseModel):
    """Where a model's bytes come from, and what was found there; size in bytes.

    `url` is as it was given, its query too, so this is kept no longer than the import takes.
    """

    model_config = ConfigDict(frozen=True)

    url: str | None = None
    bucket: str | None = None
    key: str | None = None
    named: bool = Field(description="Whether the file's name is settled.")
    looked_at: bool = False
    size: int | None = None
    etag: str | None = None
    resumable: bool = True
    starts: int = Field(default=0, description="How often it was begun from its first byte.")
