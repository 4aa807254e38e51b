"""Read the header of a safetensors file: what it holds, and whether the file is whole.

The format: 8 bytes little-endian header length, the JSON header, the tensors' bytes.
https://huggingface.co/docs/safetensors/index#format
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_HEADER = 100_000_000


class NotSafetensors(ValueError):
    """The file is no safetensors file, or is cut off."""


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies: offsets are bytes from the start of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """The tensors by name, the free metadata, and the size the whole file must have (bytes)."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    file_size: int


def read_header(path: Path) -> Header:
    """The header of the file.

    Raises NotSafetensors when there is none, OSError when the file cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= MAX_HEADER:
            raise NotSafetensors("it does not begin with a safetensors header")
        raw = file.read(length)
    if len(raw) < length:
        raise NotSafetensors("it ends inside its header")
    return _parse(raw)


def is_whole(path: Path) -> bool:
    """True when the file is as long as its header says, so nobody is still writing it."""
    try:
        return path.stat().st_size == read_header(path).file_size
    except (NotSafetensors, OSError):
        return False


def _parse(raw: bytes) -> Header:
    try:
        entries = json.loads(raw)
        metadata = entries.pop("__metadata__", None) or {}
        first = 8 + len(raw)
        tensors = {name: _tensor(entry, first) for name, entry in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise NotSafetensors("its header cannot be understood") from exc
    size = max((tensor.end for tensor in tensors.values()), default=first)
    return Header(tensors, {str(k): str(v) for k, v in metadata.items()}, size)


def _tensor(entry: dict[str, Any], first: int) -> Tensor:
    start, end = (int(offset) for offset in entry["data_offsets"])
    shape = tuple(int(size) for size in entry["shape"])
    return Tensor(str(entry["dtype"]), shape, first + start, first + end)


def family(tensors: dict[str, Tensor]) -> str:
    """Which base model the tensors' names make: sd_1_5, sd_xl or other.

    Told by the text encoders, as sd-scripts expects them (library/model_util.py and
    library/sdxl_model_util.py at the pinned commit), and by the four latent channels that a
    model for text-to-image has (an inpainting one has nine).
    """
    first = tensors.get("model.diffusion_model.input_blocks.0.0.weight")
    if first is None or len(first.shape) < 2 or first.shape[1] != 4:
        return "other"
    if any(name.startswith("conditioner.embedders.1.model.") for name in tensors):
        return "sd_xl"
    if any(name.startswith("cond_stage_model.transformer.") for name in tensors):
        return "sd_1_5"
    return "other"
