"""What the check of a dataset can find about captions."""

from typing import Final

from lambdas.asset_worker.findings import ANEW, error, warning
from lambdas.datasets.report_schema import Finding

MOST_TOKENS: Final = 225
MOST_CAPTION_BYTES: Final = 16 * 1024


def missing(file: str, caption: str, *, required: bool) -> Finding:
    """Return the finding for an image without caption."""
    return Finding(
        severity="error" if required else "info",
        code="missing_caption",
        file=file,
        message="has no caption",
        remedy=f"Upload {caption}"
        + (", or make the dataset with caption_policy subject or empty." if required else "."),
    )


def empty(file: str, *, required: bool) -> Finding:
    """Return the finding for a caption without a word."""
    return Finding(
        severity="error" if required else "info",
        code="caption_empty",
        file=file,
        message="is empty: its image would be trained on no words",
        remedy="Write what the image shows in its first line.",
    )


def not_text(file: str) -> Finding:
    """Return the finding for a caption that is no UTF-8, on which sd-scripts would stop."""
    return error("caption_not_utf8", file, "is no text in UTF-8", f"Save it as UTF-8 and {ANEW}.")


def not_a_caption(file: str, size: int) -> Finding:
    """Return the finding for a file that is too large for a caption."""
    return error(
        "caption_too_large",
        file,
        f"has {size:,} bytes, and a caption has at most {MOST_CAPTION_BYTES:,}",
        "Keep to one line on what the image shows.",
    )


def too_long(file: str, tokens: int) -> Finding:
    """Return the finding for a caption of which the end is never seen."""
    return warning(
        "caption_too_long",
        file,
        f"has about {tokens} tokens, and all after {MOST_TOKENS} is cut off",
        "Shorten it; what matters stands in front.",
    )


def with_mark(file: str) -> Finding:
    """Return the finding for a caption that begins with a byte order mark."""
    return warning(
        "caption_byte_order_mark",
        file,
        "begins with a byte order mark, which would become part of its first word",
        "Save it as UTF-8 without BOM.",
    )


def of_lines(file: str, lines: int) -> Finding:
    """Return the finding for a caption of several lines."""
    return Finding(
        severity="info",
        code="caption_lines",
        file=file,
        message=f"has {lines} lines, and sd-scripts reads the first (all with enable_wildcard)",
        remedy="Put all into one line.",
    )
