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
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
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
    """A state after so many steps and epochs; ``lora`` is the file saved at the same moment.

    final is the one after the last epoch, from which only another training can go on. began is the
    step after which its training began: 0, or that of another's state. setting is what it was
    trained with, as agreement.py tells it.
    """

    folder: Path
    step: int
    epoch: int
    lora: str
    final: bool = False
    began: int = 0
    setting: Mapping[str, Any] = field(default_factory=dict)


class StateShelf:
    """The states in the checkpoint folder, the newest two of them.

    began and setting are noted with each state; ends_with_epoch says that the last step is the end
    of an epoch, so that the last state is worth keeping too.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.began = 0
        self.setting: Mapping[str, Any] = {}
        self.ends_with_epoch = False

    def finished(self, output_name: str, *, final: bool = False) -> list[State]:
        """What the engine has finished, its LoRA being on the shelf already; oldest first.

        final when the engine has ended: only then is the last state taken. The state of a step in
        mid-epoch is removed: nothing goes on from it.
        """
        wanted = re.compile(rf"(?P<stem>{re.escape(output_name)}(?:-\d{{6}})?)-state")
        states = []
        for folder in self._paths.engine_output.glob("*-state"):
            name = wanted.fullmatch(folder.name)
            last = name is not None and name["stem"] == output_name
            if not _is_finished(folder) or (last and not final):
                continue
            if name is None or (last and not self.ends_with_epoch):
                shutil.rmtree(folder)
            elif self._has_its_lora(lora := f"{name['stem']}.safetensors"):
                states.append(self._read(folder, lora, final=last))
        return sorted(states, key=lambda state: state.step)

    def keep(self, state: State) -> None:
        """Move a finished state in under its epoch's number, and let go of the oldest."""
        files = {path.name: _facts(path) for path in sorted(state.folder.iterdir())}
        told = {name: value for name, value in asdict(state).items() if name != "folder"}
        text = json.dumps(told | {"files": files}, default=str)
        (state.folder / MANIFEST).write_text(text, encoding="utf-8")
        stem = state.folder.name.removesuffix("-state")
        numbered = f"{stem}-{state.epoch:06d}-state" if state.final else state.folder.name
        move(state.folder, self._paths.states / numbered)
        for old in self._all()[:-KEPT]:
            remove(old.folder)

    def newest_whole(self) -> State | None:
        """The state to go on from after an interruption; what is of no use for that is removed."""
        whole = [state for state in self._all() if not state.final and self._is_whole(state)]
        for folder in set(self._paths.states.iterdir()) - {state.folder for state in whole}:
            remove(folder)
        return whole[-1] if whole else None

    def clear(self) -> None:
        """Remove all states."""
        for folder in self._paths.states.iterdir():
            remove(folder)

    def _all(self) -> list[State]:
        return _states_in(self._paths.states)

    def _is_whole(self, state: State) -> bool:
        return is_whole(self._paths.loras / state.lora) and _has_its_files(state)

    def _has_its_lora(self, lora: str) -> bool:
        """Whether the LoRA has gone from the staging folder to the shelf."""
        staged = self._paths.engine_output / lora
        return not staged.exists() and (self._paths.loras / lora).exists()

    def _read(self, folder: Path, lora: str, *, final: bool) -> State:
        told = json.loads((folder / "train_state.json").read_text(encoding="utf-8"))
        step, epoch = int(told["current_step"]), int(told["current_epoch"])
        return State(folder, step, epoch, lora, final, self.began, self.setting)


def newest_of_another(folder: Path, output_name: str) -> State | None:
    """The newest whole state of another training, in a folder that is only read."""
    states = [one for one in _states_in(folder) if one.folder.name.startswith(f"{output_name}-")]
    return next((state for state in reversed(states) if _has_its_files(state)), None)


def remove(folder: Path) -> None:
    """Remove a state, its manifest first: what is left half removed is no state."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _is_finished(folder: Path) -> bool:
    return zipfile.is_zipfile(folder / _LAST_WRITTEN) and is_whole(folder / "model.safetensors")


def _states_in(folder: Path) -> list[State]:
    if not folder.is_dir():
        return []
    found = (_from_manifest(one) for one in folder.iterdir())
    return sorted((state for state in found if state), key=lambda state: state.step)


def _has_its_files(state: State) -> bool:
    files = json.loads((state.folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    paths = [state.folder / name for name in files]
    return all(path.is_file() and _facts(path) == files[path.name] for path in paths)


def _from_manifest(folder: Path) -> State | None:
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return State(
            folder,
            step=int(told["step"]),
            epoch=int(told["epoch"]),
            lora=str(told["lora"]),
            final=bool(told.get("final")),
            began=int(told.get("began", 0)),
            setting=told.get("setting") or {},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}
