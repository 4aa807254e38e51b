"""Captions that the job has a tagger propose before it trains."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lambdas.core.json_types import Number
from lambdas.datasets.schema import has_control_character

MOST_TAG_CHARACTERS = 64
MOST_BLACKLISTED = 200
MOST_ADDED = 20

Existing = Literal["keep", "append", "replace"]


def _check_tag(tag: str) -> str:
    tag = tag.strip()
    if not tag:
        raise ValueError("is empty: leave it out")
    if "," in tag:
        raise ValueError("may have no comma, which parts tags: write two tags")
    if has_control_character(tag):
        raise ValueError("may have no control or invisible character and no line end")
    return tag


def _each_once(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


Tag = Annotated[
    str,
    Field(min_length=1, max_length=MOST_TAG_CHARACTERS, description="A tag, without comma."),
    AfterValidator(_check_tag),
]
Threshold = Annotated[Number, Field(ge=0.01, le=1)]


class Captioning(BaseModel):
    """How images get captions before the training: Kohya's WD14 tagger, in the same job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tagger: Literal["wd14"] = Field(
        default="wd14",
        description="The model that the training image holds; it knows the tags of Danbooru.",
    )
    general_threshold: Threshold = Field(
        default=0.35,
        description="A general tag is proposed when the tagger is so sure of it; 1 proposes none.",
    )
    character_threshold: Threshold = Field(
        default=0.35, description="The same of names of characters; 1 proposes none."
    )
    blacklist: Annotated[list[Tag], AfterValidator(_each_once)] = Field(
        default=[],
        max_length=MOST_BLACKLISTED,
        description="Tags that are never proposed; with spaces or underscores, in any case.",
        examples=[["watermark", "signature"]],
    )
    prepend: Annotated[list[Tag], AfterValidator(_each_once)] = Field(
        default=[],
        max_length=MOST_ADDED,
        description="Put before the proposed tags, a trigger word say; not in regularisation "
        "sets. Set keep_tokens to their number when shuffle_caption is set.",
        examples=[["tusiji"]],
    )
    append: Annotated[list[Tag], AfterValidator(_each_once)] = Field(
        default=[],
        max_length=MOST_ADDED,
        description="Put behind the proposed tags; not in regularisation sets.",
    )
    existing: Existing = Field(
        default="keep",
        description="What becomes of captions that are there: `keep` tags only images without one "
        "(an empty one is none), `append` adds the tags that a caption lacks, `replace` puts the "
        "tags in its place. In this training only: the dataset stays as it is.",
    )


class TaggedCaption(BaseModel):
    """What the tagger proposed for an image."""

    model_config = ConfigDict(frozen=True)

    dataset_id: str = Field(description="The dataset that the image belongs to.")
    file_name: str = Field(
        description="The image's; of a dataset with several subsets with its folder in front."
    )
    tags: list[str] = Field(description="What the tagger saw, the blacklist left out.")
    caption: str = Field(
        description="What the image is trained with: tags, prepend and append, and the caption "
        "that was there if `existing` is append. Empty: no tag was found, and nothing changed."
    )
    tagger: str = Field(description="The tagger's model, or `rehearsal` where nothing was seen.")


class TaggedCaptions(BaseModel):
    """A page of what the tagger proposed: by dataset as in the training, by file name."""

    model_config = ConfigDict(frozen=True)

    data: list[TaggedCaption] = Field(description="By dataset, then by file name.")
    next_cursor: str | None = Field(
        default=None, description="Give it as `cursor` for the next page; null: this was the last."
    )
