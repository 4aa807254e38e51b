"""The uploads of a dataset: what is asked for, and where files go."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lambdas.core.presign import SignedUpload
from lambdas.datasets.schema import MOST_FILES, Dataset, File, check_files, check_path


class AddedFile(File):
    """A file that is to be uploaded to a dataset that is there."""

    name: Annotated[str, AfterValidator(check_path)] = Field(
        description="As in POST /datasets; in a dataset of several subsets with the folder of one "
        "in front.",
        examples=["demo1.png", "100_demo/demo1.png"],
    )


class MoreUploads(BaseModel):
    """What `uploads` is asked for: fresh URLs for what is missing; files to add and to remove."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: Annotated[list[AddedFile], Field(max_length=MOST_FILES), AfterValidator(check_files)] = (
        Field(default=[], description="Files that the dataset is to have besides.")
    )
    remove: list[str] = Field(
        default=[],
        max_length=MOST_FILES,
        description="Names of files that it is no longer to have: they are deleted. One that "
        "stands in `files`, too, is replaced.",
        examples=[["broken.png"]],
    )


class FileUpload(BaseModel):
    """Where a file of a dataset is to be put."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="The file's name.")
    upload: SignedUpload = Field(description="How to send its bytes.")


class DatasetUploads(BaseModel):
    """A dataset and where its missing files go, at most 500 to an answer."""

    model_config = ConfigDict(frozen=True)

    dataset: Dataset = Field(description="The dataset itself.")
    uploads: list[FileUpload] = Field(
        description="One for each file that has not arrived, at most 500."
    )
    missing: int = Field(
        description="How many files are missing in all; when more than `uploads` has, upload "
        "these and ask POST /datasets/{id}/uploads again."
    )
