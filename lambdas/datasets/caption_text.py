"""Captions as text: what one may be, its ETag, its tags.

sd-scripts takes the first line for the caption and the words between its commas for tags
(library/train_util.py:1946 and :917).
"""

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from lambdas.asset_worker.caption_findings import MOST_CAPTION_BYTES
from lambdas.asset_worker.captions import read_caption
from lambdas.datasets.images import Image
from lambdas.datasets.report_schema import Finding
from lambdas.datasets.schema import caption_of

MOST_TAG_BYTES = 200
NO_CAPTION = "none"
_MARK = "\ufeff"


def check_text(text: str) -> str:
    """Return a caption with line ends as Unix has them.

    Raises ValueError when it is too long or has characters that no caption has.
    """
    text = text.removeprefix(_MARK).replace("\r\n", "\n")
    if any(_is_control(character) for character in text):
        raise ValueError("may have no control characters but line ends and tabs")
    if (size := len(text.encode())) > MOST_CAPTION_BYTES:
        raise ValueError(
            f"has {size:,} bytes in UTF-8, and a caption has at most {MOST_CAPTION_BYTES:,}: keep "
            "to one line on what the image shows"
        )
    return text


def check_tag(tag: str) -> str:
    """Return a tag without spaces around it.

    Raises ValueError when it would be none, or several.
    """
    tag = check_text(tag).strip()
    if not tag:
        raise ValueError("must have a character that is no space")
    if "," in tag or "\n" in tag:
        raise ValueError("is one tag: no comma and no line end; add several one by one")
    if len(tag.encode()) > MOST_TAG_BYTES:
        raise ValueError(f"may have at most {MOST_TAG_BYTES} bytes in UTF-8")
    return tag


CaptionText = Annotated[
    str,
    AfterValidator(check_text),
    Field(
        description="What the image shows. sd-scripts reads the first line; tags are separated by "
        f"commas. At most {MOST_CAPTION_BYTES:,} bytes in UTF-8.",
        examples=["1girl, solo, red scarf"],
    ),
]
Tag = Annotated[
    str,
    AfterValidator(check_tag),
    Field(
        json_schema_extra={"pattern": r"^[^,\n]*[^\s,][^,\n]*$", "maxLength": MOST_TAG_BYTES},
        examples=["red scarf"],
    ),
]


def etag_of(image: Image) -> str:
    """Return the ETag of an image's caption: equal for equal texts, `none` for no caption."""
    if image.caption is not None:
        return _hash(image.caption)
    return _hash(f"\0{image.caption_etag}") if image.caption_etag else NO_CAPTION


def findings_of(image: Image, text: str, *, required: bool) -> tuple[Finding, ...]:
    """Return what the check would say about a caption."""
    data = text.encode()
    return read_caption(caption_of(image.name), data, len(data), required=required).findings


def is_empty(text: str) -> bool:
    """Say whether a caption has no word for sd-scripts: nothing in its first line."""
    return not text.partition("\n")[0].strip()


def tags_of(text: str | None) -> list[str]:
    """Return the tags of a caption, in order."""
    first = (text or "").partition("\n")[0]
    return [tag for part in first.split(",") if (tag := part.strip())]


def with_tag(text: str | None, tag: str, *, at_start: bool) -> str:
    """Return a caption with a tag; as it is where it has it."""
    tags = tags_of(text)
    if tag in tags:
        return text or ""
    return _joined(text, [tag, *tags] if at_start else [*tags, tag])


def without_tag(text: str | None, tag: str) -> str:
    """Return a caption without a tag; as it is where it lacks it."""
    tags = tags_of(text)
    if tag not in tags:
        return text or ""
    return _joined(text, [one for one in tags if one != tag])


def replaced(text: str | None, find: str, by: str, *, whole_tags: bool) -> str:
    """Return a caption with one text in place of another, or one tag in place of another."""
    if not whole_tags:
        return (text or "").replace(find, by)
    tags = tags_of(text)
    if find not in tags:
        return text or ""
    new = [by if tag == find else tag for tag in tags]
    return _joined(text, list(dict.fromkeys(tag for tag in new if tag)))


Edit = Callable[[str | None], str]


def _joined(text: str | None, tags: Sequence[str]) -> str:
    _, end, rest = (text or "").partition("\n")
    return f"{', '.join(tags)}{end}{rest}"


def _is_control(character: str) -> bool:
    # Cs: half of a surrogate pair, which JSON can say and UTF-8 can't.
    return character not in "\n\t" and unicodedata.category(character) in {"Cc", "Cs"}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
