"""Saved states: from which a training goes on after its machine was taken away.

A state is a folder that accelerate writes (train_network.py:1705, library/train_util.py:5938 at
the pinned commit): the LoRA in full precision, the optimizer, the scheduler, the random generators
and ``train_state.json``. It enters the checkpoint folder by one rename, with a manifest of its
files in it. SageMaker copies that folder to S3 file by file and may be cut off anywhere, so a
restored state counts only when every file is there and has the manifest's hash: sizes would not do,
since a state that was made twice may be restored as a mixture of both.
"""

import hashlib
import json
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kohya_trainer.paths import Paths, move
from kohya_trainer.safetensors_file import is_whole

KEPT = 2
MANIFEST = "manifest.json"
_LAST_WRITTEN = "random_states_0.pkl"
"""accelerate/checkpointing.py, save_accelerator_state: a zip, so its end tells that it is whole."""


@dataclass(frozen=True)
class State:
    """A state after so many steps and epochs; ``lora`` is the file saved at the same moment."""

    folder: Path
    step: int
    epoch: int
    lora: str


class StateShelf:
    """The states in the checkpoint folder, the newest two of them."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def finished(self, output_name: str) -> list[State]:
        """What the engine has finished, its LoRA being on the shelf already; oldest first.

        The state of a step in mid-epoch and the one after the last epoch are removed: nothing goes
        on from them.
        """
        epoch_state = re.compile(rf"(?P<stem>{re.escape(output_name)}-\d{{6}})-state")
        states = []
        for folder in self._paths.engine_output.glob("*-state"):
            if not _is_finished(folder):
                continue
            name = epoch_state.fullmatch(folder.name)
            if name is None:
                shutil.rmtree(folder)
            elif not (self._paths.engine_output / f"{name['stem']}.safetensors").exists():
                states.append(_read(folder, f"{name['stem']}.safetensors"))
        return sorted(states, key=lambda state: state.step)

    def keep(self, state: State) -> None:
        """Move a finished state in, and let go of the oldest."""
        files = {path.name: _facts(path) for path in sorted(state.folder.iterdir())}
        manifest = {"step": state.step, "epoch": state.epoch, "lora": state.lora, "files": files}
        (state.folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        move(state.folder, self._paths.states / state.folder.name)
        for old in self._all()[:-KEPT]:
            remove(old.folder)

    def newest_whole(self) -> State | None:
        """The state to go on from; what is torn is removed."""
        whole = [state for state in self._all() if self._is_whole(state)]
        for folder in set(self._paths.states.iterdir()) - {state.folder for state in whole}:
            remove(folder)
        return whole[-1] if whole else None

    def clear(self) -> None:
        """Remove all states."""
        for folder in self._paths.states.iterdir():
            remove(folder)

    def _all(self) -> list[State]:
        found = (_from_manifest(folder) for folder in self._paths.states.iterdir())
        return sorted((state for state in found if state), key=lambda state: state.step)

    def _is_whole(self, state: State) -> bool:
        files = json.loads((state.folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        paths = [state.folder / name for name in files]
        return is_whole(self._paths.loras / state.lora) and all(
            path.is_file() and _facts(path) == files[path.name] for path in paths
        )


def remove(folder: Path) -> None:
    """Remove a state, its manifest first: what is left half removed is no state."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _is_finished(folder: Path) -> bool:
    return zipfile.is_zipfile(folder / _LAST_WRITTEN) and is_whole(folder / "model.safetensors")


def _read(folder: Path, lora: str) -> State:
    told = json.loads((folder / "train_state.json").read_text(encoding="utf-8"))
    return State(folder, int(told["current_step"]), int(told["current_epoch"]), lora)


def _from_manifest(folder: Path) -> State | None:
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return State(folder, int(told["step"]), int(told["epoch"]), str(told["lora"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}
