"""Sample images of the real sd-scripts: drawn, named, and their prompts taken for nothing else."""

import shutil
import struct
from pathlib import Path

import pytest

from kohya_trainer.samples import is_whole
from tests.container.support import metrics_rows, read_json, write_json
from tests.kohya.kohya_support import PARAMS, STEPS_PER_EPOCH, finish, kill_in_epoch, make_base

pytestmark = pytest.mark.kohya

PROMPTS = [
    {
        "prompt": "tusiji --w 512 --h 512 --cn /nowhere/secret.png --d 1",
        "negative_prompt": "blurry --cn /nowhere/secret.png",
        "width": 64,
        "height": 72,
        "steps": 2,
        "cfg_scale": 7.5,
        "seed": 7,
        "sampler": "euler_a",
    },
    {
        "prompt": "兔 (jade:1.2) [",
        "negative_prompt": None,
        "width": 64,
        "height": 64,
        "steps": 1,
        "cfg_scale": 1.0,
        "seed": 4294967295,
        "sampler": "ddim",
    },
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """4 images, 2 repeats, 1 epoch; samples at the start and at the epoch's end."""
    params = PARAMS | {"max_train_epochs": 1}
    sampling = {"sample_at_first": True, "sample_every_n_epochs": 1}
    base = make_base(tmp_path_factory.mktemp("drawn") / "ml", **params, **sampling)
    return finish(with_prompts(base))


def test_each_prompt_is_drawn_at_the_start_and_at_the_epochs_end(drawn):
    images = sorted((drawn / "checkpoints" / "samples").glob("*.png"))

    end = f"{STEPS_PER_EPOCH:08d}-000001"
    assert [path.name for path in images] == [
        "00000000-000000-00.png",
        "00000000-000000-01.png",
        f"{end}-00.png",
        f"{end}-01.png",
    ]
    assert all(is_whole(path) for path in images)


def test_options_in_a_prompts_text_are_not_obeyed(drawn):
    """Neither another size nor another seed, and the file is not opened, or it would have ended."""
    log = drawn.with_suffix(".log").read_text(encoding="utf-8")

    assert size_of(drawn, "00000000-000000-00.png") == (64, 72)
    assert size_of(drawn, "00000000-000000-01.png") == (64, 64)
    assert f"prompt: {PROMPTS[0]['prompt']}" in log
    assert "seed: 7" in log


def test_what_is_drawn_changes_with_what_is_learnt(drawn):
    first, last = (
        (drawn / "checkpoints" / "samples" / f"{name}-00.png").read_bytes()
        for name in ("00000000-000000", f"{STEPS_PER_EPOCH:08d}-000001")
    )

    assert first != last


def test_a_resumed_training_has_each_sample_once(tmp_path):
    """A resumed sd-scripts draws what it begins with, too; that is the sample of its state."""
    params = PARAMS | {"max_train_epochs": 2, "sample_every_n_epochs": 1, "sample_at_first": True}
    base = with_prompts(make_base(tmp_path / "first", **params))
    kill_in_epoch(base, 2)
    after = with_prompts(make_base(tmp_path / "second", **params))
    shutil.copytree(base / "checkpoints", after / "checkpoints")
    lost = after / "checkpoints" / "samples" / f"{STEPS_PER_EPOCH:08d}-000001-01.png"
    before = lost.read_bytes()
    lost.unlink()

    finish(after)

    whens = (
        "00000000-000000",
        f"{STEPS_PER_EPOCH:08d}-000001",
        f"{2 * STEPS_PER_EPOCH:08d}-000002",
    )
    images = sorted(path.name for path in (after / "checkpoints" / "samples").glob("*.png"))
    assert images == [f"{when}-{place}.png" for when in whens for place in ("00", "01")]
    assert lost.read_bytes() == before, "drawn again with the seed, of the same LoRA"
    assert [row["step"] for row in metrics_rows(after)] == list(range(1, 2 * STEPS_PER_EPOCH + 1))


def with_prompts(base: Path) -> Path:
    job = base / "input" / "data" / "config" / "job.json"
    write_json(job, read_json(job) | {"sample_prompts": PROMPTS})
    return base


def size_of(base: Path, name: str) -> tuple[int, int]:
    start = (base / "checkpoints" / "samples" / name).read_bytes()[:24]
    width, height = struct.unpack(">II", start[16:])
    return width, height
