"""Say why the tagger ended badly."""

import re
from collections.abc import Sequence
from pathlib import Path

from kohya_trainer.failure import TrainingFailed
from kohya_trainer.verdict import explain

_LINK = re.compile(r"(?<!\d)(\d{6})\.(?:png|jpe?g|webp|bmp)\b")
_NAMED = 3
_ADVICE = {
    "out_of_memory": "Choose a larger instance type.",
    "disk_full": "Deploy with a larger volume.",
    "killed": "SIGKILL mostly means that main memory ran out: choose a larger instance type.",
}


def explain_tagger(returncode: int, lines: Sequence[str], images: Sequence[Path]) -> TrainingFailed:
    """Why the tagger ended with this status, having printed these last lines.

    It names an image only when it can't read it.
    """
    numbers = {int(found) for line in lines for found in _LINK.findall(line)}
    named = [images[number] for number in sorted(numbers) if number < len(images)]
    if named:
        return not_tagged(named)
    cause = explain(returncode, lines)
    words = cause.message.replace("The trainer", "The tagger")
    if cause.code in _ADVICE:
        words = words.replace("The training", "The tagger")
        return TrainingFailed(cause.code, words, _ADVICE[cause.code])
    return TrainingFailed(
        "captioning_failed",
        words,
        "The log of the training says more. Without captioning it can be trained all the same "
        "when every image has a caption.",
    )


def not_tagged(images: Sequence[Path]) -> TrainingFailed:
    """The failure of images that the tagger could not read."""
    names = ", ".join(image.name for image in images[:_NAMED])
    more = f" and {len(images) - _NAMED} more" if len(images) > _NAMED else ""
    return TrainingFailed(
        "unreadable_image",
        f"The tagger can't read {names}{more}.",
        "Replace that image, or remove it, and start the training again.",
    )
