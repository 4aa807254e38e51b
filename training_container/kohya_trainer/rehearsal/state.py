"""A state of a rehearsal: files of the names that accelerate gives them, and what they hold.

``optimizer.bin`` has the factors in full precision beside Adam's moments; ``model.safetensors`` is
there because sd-scripts writes one. ``random_states_0.pkl`` is written last and is a zip.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kohya_trainer.rehearsal.network import Layer
from kohya_trainer.rehearsal.task import Factors, Generator
from kohya_trainer.rehearsal.weights import Matrix, read_weight
from kohya_trainer.safetensors_file import Tensor, read_header


def save(
    folder: Path, learning: Sequence[Factors], generator: Generator, step: int, epoch: int
) -> None:
    """Write everything but the LoRA."""
    counted = {"current_epoch": epoch, "current_step": step}
    (folder / "train_state.json").write_text(json.dumps(counted), encoding="utf-8")
    arrays = {
        f"{factors.layer.name}/{name}": values
        for factors in learning
        for name, values in factors.arrays().items()
    }
    with (folder / "optimizer.bin").open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    (folder / "scheduler.bin").write_text(json.dumps({"last_epoch": step}), encoding="utf-8")
    with (folder / "random_states_0.pkl").open("wb") as file:
        np.savez(file, state=np.array(json.dumps(generator.bit_generator.state)))


def restore(folder: Path, learning: Sequence[Factors], generator: Generator) -> None:
    """Bring factors and generator to where the state has them."""
    steps = json.loads((folder / "scheduler.bin").read_text(encoding="utf-8"))["last_epoch"]
    with np.load(folder / "optimizer.bin") as kept:
        for factors in learning:
            names = factors.arrays()
            factors.restore({name: kept[f"{factors.layer.name}/{name}"] for name in names}, steps)
    with np.load(folder / "random_states_0.pkl") as kept:
        generator.bit_generator.state = json.loads(str(kept["state"]))


def begin_from(lora: Path, learning: Sequence[Factors]) -> None:
    """Start from a finished LoRA; a layer that it lacks starts as always."""
    tensors = read_header(lora).tensors
    for factors in learning:
        down = tensors.get(f"{factors.layer.name}.lora_down.weight")
        up = tensors.get(f"{factors.layer.name}.lora_up.weight")
        if down and up:
            factors.begin_from(_matrix(lora, down), _matrix(lora, up))


def _matrix(path: Path, tensor: Tensor) -> Matrix:
    return read_weight(path, Layer("", tensor))
