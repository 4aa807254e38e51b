"""Sample images: prompts written as objects, finished images kept under names that say when."""

import json
import struct
import tomllib
from pathlib import Path

import pytest

from kohya_trainer.failure import TrainingFailed
from kohya_trainer.job import parse_job
from kohya_trainer.metrics import Curve
from kohya_trainer.paths import Paths
from kohya_trainer.resume import Earlier
from kohya_trainer.samples import SampleShelf
from kohya_trainer.states import State
from kohya_trainer.tfevents import Scalar
from tests.container.support import job, make_base, png, read_json
from tests.container.test_training_program import run

PROMPT = {
    "prompt": "a rabbit --cn /etc/passwd --w 4096",
    "negative_prompt": "blurry",
    "width": 64,
    "height": 128,
    "steps": 20,
    "cfg_scale": 7,
    "seed": 42,
    "sampler": "euler_a",
}
BARE = PROMPT | {"prompt": '兔 \\ "x"\'', "negative_prompt": None, "seed": 2**32 - 1}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path)
    paths.make_folders()
    paths.engine_samples.mkdir()
    return paths


def shelf(paths: Paths, earlier: Earlier | None = None) -> SampleShelf:
    return SampleShelf(paths, "x_1.5", earlier or Earlier())


def curve(steps: int, per_epoch: int, after: Earlier | None = None) -> Curve:
    """The curve after so many steps."""
    begun = after or Earlier()
    curve = Curve(after_step=begun.step, after_epoch=begun.epoch)
    for step in range(begun.step + 1, steps + 1):
        curve.add([Scalar("loss/current", step, 0.5, float(step))])
        if step % per_epoch == 0:
            curve.add([Scalar("loss/epoch_average", step // per_epoch, 0.5, float(step))])
    return curve


def draw(paths: Paths, name: str, content: bytes | None = None) -> None:
    (paths.engine_samples / name).write_bytes(content or png(1))


def kept(paths: Paths) -> list[str]:
    return sorted(path.name for path in paths.samples.iterdir())


def test_an_image_is_named_after_step_epoch_and_prompt(paths: Paths) -> None:
    draw(paths, "x_1.5_e000000_00_20261122130455_42.png")
    draw(paths, "x_1.5_e000002_01_20261122130459.png")
    draw(paths, "x_1.5_000013_00_20261122130501_42.png")

    new = shelf(paths).collect(curve(25, per_epoch=10))

    assert kept(paths) == [
        "00000000-000000-00.png",
        "00000013-000002-00.png",
        "00000020-000002-01.png",
    ]
    assert sorted(new) == kept(paths)
    assert list(paths.engine_samples.iterdir()) == []


def test_an_image_that_lacks_its_end_waits(paths: Paths) -> None:
    whole = png(1)
    name = "x_1.5_e000001_00_20261122130455_42.png"
    for length in (0, 7, 8, 20, len(whole) // 2, len(whole) - 1):
        draw(paths, name, whole[:length] or b"\0")
        assert shelf(paths).collect(curve(10, 10)) == []

    draw(paths, name, whole)
    assert shelf(paths).collect(curve(10, 10)) == ["00000010-000001-00.png"]
    assert (paths.samples / "00000010-000001-00.png").read_bytes() == whole


def test_what_is_no_sample_of_ours_stays_where_it_is(paths: Paths) -> None:
    for name in ("y_e000001_00_20261122130455.png", "x_1.5_e1_0_0.png", "x_1.5_notes.png"):
        draw(paths, name)

    assert shelf(paths).collect(curve(10, 10)) == []
    assert len(list(paths.engine_samples.iterdir())) == 3


def test_what_a_resumed_run_draws_at_its_start_belongs_to_its_state(paths: Paths) -> None:
    """sd-scripts calls it epoch 0; it counts when the interruption came before the image."""
    earlier = Earlier(state=State(paths.states, step=20, epoch=2, lora="x"))
    (paths.samples / "00000020-000002-00.png").write_bytes(b"the first")
    draw(paths, "x_1.5_e000000_00_20261122130455_42.png")
    draw(paths, "x_1.5_e000000_01_20261122130455_42.png")
    draw(paths, "x_1.5_e000003_00_20261122130455_42.png")

    shelf(paths, earlier).collect(curve(30, 10, after=earlier))

    assert kept(paths) == [f"000000{name}.png" for name in ("20-000002-00", "20-000002-01")] + [
        "00000030-000003-00.png"
    ]
    assert (paths.samples / "00000020-000002-00.png").read_bytes() == b"the first"
    assert list(paths.engine_samples.iterdir()) == []


def test_a_training_draws_its_prompts_and_keeps_them_with_their_settings(tmp_path: Path) -> None:
    params = {"max_train_epochs": 2, "network_dim": 2, "sample_at_first": True}
    params |= {"sample_every_n_epochs": 1, "sample_sampler": "ddim"}
    base = make_base(tmp_path, job(config_params=params, sample_prompts=[PROMPT, BARE]))

    status, log = run(base)

    assert status == 0, log
    names = [f"{when}-{place}.png" for when in WHEN for place in ("00", "01")]
    assert kept(Paths(base)) == [*names, "prompts.json"]
    for name in names:
        start = (base / "checkpoints" / "samples" / name).read_bytes()[:24]
        assert struct.unpack(">II", start[16:]) == (64, 128)
    assert read_json(base / "checkpoints" / "samples" / "prompts.json") == [PROMPT, BARE]
    assert "rabbit" not in log


WHEN = ("00000000-000000", "00000030-000001", "00000060-000002")


def test_the_engine_gets_objects_with_sd_scripts_keys_and_no_line(tmp_path: Path) -> None:
    params = {"max_train_steps": 1, "sample_every_n_steps": 1}
    base = make_base(tmp_path, job(config_params=params, sample_prompts=[PROMPT, BARE]))

    assert run(base)[0] == 0

    config = tomllib.loads((base / "staging" / "config.toml").read_text())
    assert config["sample_prompts"] == str(base / "staging" / "sample_prompts.json")
    first, second = json.loads(Path(config["sample_prompts"]).read_text(encoding="utf-8"))
    assert first == {
        "prompt": "a rabbit --cn /etc/passwd --w 4096",
        "negative_prompt": "blurry",
        "width": 64,
        "height": 128,
        "sample_steps": 20,
        "scale": 7,
        "seed": 42,
        "sample_sampler": "euler_a",
    }
    assert "negative_prompt" not in second
    assert kept(Paths(base))[0] == "00000001-000001-00.png"


def test_without_prompts_the_engine_is_not_told_to_draw(tmp_path: Path) -> None:
    """sd-scripts would break at the first sample: library/train_util.py:6395."""
    params = {"max_train_steps": 1, "sample_every_n_steps": 1, "sample_at_first": True}
    base = make_base(tmp_path, job(config_params=params))

    status, log = run(base)

    assert status == 0, log
    config = tomllib.loads((base / "staging" / "config.toml").read_text())
    assert not [name for name in config if name.startswith("sample_")]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"width": "64"}, "width"),
        ({"seed": True}, "seed"),
        ({"cfg_scale": None}, "cfg_scale"),
        ({"negative_prompt": 3}, "negative_prompt"),
    ],
)
def test_a_prompt_that_the_api_would_not_write_is_refused(change: dict, field: str) -> None:
    with pytest.raises(TrainingFailed, match=rf"sample_prompts\[1\]\.{field}"):
        parse_job(job(sample_prompts=[PROMPT, PROMPT | change]))


def test_a_prompts_file_cannot_be_named_among_the_options(tmp_path: Path) -> None:
    base = make_base(tmp_path, job(config_params={"sample_prompts": "/etc/passwd"}))

    assert run(base)[0] == 1
    assert read_json(base / "output" / "failure")["code"] == "bad_option"
