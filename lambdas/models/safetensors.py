"""Reading and checking a safetensors header, without the tensors.

The format: 8 bytes, little-endian, the length of a JSON object; that object, tensor names to dtype,
shape and offsets; then the tensors (https://github.com/huggingface/safetensors#format).
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Larger headers are refused: SDXL's has 0.3 MB, the largest known diffusion models stay below 3 MB.
MOST_HEADER_BYTES = 16 * 1024**2
# The headers of SD 1.5 (0.13 MB) and SDXL (0.3 MB) come with the first read.
FIRST_READ_BYTES = 512 * 1024

# PyTorch's convolutions have five at most; products of thousands of sizes would take seconds.
_MOST_DIMENSIONS = 8

# A list or an object takes some 60 bytes in memory and two characters in the file, an item of
# one 40 bytes and two: so a header of the greatest length stays below 300 MB.
_MOST_BRACKETS = 1_000_000
_MOST_COMMAS = 3_000_000

_BITS = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "C64": 64,
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I16": 16, "U16": 16,
    "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip


class NotSafetensors(Exception):
    """The file is no sound safetensors file; `code` and the message say what it is instead."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Tensor:
    """A tensor as the header tells of it."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Header:
    """A header that was checked against the file's size."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]


Reader = Callable[[int, int], tuple[bytes, int]]


def read_header(read: Reader) -> Header:
    """Read and check a header in at most two reads.

    `read(first, last)` gives the bytes of that span, both ends counted, as far as they exist, and
    the size of the whole file. Raises NotSafetensors.
    """
    start, size = read(0, FIRST_READ_BYTES - 1)
    length = _header_length(start, size)
    if 8 + length > len(start):
        start += read(len(start), 8 + length - 1)[0]
    return parse_header(start[8 : 8 + length], size)


def check_start(start: bytes, size: int) -> None:
    """Check by its first bytes that a file of `size` bytes may be safetensors.

    Raises NotSafetensors.
    """
    _header_length(start, size)


def parse_header(text: bytes, file_size: int) -> Header:
    """Check a header's JSON against the size of its file in bytes.

    Raises NotSafetensors.
    """
    if sum(map(text.count, (b"[", b"{"))) > _MOST_BRACKETS or text.count(b",") > _MOST_COMMAS:
        raise NotSafetensors("not_safetensors", "The header has far more entries than any model.")
    try:
        entries = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise NotSafetensors("not_safetensors", "The header is no JSON.") from error
    if not isinstance(entries, dict):
        raise NotSafetensors("not_safetensors", "The header is no JSON object.")
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise NotSafetensors("not_safetensors", "The header's metadata is no JSON object.")
    if not all(map(_is_text, [*entries, *metadata, *metadata.values()])):
        raise NotSafetensors("not_safetensors", "The header has a text that is no Unicode.")
    if not entries:
        raise NotSafetensors("no_tensors", "The file holds no tensor.")
    tensors, end = _checked_tensors(entries)
    _must_end_at(8 + len(text) + end, file_size)
    return Header(tensors, metadata)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Readers differ in which of two they take, so what we see is not what is loaded.
        name = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise NotSafetensors(
            "not_safetensors", f"{name[:80]!r} stands twice in the header: save the file anew."
        )
    return found


def _is_text(value: object) -> bool:
    # JSON can write half of a surrogate pair, which no UTF-8 holds.
    return isinstance(value, str) and not any("\ud800" <= one <= "\udfff" for one in value)


def _header_length(start: bytes, size: int) -> int:
    if size < 10 or len(start) < 10:
        raise NotSafetensors("not_safetensors", f"The file has {size} bytes: that is no model.")
    length = int.from_bytes(start[:8], "little")
    if start[8:9] != b"{":
        raise NotSafetensors(
            "not_safetensors", f"The file is no safetensors: {_looks_like(start)}."
        )
    if length > MOST_HEADER_BYTES:
        raise NotSafetensors("not_safetensors", f"The header claims {length} bytes: too many.")
    if 8 + length > size:
        raise NotSafetensors(
            "truncated", f"The header alone needs {8 + length} bytes, the file has {size}."
        )
    return length


def _looks_like(start: bytes) -> str:
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return (
            "it is a pickle (.ckpt, .pt, .pth, .bin), and loading one runs whatever code is in it. "
            "Open it where that does no harm, save it as safetensors, which holds nothing but "
            "tensors, and upload that"
        )
    if start[:15].lower().startswith((b"<!doctype", b"<html")):
        return "it is a web page, so the download went wrong"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the file itself; run git lfs pull"
    return "it does not begin with a safetensors header"


def _checked_tensors(entries: Mapping[str, Any]) -> tuple[dict[str, Tensor], int]:
    spans: list[tuple[int, int, str]] = []
    tensors: dict[str, Tensor] = {}
    for name, entry in entries.items():
        tensors[name], span = _checked_tensor(name, entry)
        spans.append((*span, name))
    position = 0
    for begin, end, name in sorted(spans):
        if begin != position:
            raise NotSafetensors("not_safetensors", f"Tensor {name[:80]} overlaps or leaves a gap.")
        position = end
    return tensors, position


def _checked_tensor(name: str, entry: Any) -> tuple[Tensor, tuple[int, int]]:
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        bits = _BITS[dtype]
    except (KeyError, TypeError, ValueError) as error:
        raise NotSafetensors(
            "not_safetensors", f"Tensor {name[:80]} has no dtype, shape and offsets that we know."
        ) from error
    numbers = [*shape, begin, end] if isinstance(shape, list) else [None]
    if len(numbers) > _MOST_DIMENSIONS + 2 or not all(map(_is_size, numbers)):
        raise NotSafetensors("not_safetensors", f"Tensor {name[:80]} has a shape that is none.")
    if (end - begin) * 8 != math.prod(shape) * bits:
        raise NotSafetensors(
            "not_safetensors", f"Tensor {name[:80]} has not the size of its shape."
        )
    return Tensor(dtype, tuple(shape)), (begin, end)


def _is_size(number: object) -> bool:
    return type(number) is int and 0 <= number < 2**63


def _must_end_at(expected: int, size: int) -> None:
    if size < expected:
        raise NotSafetensors(
            "truncated",
            f"The file ends after {size} of {expected} bytes: upload the whole of it again.",
        )
    if size > expected:
        raise NotSafetensors(
            "not_safetensors",
            f"{size - expected} bytes follow the last tensor: they belong nowhere.",
        )
