"""How the real sd-scripts fails, in its own words; some four minutes on two cores.

What the program would refuse before is put wrong after its checks, where the words of sd-scripts
itself are wanted.
"""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kohya_trainer import command
from kohya_trainer.settings import Settings
from kohya_trainer.training import run
from tests.container.support import read_json
from tests.kohya.kohya_support import KOHYA, MODEL, PARAMS, make_base

pytestmark = pytest.mark.kohya
FOLDER = "2_tusiji 兔"
MEMORY = 4_000_000_000

Prepare = Callable[..., command.Launch]


def fail(base: Path, prepare: Prepare = command.prepare, **params: Any) -> dict[str, Any]:
    """Train until it fails; what the API is told of it."""
    if not (base / "input").exists():
        make_base(base, **(PARAMS | params))
    settings = Settings(
        base=base,
        kohya_home=KOHYA / "sd-scripts",
        kohya_python=str(KOHYA / "venv" / "bin" / "python"),
        kohya_tokenizers=KOHYA / "tokenizers",
        kohya_cpu=True,
        report_seconds=0.5,
    )
    assert run(settings, prepare=prepare) == 1
    short = read_json(base / "output" / "failure")
    told: dict[str, Any] = read_json(base / "checkpoints" / "failure.json")
    assert short["code"] == told["code"]
    assert len((base / "output" / "failure").read_text()) <= 1024
    assert 0 < len(told["log_tail"]) <= 20
    return told


def images(base: Path) -> Path:
    return base / "input" / "data" / "dataset_00" / FOLDER


def test_an_image_that_cannot_be_decoded_is_named(tmp_path):
    make_base(tmp_path, **PARAMS)
    image = images(tmp_path) / "图 2.png"
    image.write_bytes(image.read_bytes()[:-2000])

    told = fail(tmp_path)

    assert told["code"] == "unreadable_image"
    assert "图 2.png" in told["message"]


def test_a_base_model_of_other_shapes_is_of_the_wrong_family(tmp_path):
    """Its header passes our check, which looks at names: one tensor lies the other way."""
    make_base(tmp_path, **PARAMS)
    model = tmp_path / "input" / "data" / "model" / "base.safetensors"
    model.unlink()
    shutil.copyfile(MODEL, model)
    with model.open("r+b") as file:
        head = file.read(300_000)
        where = head.index(b"[320, 768]")
        file.seek(where)
        file.write(b"[768, 320]")

    told = fail(tmp_path)

    assert told["code"] == "wrong_model_family"
    assert "fm_type" in told["advice"]


def test_a_dataset_without_an_image_is_no_success_though_the_script_ends_well(tmp_path):
    def emptied(job, inputs, paths, settings):
        launch = command.prepare(job, inputs, paths, settings)
        shutil.rmtree(inputs.folders[0].path)
        inputs.folders[0].path.mkdir()
        return launch

    told = fail(tmp_path, emptied)

    assert told["code"] == "empty_dataset"


@pytest.mark.parametrize(
    "params",
    [{"min_bucket_reso": 256, "max_bucket_reso": 512}, {"lr_scheduler": "nonsense"}],
    ids=["an assertion", "an unknown word"],
)
def test_an_option_that_the_script_refuses_is_a_bad_option(tmp_path, params):
    told = fail(tmp_path, **params)

    assert told["code"] == "bad_option"
    assert "config_params" in told["advice"]


def test_a_loss_that_is_no_number_ends_it_within_a_few_steps(tmp_path):
    told = fail(tmp_path, learning_rate=1e30, lr_scheduler="constant", lr_warmup_steps=0)

    assert told["code"] == "nan_loss"
    assert read_json(tmp_path / "checkpoints" / "progress.json")["step"] < 8


def test_too_little_memory_is_told_with_what_to_change(tmp_path):
    """The allocator's own message, at a limit that the machine does not set but the test."""

    def bounded(job, inputs, paths, settings):
        launch = command.prepare(job, inputs, paths, settings)
        return replace(launch, argv=("prlimit", f"--data={MEMORY}", *launch.argv))

    told = fail(tmp_path, bounded, train_batch_size=4)

    assert told["code"] == "out_of_memory"
    order = ("train_batch_size (it is 4)", "gradient_checkpointing", "mixed_precision")
    places = [told["advice"].index(word) for word in order]
    assert places == sorted(places)


def test_a_script_that_is_killed_under_its_launcher_is_told_so(tmp_path):
    make_base(tmp_path, **PARAMS)
    mark = str(tmp_path / "staging").encode()

    def kill() -> None:
        while not (found := scripts(mark)):
            time.sleep(0.2)
        os.kill(max(found), signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()

    told = fail(tmp_path)

    assert told["code"] == "killed"
    assert "SIGKILL" in told["message"]


def scripts(mark: bytes) -> list[int]:
    """The processes of the script itself that have begun to say something."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if mark in words and b"accelerate" not in words:
            found.append(int(path.parent.name))
    return found
