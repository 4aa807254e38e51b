"""What the check of a dataset found, as the API tells it and as it is kept."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lambdas.core.presign import SignedDownload

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
Resolution = Annotated[list[int], Field(min_length=2, max_length=2)]
Sizes = Annotated[list[int], Field(min_length=3, max_length=3)]


class Finding(BaseModel):
    """One thing that the check found."""

    model_config = ConfigDict(frozen=True)

    severity: Severity = Field(
        description="`error` makes the dataset invalid, `warning` should be looked at, `info` is "
        "good to know."
    )
    code: str = Field(description="Stable and for programs.", examples=["truncated"])
    file: str | None = Field(description="null where it is about the dataset as a whole.")
    message: str = Field(description="What was found.")
    remedy: str = Field(description="What would do.")
    others: list[str] = Field(default=[], description="Other files that it is about.")


class SubsetReport(BaseModel):
    """What the check found of one subset of several."""

    model_config = ConfigDict(frozen=True)

    prefix: str = Field(description="The subset's.")
    images: int = Field(description="How many images it has.")
    captions: int = Field(description="How many captions it has.")
    sizes: list[Sizes] | None = Field(default=None, description="As those of the whole dataset.")


class Report(BaseModel):
    """What the check found, in short; GET /datasets/{id}/report has all of it."""

    model_config = ConfigDict(frozen=True)

    images: int = Field(description="How many images there are.")
    captions: int = Field(description="How many captions there are.")
    errors: int = Field(default=0, description="How many findings are errors.")
    warnings: int = Field(default=0, description="How many findings are warnings.")
    infos: int = Field(default=0, description="How many findings are good to know.")
    findings: list[Finding] = Field(
        default=[], description="The first findings, errors in front, then by file."
    )
    counts: dict[str, int] = Field(
        default={}, description="How many findings there are of each code."
    )
    sizes: list[Sizes] | None = Field(
        default=None,
        description="Width, height and how many images have them, as sd-scripts reads them: EXIF "
        "orientation isn't applied, and an extended WebP (VP8X) counts as one pixel less each way. "
        "null where an image's size can't be told, and in a dataset of more than 1,000 sizes, "
        "whose report has them.",
        examples=[[[512, 768, 20]]],
    )
    subsets: list[SubsetReport] = Field(
        default=[],
        description="Where the dataset has several subsets, what is in each; else empty.",
    )


class BucketOfImages(BaseModel):
    """A bucket that images fall into."""

    model_config = ConfigDict(frozen=True)

    resolution: Resolution = Field(description="Width and height in pixels.")
    images: int = Field(description="How many images fall into it.")
    samples: int = Field(description="Images times repeats.")


class DatasetReport(Report):
    """The whole report of a dataset."""

    resolution: int = Field(
        description="The one that was asked for, in pixels: the buckets are reckoned for it."
    )
    buckets: list[BucketOfImages] | None = Field(
        description="Where the images fall at that resolution; null where sizes aren't known."
    )
    steps_per_epoch: int | None = Field(
        description="At that resolution, with batches of 1 and the dataset's repeats, or each "
        "subset's."
    )
    download: SignedDownload = Field(
        description="The report with every finding, as JSON: `findings` here has 500 at most."
    )
