"""What the check of a dataset can find about images: severity, code, and what would do."""

from collections.abc import Sequence
from typing import Final

from lambdas.datasets.report_schema import Finding, Severity

MOST_PIXELS: Final = 89_478_485
"""More than this, and Pillow takes an image for an attack; sd-scripts opens images by Pillow."""
LEAST_SIDE: Final = 32
SMALL_SIDE: Final = 256

ANEW = "upload it anew: POST /datasets/{id}/uploads takes it in `remove` and in `files`"


def not_an_image(file: str, what: str) -> Finding:
    """Return the finding for a file that is none of the kinds."""
    return error("not_an_image", file, what, f"Export it as PNG or JPEG and {ANEW}.")


def truncated(file: str, what: str) -> Finding:
    """Return the finding for an image that ends too early."""
    return error("truncated", file, what, f"Take the whole file and {ANEW}.")


def undecodable(file: str, what: str) -> Finding:
    """Return the finding for an image that can't be decoded."""
    return error("undecodable", file, what, f"Save it anew in an image editor and {ANEW}.")


def too_many_pixels(file: str, width: int, height: int) -> Finding:
    """Return the finding for an image that is not decoded, since it is too large."""
    return error(
        "too_many_pixels",
        file,
        f"has {width}x{height} pixels, and at most {MOST_PIXELS:,} are decoded",
        f"Scale it down to some 2048 pixels a side and {ANEW}.",
    )


def too_small(file: str, width: int, height: int) -> Finding:
    """Return the finding for an image from which nothing, or not much, can be learnt."""
    severity: Severity = "error" if min(width, height) < LEAST_SIDE else "warning"
    return Finding(
        severity=severity,
        code="too_small",
        file=file,
        message=f"has {width}x{height} pixels and would be enlarged many times over",
        remedy=f"Take a larger one: {SMALL_SIDE} pixels a side at least, better the training's "
        "resolution.",
    )


def wrong_extension(file: str, kind: str) -> Finding:
    """Return the finding for an image whose name ends as another kind does."""
    return warning(
        "wrong_extension",
        file,
        f"is a {kind} by its content",
        "It trains as well, since sd-scripts goes by the content; other programs may not.",
    )


def animated(file: str, frames: int) -> Finding:
    """Return the finding for an animation."""
    return warning(
        "animated",
        file,
        f"has {frames} frames, of which only the first is trained on",
        "Export the frames that you want as images of their own.",
    )


def rotated(file: str, width: int, height: int) -> Finding:
    """Return the finding for an image that viewers turn and sd-scripts does not."""
    return warning(
        "rotated",
        file,
        "is turned by its EXIF orientation, which sd-scripts does not apply: it trains on "
        f"{width}x{height} pixels as they are stored, lying or mirrored",
        "Turn the pixels themselves (`mogrify -auto-orient`) and upload it anew.",
    )


def cmyk(file: str) -> Finding:
    """Return the finding for an image in a printer's colours."""
    return warning(
        "cmyk",
        file,
        "is in CMYK and is turned to RGB without its colour profile, so colours shift",
        "Export it in sRGB.",
    )


def transparent(file: str) -> Finding:
    """Return the finding for an image that one can look through."""
    return warning(
        "transparent",
        file,
        "has transparent parts; sd-scripts drops the alpha channel and trains on whatever colour "
        "lies beneath, often black",
        "Put it on a plain background, or train with `alpha_mask`.",
    )


def sixteen_bit(file: str, mode: str) -> Finding:
    """Return the finding for grey values of more than 8 bits."""
    return warning(
        "sixteen_bit",
        file,
        f"has grey values of more than 8 bits ({mode}); sd-scripts takes all above 255 for white",
        "Export it with 8 bits a channel.",
    )


def caption_without_image(file: str) -> Finding:
    """Return the finding for a caption that nothing goes with."""
    return warning(
        "caption_without_image",
        file,
        "has no image of the same name and is not used",
        "Upload the image, or give the caption its image's name.",
    )


def duplicate(file: str, others: Sequence[str]) -> Finding:
    """Return the finding for a file with the same bytes as others."""
    return warning(
        "duplicate",
        file,
        f"is the same file as {others[0]}, so that image counts more than others",
        "Leave one of them out; `repeats` is what makes images count more.",
        others,
    )


def near_duplicate(file: str, others: Sequence[str]) -> Finding:
    """Return the finding for an image that looks like others."""
    return warning(
        "near_duplicate",
        file,
        f"looks like {others[0]}",
        "Look at both, and leave one out if they show the same.",
        others,
    )


def not_uploaded(file: str) -> Finding:
    """Return the finding for a file that has gone since the upload."""
    return error("not_uploaded", file, "is not there", "Ask POST /datasets/{id}/uploads for a URL.")


def no_images() -> Finding:
    """Return the finding for a dataset of captions alone."""
    return Finding(
        severity="error",
        code="no_images",
        file=None,
        message="There is no image among the files.",
        remedy="Add at least one at POST /datasets/{id}/uploads.",
    )


def empty_subset(folder: str) -> Finding:
    """Return the finding for a subset without images, beside others that have some."""
    text = "Trainings pass over it. For images in it, import or make a dataset anew."
    return warning("empty_subset", folder, "has no image", text)


def not_checked() -> Finding:
    """Return the finding for a dataset whose check broke off again and again."""
    return Finding(
        severity="error",
        code="not_checked",
        file=None,
        message="The check broke off several times without getting further.",
        remedy="POST /datasets/{id}/complete again; if it stays, tell whoever runs this service.",
    )


def error(code: str, file: str, message: str, remedy: str) -> Finding:
    """Return a finding that makes the dataset invalid."""
    return Finding(severity="error", code=code, file=file, message=message, remedy=remedy)


def warning(code: str, file: str, message: str, remedy: str, others: Sequence[str] = ()) -> Finding:
    """Return a finding that should be looked at."""
    return Finding(
        severity="warning",
        code=code,
        file=file,
        message=message,
        remedy=remedy,
        others=list(others),
    )
