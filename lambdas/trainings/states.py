"""The saved states of a training, as its job left them in the bucket."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from lambdas.core import bucket
from lambdas.trainings import repository

_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class SavedState:
    """A state from which another training may go on; size in bytes."""

    step: int
    epoch: int
    size: int


def folder_of(workspace: str, training_id: str) -> str:
    """Return the prefix under which the states of a training lie."""
    return f"{repository.checkpoints_of(workspace, training_id)}state/"


def newest(workspace: str, training_id: str) -> SavedState | None:
    """Return the newest state that is whole as far as sizes tell; the job checks the hashes."""
    folder = folder_of(workspace, training_id)
    sizes = {found.key.removeprefix(folder): found.size for found in bucket.objects_under(folder)}
    manifests = sorted((name for name in sizes if name.endswith(f"/{_MANIFEST}")), reverse=True)
    return next(_whole(folder, manifests, sizes), None)


def _whole(folder: str, manifests: list[str], sizes: dict[str, int]) -> Iterator[SavedState]:
    for name in manifests:
        try:
            told = json.loads(bucket.read(f"{folder}{name}") or b"")
            files = {file: int(facts["size"]) for file, facts in told["files"].items()}
            state = SavedState(int(told["step"]), int(told["epoch"]), sum(files.values()))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        state_folder = name.removesuffix(_MANIFEST)
        if all(sizes.get(f"{state_folder}{file}") == size for file, size in files.items()):
            yield state
