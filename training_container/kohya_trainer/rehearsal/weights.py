"""Tensors of a safetensors file as numpy arrays, mapped rather than read, and back to bytes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kohya_trainer.rehearsal.network import Layer

Matrix = NDArray[np.float32]

_TYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}
READABLE = frozenset(_TYPES)

_SAVED_AS = {None: "F32", "float": "F32", "fp16": "F16", "bf16": "BF16"}


def read_weight(path: Path, layer: Layer) -> Matrix:
    """The layer's weight as rows x columns; only its own bytes are read."""
    tensor = layer.weight
    size = layer.rows * layer.parts * layer.columns
    flat = np.memmap(path, _TYPES[tensor.dtype], "r", tensor.start, (size,))
    rows = flat.reshape(-1, layer.columns)
    part = rows[layer.part * layer.rows : (layer.part + 1) * layer.rows]
    if tensor.dtype == "BF16":
        return (part.astype(np.uint32) << 16).view(np.float32)
    return np.asarray(part, np.float32)


def saved_type(precision: str | None) -> str:
    """The safetensors type that sd-scripts writes for ``save_precision``."""
    return _SAVED_AS[precision]


def to_bytes(values: Matrix, dtype: str) -> bytes:
    """The values in that type, little-endian; to BF16 they are rounded to the nearest even."""
    if dtype == "F16":
        return values.astype("<f2").tobytes()
    if dtype == "F32":
        return values.astype("<f4").tobytes()
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = bits + 0x7FFF + (bits >> 16 & 1)
    return (rounded >> 16).astype("<u2").tobytes()
