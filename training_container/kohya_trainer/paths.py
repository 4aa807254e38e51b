"""The folders of a training job, as SageMaker lays them out, and how a file enters a synced one.

Whatever lies in the checkpoint folder is copied to S3 at any moment, so nothing is written there:
a file is written in the staging folder beside it and renamed into place.
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """Every file and folder that the program reads or writes under its base folder."""

    base: Path

    @property
    def job(self) -> Path:
        return self.channel("config") / "job.json"

    @property
    def staging(self) -> Path:
        """Where the engine writes; not synced."""
        return self.base / "staging"

    @property
    def engine_output(self) -> Path:
        return self.staging / "lora"

    @property
    def engine_samples(self) -> Path:
        """Where sd-scripts puts sample images (library/train_util.py:6442)."""
        return self.engine_output / "sample"

    @property
    def checkpoints(self) -> Path:
        return self.base / "checkpoints"

    @property
    def loras(self) -> Path:
        return self.checkpoints / "lora"

    @property
    def states(self) -> Path:
        return self.checkpoints / "state"

    @property
    def metrics(self) -> Path:
        return self.checkpoints / "metrics"

    @property
    def samples(self) -> Path:
        return self.checkpoints / "samples"

    @property
    def logs(self) -> Path:
        return self.checkpoints / "logs"

    @property
    def captions(self) -> Path:
        return self.checkpoints / "captions"

    @property
    def tagging(self) -> Path:
        """Where the tagger finds its images and leaves its tags; not synced."""
        return self.staging / "tagging"

    @property
    def progress(self) -> Path:
        return self.checkpoints / "progress.json"

    @property
    def failure_at_length(self) -> Path:
        return self.checkpoints / "failure.json"

    @property
    def tensorboard(self) -> Path:
        return self.base / "output" / "tensorboard"

    @property
    def failure(self) -> Path:
        return self.base / "output" / "failure"

    @property
    def report(self) -> Path:
        return self.base / "model" / "report.json"

    def channel(self, name: str) -> Path:
        """The folder in which SageMaker puts what the channel holds."""
        return self.base / "input" / "data" / name

    def make_folders(self) -> None:
        """An empty staging folder, and all that is written to."""
        shutil.rmtree(self.staging, ignore_errors=True)
        self.failure.unlink(missing_ok=True)
        self.failure_at_length.unlink(missing_ok=True)
        written = (self.loras, self.states, self.metrics, self.samples, self.logs, self.captions)
        for folder in (self.engine_output, self.tensorboard, *written):
            folder.mkdir(parents=True, exist_ok=True)
        self.report.parent.mkdir(parents=True, exist_ok=True)
        self.failure.parent.mkdir(parents=True, exist_ok=True)

    def write(self, target: Path, text: str) -> None:
        """Write text to target so that a reader sees the old file or the new one, whole."""
        draft = self.staging / f"{target.name}.draft"
        draft.write_text(text, encoding="utf-8")
        move(draft, target)


def move(source: Path, target: Path) -> None:
    """Rename a finished file, or a folder of them, into place.

    Where the two folders are different mounts (SageMaker may mount the checkpoint folder on its
    own) a copy is made beside the target under a name that no reader takes, and renamed.
    """
    try:
        source.replace(target)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        draft = target.with_name(f".{target.name}.part")
        if source.is_dir():
            shutil.copytree(source, draft, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, draft)
        os.replace(draft, target)  # noqa: PTH105 - the twin of the rename above
        shutil.rmtree(source) if source.is_dir() else source.unlink()
