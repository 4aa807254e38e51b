"""Ids that sort by time: ULIDs (https://github.com/ulid/spec) behind a prefix."""

import re
import secrets
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ID = re.compile(r"(ds|img|mdl|trn|tok|whk|evt)_[0-9A-HJKMNP-TV-Z]{26}")


def ulid(milliseconds: int | None = None) -> str:
    """Return 26 Crockford base32 characters: 48 bits of time, 80 of chance."""
    when = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    return _text((when << 80) | secrets.randbits(80))


def _text(number: int) -> str:
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def new_id(prefix: str) -> str:
    """Return a fresh id, e.g. `ds_01JD…`."""
    return f"{prefix}_{ulid()}"


def new_ids(prefix: str, count: int) -> list[str]:
    """Return fresh ids that sort in this order."""
    when = time.time_ns() // 1_000_000
    # The top bit of chance is left 0, so that counting on never carries into the time.
    first = when << 80 | secrets.randbits(79)
    return [f"{prefix}_{_text(first + index)}" for index in range(count)]


def looks_like_id(text: str, prefix: str = "") -> bool:
    """Say whether the text has the form of an id of ours: of any kind, or of one."""
    return _ID.fullmatch(text) is not None and text.startswith(prefix)


def ulid_of(identifier: str) -> str:
    """Return the ULID behind an id's prefix."""
    return identifier.partition("_")[2]


def sibling(identifier: str, prefix: str) -> str:
    """Return the id of another kind that belongs to this one: the LoRA of a training, say."""
    return f"{prefix}_{ulid_of(identifier)}"
