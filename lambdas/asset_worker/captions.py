"""A caption looked at as sd-scripts reads it: UTF-8, the first line.

Source: library/train_util.py:1946.
"""

import re
from dataclasses import dataclass

from lambdas.asset_worker import findings
from lambdas.datasets.report_schema import Finding

_MARK = "\ufeff"
# CLIP's tokenizer makes one token of most words, of each digit and of punctuation together.
_PIECES = re.compile(r"[a-z]+|[0-9]|[^\sa-z0-9]", re.IGNORECASE)
_LETTERS_OF_A_TOKEN = 8


@dataclass(frozen=True)
class ReadCaption:
    """The text of a caption, None where it is none, and what is to be said about it."""

    text: str | None
    findings: tuple[Finding, ...] = ()


def read_caption(file: str, data: bytes, size: int, *, required: bool) -> ReadCaption:
    """Read a caption from its first bytes; `size` is that of the whole file."""
    if size > findings.MOST_CAPTION_BYTES:
        return ReadCaption(None, (findings.caption_not_a_caption(file, size),))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ReadCaption(None, (findings.caption_not_text(file),))
    if "\0" in text:  # UTF-16 without a mark decodes, too
        return ReadCaption(None, (findings.caption_not_text(file),))
    found = [findings.caption_with_mark(file)] if text.startswith(_MARK) else []
    lines = text.removeprefix(_MARK).splitlines()
    first = lines[0].strip() if lines else ""
    if not first:
        return ReadCaption(text, (*found, findings.caption_empty(file, required=required)))
    written = [line for line in lines if line.strip()]
    if len(written) > 1:
        found.append(findings.caption_of_lines(file, len(written)))
    if (tokens := about_tokens(first)) > findings.MOST_TOKENS:
        found.append(findings.caption_too_long(file, tokens))
    return ReadCaption(text, tuple(found))


def about_tokens(text: str) -> int:
    """Estimate how many tokens CLIP makes of a text; beyond ASCII a character is two of them."""
    return sum(_tokens_of(piece) for piece in _PIECES.findall(text))


def _tokens_of(piece: str) -> int:
    if not piece.isascii():
        return 2
    return -(-len(piece) // _LETTERS_OF_A_TOKEN)
