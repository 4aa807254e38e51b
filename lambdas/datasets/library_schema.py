"""What the API takes and tells where a dataset is changed, copied or handed out."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from lambdas.core.json_types import Whole
from lambdas.core.names import Name
from lambdas.core.pages import Page
from lambdas.core.presign import SignedDownload
from lambdas.core.tags import Tags
from lambdas.datasets.origin_schema import CropMode
from lambdas.datasets.schema import PREFIX_PATTERN, CaptionPolicy, Dataset, check_prefix


class DatasetChanges(BaseModel):
    """What is to change of a dataset; what is absent stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name | None = Field(default=None, description="Another name.")
    description: Annotated[str, Field(max_length=1000)] | None = Field(
        default=None, description="Another description."
    )
    tags: Tags | None = Field(default=None, description="All of them: they replace those there.")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.asked():
            raise ValueError("name, description or tags: give at least one that is not null")
        return self

    def asked(self) -> dict[str, Any]:
        """Return the fields that are to change."""
        return self.model_dump(exclude_none=True)


class NewCrop(BaseModel):
    """A dataset that is to be cropped from another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="Of the new dataset.")
    description: str = Field(default="", max_length=1000, description="A note for people.")
    resolution: Whole = Field(
        ge=64, le=2048, multiple_of=64, description="In pixels; 512 for SD 1.5, 1024 for SDXL."
    )
    mode: CropMode = Field(
        default="center",
        description="`center` makes squares of that side around the middle. `fit` keeps the shape: "
        "each image becomes as large as the bucket that it falls into at that resolution. Neither "
        "enlarges an image.",
    )


class NewImport(BaseModel):
    """A folder in S3 that is to become a dataset, or that holds its subsets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="Of the dataset.")
    description: str = Field(default="", max_length=1000, description="A note for people.")
    s3_uri: str = Field(
        max_length=1100,
        json_schema_extra={"pattern": r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\n]+$"},
        description="A folder of the workspace's inbox, or of a place that the deployment gives "
        "it: images and captions as they are uploaded else, or folders of them like 100_demo, at "
        "most 16.",
        examples=["s3://bucket/acme/inbox/100_demo"],
    )
    prefix: Annotated[str, AfterValidator(check_prefix)] | None = Field(
        default=None,
        description="Repeats, an underscore, the subject, for the images directly in the folder. "
        "Absent: the folder's own name, or those of the folders in it, which become subsets.",
        json_schema_extra={"pattern": PREFIX_PATTERN},
        examples=["100_demo"],
    )
    caption_policy: CaptionPolicy = Field(
        default="required",
        description="What of an image without caption, as in a dataset that is uploaded.",
    )


class Imported(BaseModel):
    """The dataset that an import makes."""

    model_config = ConfigDict(frozen=True)

    dataset: Dataset = Field(description="It is `preparing`.")
    passed_over: int = Field(
        description="How many other files lie there: neither image nor caption, or in no folder "
        "like 100_demo. 0 when an earlier request is answered again."
    )


class ExportedFile(BaseModel):
    """A file of a dataset and where it is to be had."""

    model_config = ConfigDict(frozen=True)

    path: str = Field(
        description="Folder and name, as Kohya's tools expect them.",
        examples=["10_tusiji/demo1.png"],
    )
    size: int = Field(description="Its size in bytes.")
    etag: str = Field(description="S3's: of a file that was sent in one piece mostly its MD5.")
    sha256: str | None = Field(description="Of an image that was checked, else null.")
    download: SignedDownload = Field(description="Lives an hour at most.")


class DatasetExport(Page[ExportedFile]):
    """The manifest of a dataset: its files in the order of their names, a page at a time."""

    dataset: Dataset = Field(description="The dataset itself.")
