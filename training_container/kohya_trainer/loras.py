"""Take finished LoRAs from the staging folder to the checkpoint folder.

sd-scripts writes under the final name, so a file counts only when it is as long as its header says
(networks/lora.py, save_weights, at the pinned commit) and nobody has touched it for a moment.
"""

import contextlib
import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kohya_trainer.paths import Paths, move
from kohya_trainer.safetensors_file import is_whole, read_header

SETTLED_SECONDS = 2.0

_EPOCH_FILE = re.compile(r".*-(\d{6})")
_STEP_FILE = re.compile(r".*-step(\d{8})")


@dataclass(frozen=True)
class Lora:
    """A finished LoRA; file is relative to the checkpoint folder, size in bytes."""

    file: str
    epoch: int | None
    step: int | None
    size: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class LoraShelf:
    """The LoRAs of this run, in the order in which they were finished."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._loras: dict[str, Lora] = {}

    @property
    def loras(self) -> list[Lora]:
        return list(self._loras.values())

    def copy(self, lora: Lora, name: str) -> None:
        """Put a finished LoRA there under another name too."""
        draft = self._paths.staging / name
        shutil.copyfile(self._paths.checkpoints / lora.file, draft)
        move(draft, self._paths.loras / name)
        self._loras[f"lora/{name}"] = replace(lora, file=f"lora/{name}")

    def remove(self, lora: Lora) -> None:
        """Remove a LoRA, be it an earlier attempt's."""
        self._loras.pop(lora.file, None)
        (self._paths.checkpoints / lora.file).unlink(missing_ok=True)

    def has(self, name: str) -> bool:
        """True when the LoRA of that file name was finished by this run."""
        return f"lora/{name}" in self._loras

    def collect(self, *, final: bool = False) -> list[Lora]:
        """Move what is finished; final when nobody writes any more. Returns what is new."""
        files = sorted(self._files(), key=lambda pair: (pair[1], pair[0].name))
        newest = files[-1][1] if files else 0.0
        new: list[Lora] = []
        for path, modified in files:
            if (final or modified < newest or _is_done(path, modified)) and is_whole(path):
                with contextlib.suppress(FileNotFoundError):  # sd-scripts may just delete it
                    new.append(self._take(path))
        return new

    def _files(self) -> Iterator[tuple[Path, float]]:
        """What lies in the staging folder, with the time of the last change."""
        for path in self._paths.engine_output.glob("*.safetensors"):
            with contextlib.suppress(FileNotFoundError):
                yield path, path.stat().st_mtime

    def _take(self, path: Path) -> Lora:
        lora = describe(path)
        move(path, self._paths.loras / path.name)
        self._loras[lora.file] = lora
        return lora


def describe(path: Path) -> Lora:
    """What a finished file is; epoch and step from its metadata, else from its name."""
    metadata = read_header(path).metadata
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Lora(
        file=f"lora/{path.name}",
        epoch=_whole(metadata.get("ss_epoch")) or _from_name(_EPOCH_FILE, path),
        step=_whole(metadata.get("ss_steps")) or _from_name(_STEP_FILE, path),
        size=path.stat().st_size,
        sha256=digest,
    )


def _is_done(path: Path, modified: float) -> bool:
    """Nobody touches it any more: its state is written after it (train_network.py:1697)."""
    state = path.with_name(f"{path.stem}-state")
    return state.exists() or time.time() - modified > SETTLED_SECONDS


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _from_name(pattern: re.Pattern[str], path: Path) -> int | None:
    found = pattern.fullmatch(path.stem)
    return int(found[1]) if found else None
