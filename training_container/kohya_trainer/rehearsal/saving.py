"""Write the LoRA file as sd-scripts does: names, types, metadata, and the hash of its tensors."""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from kohya_trainer.rehearsal.network import Layer
from kohya_trainer.rehearsal.options import Options
from kohya_trainer.rehearsal.task import Factors, initial_down
from kohya_trainer.rehearsal.weights import saved_type, to_bytes

Tensors = dict[str, tuple[tuple[int, ...], bytes]]
"""Shape and bytes by name."""


class LoraFile:
    """The LoRA of all layers: those that learn, and the others as they began (``up`` is zero)."""

    def __init__(
        self, options: Options, layers: Sequence[Layer], learning: Sequence[Factors]
    ) -> None:
        self._type = saved_type(options.save_precision)
        self._rank = options.network_dim
        self._alpha = to_bytes(np.array(options.network_alpha or self._rank), self._type)
        self._learning = learning
        names = {factors.layer.name for factors in learning}
        self._untouched: Tensors = {}
        for layer in layers:
            if layer.name not in names:
                self._untouched |= dict(self._first_state(layer, options))

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the file; a reader may see it half written, as with sd-scripts."""
        tensors = dict(sorted((self._untouched | self._learnt()).items()))
        hashed = _model_hashes(tensors)
        header = _header(tensors, self._type, {**metadata, **hashed})
        with path.open("wb") as file:
            file.write(header)
            for _, data in tensors.values():
                file.write(data)

    def _learnt(self) -> Tensors:
        tensors: Tensors = {}
        for factors in self._learning:
            down = to_bytes(factors.down, self._type)
            tensors |= dict(self._named(factors.layer, down, to_bytes(factors.up, self._type)))
        return tensors

    def _first_state(
        self, layer: Layer, options: Options
    ) -> Iterator[tuple[str, tuple[tuple[int, ...], bytes]]]:
        down = to_bytes(initial_down(layer, self._rank, options.seed), self._type)
        size = len(self._alpha) * layer.rows * self._rank
        return self._named(layer, down, bytes(size))

    def _named(
        self, layer: Layer, down: bytes, up: bytes
    ) -> Iterator[tuple[str, tuple[tuple[int, ...], bytes]]]:
        yield f"{layer.name}.alpha", ((), self._alpha)
        yield f"{layer.name}.lora_down.weight", ((self._rank, layer.columns, *layer.kernel), down)
        yield f"{layer.name}.lora_up.weight", ((layer.rows, self._rank, *layer.kernel), up)


def _model_hashes(tensors: Tensors) -> dict[str, str]:
    """What the web UI's additional-networks extension keeps to know a LoRA again.

    sd-scripts hashes the file's bytes after the header (library/train_util.py:3285); the legacy
    hash of a stretch at 1 MiB is taken of a file with other metadata and is left out.
    """
    digest = hashlib.sha256()
    for _, data in tensors.values():
        digest.update(data)
    return {"sshs_model_hash": digest.hexdigest()}


def _header(tensors: Tensors, dtype: str, metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": dict(metadata)}
    offset = 0
    for name, (shape, data) in tensors.items():
        offsets = [offset, offset + len(data)]
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        offset += len(data)
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
