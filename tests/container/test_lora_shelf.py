import errno
import hashlib
import os
import time
from pathlib import Path

import pytest

from kohya_trainer.loras import LoraShelf
from kohya_trainer.paths import Paths, move
from kohya_trainer.safetensors_file import is_whole, read_header
from tests.container.support import write_safetensors


@pytest.fixture
def paths(tmp_path):
    paths = Paths(tmp_path)
    paths.make_folders()
    return paths


def lora(paths, name, *, age=10.0, metadata=None):
    path = write_safetensors(paths.engine_output / name, {"a.lora_down.weight": (4, 8)}, metadata)
    os.utime(path, (time.time() - age,) * 2)
    return path


def cut(path, size):
    data = path.read_bytes()
    stat = path.stat()
    path.write_bytes(data[:size])
    os.utime(path, (stat.st_atime, stat.st_mtime))


def test_a_finished_lora_is_moved_and_described(paths):
    data = lora(paths, "x-000002.safetensors").read_bytes()

    (taken,) = LoraShelf(paths).collect()

    assert taken.file == "lora/x-000002.safetensors"
    assert (taken.epoch, taken.step, taken.size) == (2, None, len(data))
    assert taken.sha256 == hashlib.sha256(data).hexdigest()
    assert (paths.loras / "x-000002.safetensors").read_bytes() == data
    assert list(paths.engine_output.iterdir()) == []


def test_epoch_and_step_come_from_the_metadata_first(paths):
    lora(paths, "x.safetensors", metadata={"ss_epoch": "3", "ss_steps": "90"})

    (taken,) = LoraShelf(paths).collect()

    assert (taken.epoch, taken.step) == (3, 90)


def test_a_truncated_file_is_never_taken(paths):
    path = lora(paths, "x.safetensors")
    size = path.stat().st_size
    for length in (0, 4, 8, 20, size // 2, size - 1):
        cut(path, length)
        assert LoraShelf(paths).collect(final=True) == []


def test_a_file_that_is_longer_than_its_header_says_is_not_taken(paths):
    path = lora(paths, "x.safetensors")
    path.write_bytes(path.read_bytes() + b"!")

    assert LoraShelf(paths).collect(final=True) == []


def test_a_fresh_file_waits_until_it_has_settled(paths):
    path = lora(paths, "x-000001.safetensors", age=0.0)
    shelf = LoraShelf(paths)

    assert shelf.collect() == []
    os.utime(path, (time.time() - 5,) * 2)
    assert len(shelf.collect()) == 1


def test_a_fresh_file_is_taken_when_a_newer_one_exists_or_nobody_writes_any_more(paths):
    lora(paths, "x-000001.safetensors", age=1.0)
    lora(paths, "x-000002.safetensors", age=0.0)
    shelf = LoraShelf(paths)

    assert [one.file for one in shelf.collect()] == ["lora/x-000001.safetensors"]
    assert [one.file for one in shelf.collect(final=True)] == ["lora/x-000002.safetensors"]
    assert shelf.has("x-000002.safetensors")
    assert not shelf.has("x.safetensors")


def test_a_file_that_the_engine_deletes_meanwhile_is_passed_over(paths, monkeypatch):
    """sd-scripts does with save_last_n_epochs."""
    lora(paths, "x-000001.safetensors")
    lora(paths, "x-000002.safetensors")

    def whole(path):
        if path.name == "x-000001.safetensors":
            path.unlink()
        return True

    monkeypatch.setattr("kohya_trainer.loras.is_whole", whole)

    taken = LoraShelf(paths).collect(final=True)
    assert [one.file for one in taken] == ["lora/x-000002.safetensors"]


def test_across_mounts_the_target_appears_whole_under_its_name(tmp_path, monkeypatch):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"x" * 1000)

    def refuse(self, other):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "replace", refuse)
    move(source, target)

    assert target.read_bytes() == b"x" * 1000
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


@pytest.mark.parametrize("data", [b"", b"\0" * 8, b"\xff" * 100, b"\2\0\0\0\0\0\0\0[]"])
def test_what_is_no_safetensors_is_not_whole(tmp_path, data):
    path = tmp_path / "x"
    path.write_bytes(data)

    assert not is_whole(path)


def test_an_empty_safetensors_is_whole(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\2\0\0\0\0\0\0\0{}")

    assert is_whole(path)
    assert read_header(path).file_size == 10
