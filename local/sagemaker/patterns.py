"""The service models' regular expressions, which are Java's."""

import re
import sys
import unicodedata
from functools import cache

PROPERTY = re.compile(r"\\p\{(\w+)\}")
ASCII_CLASSES = {"Alnum": "a-zA-Z0-9", "Alpha": "a-zA-Z", "Digit": "0-9"}


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return Java's pattern as one of ours."""
    return re.compile(PROPERTY.sub(lambda found: _members(found[1]), pattern))


def matches(pattern: str, text: str) -> bool:
    """Return whether the whole text matches, as the services test it."""
    return compiled(pattern).fullmatch(text) is not None


@cache
def _members(name: str) -> str:
    """Return the inside of a character class for a Unicode category such as L, Z or N."""
    if name in ASCII_CLASSES:
        return ASCII_CLASSES[name]
    ranges: list[tuple[int, int]] = []
    for code in range(sys.maxunicode + 1):
        if not unicodedata.category(chr(code)).startswith(name):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
