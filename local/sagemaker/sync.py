"""Keeping a folder of a running job and a prefix in S3 alike, as SageMaker does for checkpoints."""

import logging
import threading
from pathlib import Path

from local.sagemaker.container import local_path
from local.sagemaker.job import Job
from local.sagemaker.transfer import Signature, Transfer, TransferError, files_in, signature
from local.sagemaker.uris import S3Uri

LOG = logging.getLogger("local.sagemaker.sync")
CHECKPOINTS = "/opt/ml/checkpoints"
TENSORBOARD = "/opt/ml/output/tensorboard"


class FolderSync:
    """New and changed files go up; with `deletions`, what left the folder leaves S3."""

    def __init__(self, folder: Path, target: S3Uri, transfer: Transfer, *, deletions: bool) -> None:
        self._folder, self._target, self._transfer = folder, target.folder, transfer
        self._deletions = deletions
        self._known: dict[str, Signature | None] = {}

    def restore(self) -> None:
        """Bring down what lies in S3, as at the start of a job. Raises TransferError."""
        self._transfer.download(self._target, self._folder)
        self._known = dict(self._scan())

    def adopt(self) -> None:
        """Take what lies in S3 as uploaded earlier but maybe outdated. Raises TransferError."""
        start = len(self._target.key)
        listed = self._transfer.listed(self._target)
        self._known = {key[start:]: None for key, _ in listed}

    def once(self) -> None:
        """Bring S3 up to date. Raises TransferError."""
        present = self._scan()
        for name, found in present.items():
            if self._known.get(name) != found:
                self._known[name] = self._transfer.upload(self._folder / name, self._target / name)
        gone = [name for name in self._known if name not in present]
        if gone and self._deletions:
            keys = [self._target.key + name for name in gone]
            self._transfer.delete(self._target.bucket, keys)
        for name in gone:
            del self._known[name]

    def _scan(self) -> dict[str, Signature]:
        found: dict[str, Signature] = {}
        for path in files_in(self._folder):
            try:
                found[path.relative_to(self._folder).as_posix()] = signature(path.stat())
            except FileNotFoundError:
                continue
        return found


def syncs_of(job: Job, base: Path, transfer: Transfer) -> list[FolderSync]:
    """Return the syncs of a job: checkpoints first, then TensorBoard."""
    syncs = []
    if checkpoints := job.request.get("CheckpointConfig"):
        folder = local_path(base, checkpoints.get("LocalPath", CHECKPOINTS))
        target = S3Uri.parse(checkpoints["S3Uri"])
        syncs.append(FolderSync(folder, target, transfer, deletions=True))
    if tensorboard := job.request.get("TensorBoardOutputConfig"):
        folder = local_path(base, tensorboard.get("LocalPath", TENSORBOARD))
        target = S3Uri.parse(tensorboard["S3OutputPath"])
        syncs.append(FolderSync(folder, target, transfer, deletions=False))
    return syncs


class SyncLoop:
    """Runs the syncs of a job every so many seconds until it is told to end."""

    def __init__(self, syncs: list[FolderSync], seconds: float) -> None:
        self._syncs, self._seconds = syncs, seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """End after the round that is under way."""
        self._ended.set()
        self._thread.join()

    def last_round(self) -> None:
        """Bring S3 up to date once more. Raises TransferError."""
        for sync in self._syncs:
            sync.once()

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self.last_round()
            except TransferError as exc:
                LOG.warning("checkpoints: %s; trying again", exc)
