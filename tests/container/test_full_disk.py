"""A training on a disk that is really full: a small tmpfs, where one can be mounted."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.container.support import dataset, job, make_base, read_json
from tests.container.test_training_program import run

PARAMS = {"max_train_epochs": 6, "network_dim": 16, "learning_rate": 1e-3}


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of its own with room for the inputs and a little more."""
    folder = tmp_path / "ml"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder))
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a tmpfs can't be mounted here")
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


def fill(folder: Path, leave: int) -> Path:
    """Take all room of the file system but so many bytes."""
    filler = folder / "filler"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    filler.write_bytes(b"\0" * (free - leave))
    return filler


def test_a_disk_that_fills_up_while_the_engine_saves_is_told(small_disk):
    make_base(small_disk, job(config_params=PARAMS, datasets=[dataset(repeats=3)]))
    fill(small_disk, 300_000)

    status, log = run(small_disk)

    failure = read_json(small_disk / "output" / "failure")
    assert (status, failure["code"]) == (28, "disk_full"), log
    assert "larger volume" in failure["advice"]
    assert read_json(small_disk / "checkpoints" / "progress.json")["phase"] == "failed"
    told = read_json(small_disk / "checkpoints" / "failure.json")
    assert any("No space left" in line for line in told["log_tail"])


def test_a_disk_that_was_full_before_is_told_by_the_exit_status(small_disk):
    make_base(small_disk, job(config_params=PARAMS))
    fill(small_disk, 0)

    status, log = run(small_disk)

    assert status == 28
    assert "disk_full" in log
    assert "Traceback" not in log
    assert not (small_disk / "output" / "failure").exists()
