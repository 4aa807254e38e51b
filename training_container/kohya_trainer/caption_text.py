"""Captions beside their images: reading them, and what a tagger's tags make of them."""

from collections.abc import Iterable
from pathlib import Path

from kohya_trainer.failure import TrainingFailed
from kohya_trainer.job import Captioning

SEPARATOR = ", "
LONGEST = 64 * 1024
"""Bytes of a caption that tags can be added to; a thousand times what a text encoder reads."""


def caption_of(image: Path) -> str:
    """The caption beside an image, empty when there is none or it is blank.

    Raises TrainingFailed (unreadable_caption) when it is no UTF-8 or beyond all measure.
    """
    path = image.with_suffix(".txt")
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise _unreadable(path, f"has more than {LONGEST} bytes")
        return content.decode("utf-8").strip()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as exc:
        raise _unreadable(path, "is not UTF-8") from exc


def is_captioned(image: Path) -> bool:
    """Whether there is a caption beside the image that is not blank."""
    try:
        with image.with_suffix(".txt").open("rb") as file:
            return bool(file.read(LONGEST).strip())
    except FileNotFoundError:
        return False


def propose(tags: Iterable[str], existing: str, captioning: Captioning) -> str:
    """The caption that an image gets; empty when it shall stay as it is.

    A caption that is to be appended to remains, each of its lines (``enable_wildcard`` takes one
    of them by lot) with the tags that it lacks.
    """
    tags = list(tags)
    if not existing:
        return SEPARATOR.join(dict.fromkeys((*captioning.prepend, *tags, *captioning.append)))
    lines = (line.strip() for line in existing.splitlines())
    return "\n".join(_with_tags(line, tags, captioning) for line in lines if line)


def _with_tags(line: str, tags: list[str], captioning: Captioning) -> str:
    there = {tag.strip() for tag in line.split(",")}
    before = [tag for tag in captioning.prepend if tag not in there]
    behind = [tag for tag in (*tags, *captioning.append) if tag not in {*there, *before}]
    if not before and not behind:
        return line
    return SEPARATOR.join((*before, line.rstrip(", "), *dict.fromkeys(behind)))


def _unreadable(path: Path, why: str) -> TrainingFailed:
    return TrainingFailed(
        "unreadable_caption",
        f"The caption {path.name} {why}.",
        "Save the captions as UTF-8 text of a few sentences.",
    )
