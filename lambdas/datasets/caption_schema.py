"""Captions as the API takes them and tells them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lambdas.core.json_types import Flag
from lambdas.datasets.caption_text import CaptionText, Tag, check_text
from lambdas.datasets.caption_writes import Version
from lambdas.datasets.report_schema import Finding

MOST_AT_ONCE = 500
MOST_FIND = 1000

ImageId = Annotated[str, Field(max_length=40, examples=["img_01JD0000000000000000000000"])]
Etag = Annotated[
    str,
    Field(
        max_length=64,
        description="Equal for equal texts, `none` where there is no caption. Give it back when "
        "you replace the caption, so that nobody's work is overwritten.",
    ),
]


class Frozen(BaseModel):
    """A model that takes no fields but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Caption(Frozen):
    """The caption of an image."""

    image_id: str = Field(description="`img_` and a ULID.")
    name: str = Field(description="The image's file name.")
    text: str | None = Field(description="null where there is none, or it can't be read.")
    etag: Etag
    findings: list[Finding] = Field(description="What there is to say about the caption.")


class NewCaption(Frozen):
    """The text that a caption is to have."""

    text: CaptionText


class CaptionWrite(NewCaption):
    """The text that one of several captions is to have, and what it replaces."""

    image_id: ImageId = Field(description="The image whose caption it is.")
    etag: Etag | None = Field(
        default=None,
        description="Of the caption that it replaces; may be left out where there is none.",
    )


class CaptionWrites(Frozen):
    """Captions to write in one call."""

    captions: list[CaptionWrite] = Field(
        min_length=1, max_length=MOST_AT_ONCE, description="Each image once."
    )


class CaptionOutcome(Frozen):
    """What became of one of several captions."""

    outcome: Literal["written", "unchanged", "conflict"] = Field(
        description="`conflict`: someone else changed it meanwhile, and nothing was written. "
        "`text` and `etag` are what stands there."
    )
    image_id: str = Field(description="The image whose caption it is.")
    name: str = Field(description="The image's file name.")
    text: str | None = Field(description="The caption as it stands now; null: there is none.")
    etag: Etag


class CaptionOutcomes(Frozen):
    """What became of each caption, in the order in which they were given."""

    written: int = Field(description="How many were written.")
    unchanged: int = Field(description="How many stood there already.")
    conflicts: int = Field(description="How many someone else had changed; those were not written.")
    results: list[CaptionOutcome] = Field(
        description="One for each caption of the request, in its order."
    )


class CaptionVersions(Frozen):
    """The caption of an image and its earlier texts."""

    current: Caption = Field(description="The caption as it stands.")
    versions: list[Version] = Field(
        description="Earlier texts, newest first; the newest 20 are kept. Write one to restore it."
    )


class DryRun(Frozen):
    """A change of the whole set that may be tried first."""

    dry_run: Flag = Field(
        default=False, description="Change nothing; tell how many captions would change."
    )


class Replacement(DryRun):
    """A text to find in all captions and what to put in its place."""

    find: Annotated[str, AfterValidator(check_text)] = Field(
        min_length=1,
        max_length=MOST_FIND,
        description="As it stands there, in upper and lower case; no pattern.",
        examples=["grey hair"],
    )
    replace: Annotated[str, AfterValidator(check_text)] = Field(
        max_length=MOST_FIND,
        examples=["silver hair"],
        description="What to put in its place; empty takes it out.",
    )
    whole_tags: Flag = Field(
        default=False,
        description="Replace only where `find` is a whole tag; an empty `replace` removes it.",
    )


class TagToAdd(DryRun):
    """A tag that all captions are to have."""

    tag: Tag = Field(description="The tag, without commas.")
    position: Literal["start", "end"] = Field(
        default="start", description="Of captions that lack it; `keep_tokens` goes by the start."
    )


class TagToRemove(DryRun):
    """A tag that no caption is to have."""

    tag: Tag = Field(description="The tag, without commas.")


class TagCount(Frozen):
    """A tag and how many captions have it."""

    tag: str = Field(description="The words between two commas.")
    images: int = Field(description="How many images have it.")


class TagCounts(Frozen):
    """The tags of a dataset, the most frequent first."""

    images: int = Field(description="How many images the dataset has.")
    captioned: int = Field(description="How many images have a caption that can be read.")
    distinct: int = Field(description="How many different tags there are.")
    tags: list[TagCount] = Field(description="At most `limit` of them.")
