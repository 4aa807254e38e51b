"""A training whose machine is taken away, and what the next machine makes of it."""

import itertools
import json
import shutil
from pathlib import Path

import pytest

from kohya_trainer.paths import Paths
from kohya_trainer.resume import take_up
from kohya_trainer.resumed_script import COUNTING, can_count_on
from kohya_trainer.rows import Row
from kohya_trainer.segments import write_segment
from kohya_trainer.states import MANIFEST, StateShelf
from tests.container.support import (
    dataset,
    job,
    make_base,
    metrics_rows,
    read_json,
    write_safetensors,
)
from tests.container.test_training_program import lora, run, start, wait_for

PARAMS = {"max_train_steps": 24, "network_dim": 2, "learning_rate": 1e-3, "lr_scheduler": "cosine"}
STEP = {"LORASTACK_REHEARSAL_STEP_SECONDS": "0.1"}


def new_machine(base: Path, name: str, body=None) -> Path:
    """Another /opt/ml with the same inputs, to which SageMaker brought the checkpoint folder."""
    fresh = make_base(base.parent / name, body or small_job())
    shutil.copytree(base / "checkpoints", fresh / "checkpoints")
    return fresh


def small_job(**params):
    return job(config_params=PARAMS | params, datasets=[dataset(repeats=2)])


def kill_in_epoch(base: Path, epoch: int, name: str = "tusiji-style") -> None:
    """Run until the epoch's second step, then kill program and engine as a lost machine does."""
    process = start(base, **STEP)
    progress = base / "checkpoints" / "progress.json"
    state = base / "checkpoints" / "state" / f"{name}-{epoch - 1:06d}-state"
    wait_for(lambda: state.exists() and read_json(progress)["step"] >= 6 * (epoch - 1) + 2)
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The training without an interruption: 3 images twice, 4 epochs of 6 steps."""
    base = make_base(tmp_path_factory.mktemp("whole"), small_job())
    status, log = run(base)
    assert status == 0, log
    return base


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """The same, interrupted in epoch 2 and in epoch 4."""
    first = make_base(tmp_path_factory.mktemp("interrupted") / "first", small_job())
    kill_in_epoch(first, 2)
    second = new_machine(first, "second")
    kill_in_epoch(second, 4)
    third = new_machine(second, "third")
    status, log = run(third)
    assert status == 0, log
    assert "going on after epoch 3" in log
    return third


def test_two_interruptions_leave_no_gap_and_no_double_step(interrupted, whole):
    rows = metrics_rows(interrupted)

    assert [row["step"] for row in rows] == list(range(1, 25))
    same = ("step", "epoch", "learning_rates", "loss")
    expected = [{name: row[name] for name in same} for row in metrics_rows(whole)]
    assert [{name: row[name] for name in same} for row in rows] == expected


def test_two_interruptions_end_with_the_same_loras(interrupted, whole):
    def named(base):
        return sorted(path.name for path in (base / "checkpoints" / "lora").iterdir())

    assert named(interrupted) == named(whole)
    for name in named(whole):
        with lora(interrupted, name) as one, lora(whole, name) as other:
            for field in ("ss_steps", "ss_epoch", "sshs_model_hash"):
                assert one.metadata()[field] == other.metadata()[field]


def test_progress_counts_the_steps_of_all_runs(interrupted):
    progress = read_json(interrupted / "checkpoints" / "progress.json")

    assert (progress["phase"], progress["step"], progress["total_steps"]) == ("finished", 24, 24)
    assert (progress["epoch"], progress["total_epochs"]) == (4, 4)
    assert [(one["epoch"], one["step"]) for one in progress["loras"]] == [
        (1, 6),
        (2, 12),
        (3, 18),
        (4, 24),
    ]
    report = read_json(interrupted / "model" / "report.json")
    assert report["resumed_after"] == {"step": 18, "epoch": 3}


def test_the_newest_two_states_of_epochs_are_kept(interrupted, whole):
    for base in (interrupted, whole):
        names = sorted(path.name for path in (base / "checkpoints" / "state").iterdir())
        assert names == ["tusiji-style-000002-state", "tusiji-style-000003-state"]
    assert not list(whole.glob("staging/lora/*-state"))


def test_a_training_that_ends_within_an_epoch_ends_there_after_an_interruption_too(tmp_path):
    body = small_job(max_train_steps=15, save_every_n_steps=5)
    base = make_base(tmp_path / "first", body)
    kill_in_epoch(base, 2)
    base = new_machine(base, "second", body)

    status, log = run(base)

    assert status == 0, log
    assert [row["step"] for row in metrics_rows(base)] == list(range(1, 16))
    names = {path.name for path in (base / "checkpoints" / "lora").iterdir()}
    steps = {f"tusiji-style-step{step:08d}.safetensors" for step in (5, 10, 15)}
    assert names >= steps | {"tusiji-style.safetensors"}


@pytest.fixture
def left(tmp_path, whole):
    """A checkpoint folder with the states after epochs 2 and 3."""
    shutil.copytree(whole / "checkpoints", tmp_path / "checkpoints")
    paths = Paths(tmp_path)
    paths.make_folders()
    return paths


def newest(paths: Paths) -> Path:
    return max(paths.states.iterdir())


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"\0")


@pytest.mark.parametrize(
    "harm",
    [
        lambda state: (state / MANIFEST).unlink(),
        lambda state: cut_off(state / MANIFEST),
        lambda state: (state / "optimizer.bin").unlink(),
        lambda state: cut_off(state / "optimizer.bin"),
        lambda state: change(state / "scheduler.bin"),
        lambda state: (state.parents[1] / "lora" / "tusiji-style-000003.safetensors").unlink(),
    ],
    ids=[
        "no manifest",
        "half a manifest",
        "a file lost",
        "a file cut",
        "another's file",
        "no LoRA",
    ],
)
def test_a_state_that_is_not_whole_is_not_gone_on_from(left, harm):
    harm(newest(left))

    earlier = take_up(left, can_resume=True)

    assert (earlier.step, earlier.epoch) == (12, 2)
    assert [path.name for path in left.states.iterdir()] == ["tusiji-style-000002-state"]
    assert [row["step"] for row in metrics_rows(left.base)] == list(range(1, 13))


def test_an_sd_scripts_that_cannot_count_on_starts_afresh(left):
    earlier = take_up(left, can_resume=False)

    assert earlier.state is None
    assert len(earlier.loras) == 4
    assert not list(left.states.iterdir())
    assert not list(left.metrics.iterdir())


def test_segments_that_overlap_or_lack_become_one_curve(left):
    for path in left.metrics.iterdir():
        path.unlink()
    for first, last in ((1, 8), (1, 10), (9, 10), (13, 24)):
        rows = [Row(step, 1, float(step), None, {}, None) for step in range(first, last + 1)]
        write_segment(rows, left)

    take_up(left, can_resume=True)

    rows = metrics_rows(left.base)
    assert [row["step"] for row in rows] == list(range(1, 19))
    assert [row["step"] for row in rows if row["loss"] is None] == [11, 12]


def test_a_state_is_taken_only_when_it_is_written_and_its_lora_is_safe(tmp_path, whole):
    paths = Paths(tmp_path)
    paths.make_folders()
    source = whole / "checkpoints" / "state" / "tusiji-style-000002-state"
    target = paths.engine_output / source.name
    waiting = paths.engine_output / "tusiji-style-000002.safetensors"
    write_safetensors(waiting, {"lora_unet_x.lora_down.weight": (2, 2)})
    target.mkdir()
    for name in ("train_state.json", "model.safetensors", "optimizer.bin", "scheduler.bin"):
        shutil.copy(source / name, target)
    last = (source / "random_states_0.pkl").read_bytes()
    shelf = StateShelf(paths)

    found = []
    for size in (0, 10, len(last)):
        (target / "random_states_0.pkl").write_bytes(last[:size])
        found.append(shelf.finished("tusiji-style"))
    waiting.rename(paths.loras / waiting.name)
    (state,) = shelf.finished("tusiji-style")

    assert found == [[], [], []]
    assert (state.step, state.epoch) == (12, 2)


def test_the_line_that_counts_steps_must_be_there_once(tmp_path):
    script = tmp_path / "train_network.py"
    answers = [can_count_on(tmp_path)]
    for lines in itertools.accumulate([COUNTING] * 2):
        script.write_text(f"def train(args):{lines}")
        answers.append(can_count_on(tmp_path))

    assert answers == [False, True, False]


def test_what_a_state_is_made_of_is_kohyas(whole):
    state = newest(Paths(whole))

    assert sorted(path.name for path in state.iterdir()) == [
        MANIFEST,
        "model.safetensors",
        "optimizer.bin",
        "random_states_0.pkl",
        "scheduler.bin",
        "train_state.json",
    ]
    told = json.loads((state / "train_state.json").read_text())
    assert told == {"current_epoch": 3, "current_step": 18}
