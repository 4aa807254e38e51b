"""What the check of a dataset can find, each with its severity, its code and what would do."""

from collections.abc import Sequence
from typing import Final

from lambdas.datasets.report_schema import Finding, Severity

MOST_PIXELS: Final = 89_478_485
"""More than this, and Pillow takes an image for an attack; sd-scripts opens images by Pillow."""
LEAST_SIDE: Final = 32
SMALL_SIDE: Final = 256
MOST_TOKENS: Final = 225
MOST_CAPTION_BYTES: Final = 16 * 1024

_ANEW = "upload it anew: POST /datasets/{id}/uploads takes it in `remove` and in `files`"


def not_an_image(file: str, what: str) -> Finding:
    """Return the finding for a file that is none of the kinds."""
    return _error("not_an_image", file, what, f"Export it as PNG or JPEG and {_ANEW}.")


def truncated(file: str, what: str) -> Finding:
    """Return the finding for an image that ends too early."""
    return _error("truncated", file, what, f"Take the whole file and {_ANEW}.")


def undecodable(file: str, what: str) -> Finding:
    """Return the finding for an image that can't be decoded."""
    return _error("undecodable", file, what, f"Save it anew in an image editor and {_ANEW}.")


def too_many_pixels(file: str, width: int, height: int) -> Finding:
    """Return the finding for an image that is not decoded, since it is too large."""
    return _error(
        "too_many_pixels",
        file,
        f"has {width}x{height} pixels, and at most {MOST_PIXELS:,} are decoded",
        f"Scale it down to some 2048 pixels a side and {_ANEW}.",
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
    return _warning(
        "wrong_extension",
        file,
        f"is a {kind} by its content",
        "It trains as well, since sd-scripts goes by the content; other programs may not.",
    )


def animated(file: str, frames: int) -> Finding:
    """Return the finding for an animation."""
    return _warning(
        "animated",
        file,
        f"has {frames} frames, of which only the first is trained on",
        "Export the frames that you want as images of their own.",
    )


def rotated(file: str, width: int, height: int) -> Finding:
    """Return the finding for an image that viewers turn and sd-scripts does not."""
    return _warning(
        "rotated",
        file,
        "is turned by its EXIF orientation, which sd-scripts does not apply: it trains on "
        f"{width}x{height} pixels as they are stored, lying or mirrored",
        "Turn the pixels themselves (`mogrify -auto-orient`) and upload it anew.",
    )


def cmyk(file: str) -> Finding:
    """Return the finding for an image in a printer's colours."""
    return _warning(
        "cmyk",
        file,
        "is in CMYK and is turned to RGB without its colour profile, so colours shift",
        "Export it in sRGB.",
    )


def transparent(file: str) -> Finding:
    """Return the finding for an image that one can look through."""
    return _warning(
        "transparent",
        file,
        "has transparent parts; sd-scripts drops the alpha channel and trains on whatever colour "
        "lies beneath, often black",
        "Put it on a plain background, or train with `alpha_mask`.",
    )


def sixteen_bit(file: str, mode: str) -> Finding:
    """Return the finding for grey values of more than 8 bits."""
    return _warning(
        "sixteen_bit",
        file,
        f"has grey values of more than 8 bits ({mode}); sd-scripts takes all above 255 for white",
        "Export it with 8 bits a channel.",
    )


def missing_caption(file: str, caption: str, *, required: bool) -> Finding:
    """Return the finding for an image without caption."""
    return Finding(
        severity="error" if required else "info",
        code="missing_caption",
        file=file,
        message="has no caption",
        remedy=f"Upload {caption}"
        + (", or make the dataset with caption_policy subject or empty." if required else "."),
    )


def caption_without_image(file: str) -> Finding:
    """Return the finding for a caption that nothing goes with."""
    return _warning(
        "caption_without_image",
        file,
        "has no image of the same name and is not used",
        "Upload the image, or give the caption its image's name.",
    )


def caption_empty(file: str, *, required: bool) -> Finding:
    """Return the finding for a caption without a word."""
    return Finding(
        severity="error" if required else "info",
        code="caption_empty",
        file=file,
        message="is empty: its image would be trained on no words",
        remedy="Write what the image shows in its first line.",
    )


def caption_not_text(file: str) -> Finding:
    """Return the finding for a caption that is no UTF-8, on which sd-scripts would stop."""
    return _error("caption_not_utf8", file, "is no text in UTF-8", f"Save it as UTF-8 and {_ANEW}.")


def caption_not_a_caption(file: str, size: int) -> Finding:
    """Return the finding for a file that is too large for a caption."""
    return _error(
        "caption_too_large",
        file,
        f"has {size:,} bytes, and a caption has at most {MOST_CAPTION_BYTES:,}",
        "Keep to one line on what the image shows.",
    )


def caption_too_long(file: str, tokens: int) -> Finding:
    """Return the finding for a caption of which the end is never seen."""
    return _warning(
        "caption_too_long",
        file,
        f"has about {tokens} tokens, and all after {MOST_TOKENS} is cut off",
        "Shorten it; what matters stands in front.",
    )


def caption_with_mark(file: str) -> Finding:
    """Return the finding for a caption that begins with a byte order mark."""
    return _warning(
        "caption_byte_order_mark",
        file,
        "begins with a byte order mark, which would become part of its first word",
        "Save it as UTF-8 without BOM.",
    )


def caption_of_lines(file: str, lines: int) -> Finding:
    """Return the finding for a caption of several lines."""
    return Finding(
        severity="info",
        code="caption_lines",
        file=file,
        message=f"has {lines} lines, and sd-scripts reads the first (all with enable_wildcard)",
        remedy="Put all into one line.",
    )


def duplicate(file: str, others: Sequence[str]) -> Finding:
    """Return the finding for a file with the same bytes as others."""
    return _warning(
        "duplicate",
        file,
        f"is the same file as {others[0]}, so that image counts more than others",
        "Leave one of them out; `repeats` is what makes images count more.",
        others,
    )


def near_duplicate(file: str, others: Sequence[str]) -> Finding:
    """Return the finding for an image that looks like others."""
    return _warning(
        "near_duplicate",
        file,
        f"looks like {others[0]}",
        "Look at both, and leave one out if they show the same.",
        others,
    )


def not_uploaded(file: str) -> Finding:
    """Return the finding for a file that has gone since the upload."""
    return _error(
        "not_uploaded", file, "is not there", "Ask POST /datasets/{id}/uploads for a URL."
    )


def no_images() -> Finding:
    """Return the finding for a dataset of captions alone."""
    return Finding(
        severity="error",
        code="no_images",
        file=None,
        message="There is no image among the files.",
        remedy="Add at least one at POST /datasets/{id}/uploads.",
    )


def not_checked() -> Finding:
    """Return the finding for a dataset whose check broke off again and again."""
    return Finding(
        severity="error",
        code="not_checked",
        file=None,
        message="The check broke off several times without getting further.",
        remedy="POST /datasets/{id}/complete again; if it stays, tell whoever runs this service.",
    )


def _error(code: str, file: str, message: str, remedy: str) -> Finding:
    return Finding(severity="error", code=code, file=file, message=message, remedy=remedy)


def _warning(
    code: str, file: str, message: str, remedy: str, others: Sequence[str] = ()
) -> Finding:
    return Finding(
        severity="warning",
        code=code,
        file=file,
        message=message,
        remedy=remedy,
        others=list(others),
    )
