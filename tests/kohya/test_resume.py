"""The real sd-scripts, interrupted twice and gone on with; about six minutes on two cores.

`make kohya` and `make kohya-model` bring what is needed: SD 1.5 of random weights, on the CPU.
"""

import shutil
from pathlib import Path

import pytest
from safetensors import safe_open

from tests.container.support import metrics_rows, read_json
from tests.kohya.kohya_support import PARAMS, STEPS_PER_EPOCH, finish, kill_in_epoch, make_base

pytestmark = pytest.mark.kohya
STEPS = 3 * STEPS_PER_EPOCH


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """4 images, 2 repeats, 3 epochs, in one go."""
    return finish(make_base(tmp_path_factory.mktemp("whole"), **PARAMS))


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory) -> Path:
    """The same, its machine taken away in epoch 2 and in epoch 3."""
    folder = tmp_path_factory.mktemp("interrupted")
    base = make_base(folder / "first", **PARAMS)
    for epoch, name in ((2, "second"), (3, "third")):
        kill_in_epoch(base, epoch)
        earlier, base = base, make_base(folder / name, **PARAMS)
        shutil.copytree(earlier / "checkpoints", base / "checkpoints")
    return finish(base)


def test_two_interruptions_leave_steps_epochs_and_learning_rates_as_they_were(interrupted, whole):
    rows, expected = metrics_rows(interrupted), metrics_rows(whole)

    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert [row["epoch"] for row in rows] == [row["epoch"] for row in expected]
    rates = [row["learning_rates"] for row in rows]
    assert rates == [row["learning_rates"] for row in expected]
    assert len({str(rate) for rate in rates}) == STEPS, "a schedule that stands still shows nothing"


def test_two_interruptions_change_no_loss(interrupted, whole):
    """State, data order and random generators are taken up just where they were."""
    losses = [row["loss"] for row in metrics_rows(interrupted)]

    assert losses == pytest.approx([row["loss"] for row in metrics_rows(whole)], rel=1e-6)


def test_two_interruptions_end_with_the_same_loras_and_progress(interrupted, whole):
    names = ["style-000001.safetensors", "style-000002.safetensors", "style.safetensors"]
    for base in (interrupted, whole):
        folder = base / "checkpoints" / "lora"
        assert sorted(path.name for path in folder.iterdir()) == names
        told = [metadata_of(folder / name) for name in names]
        assert [(one["ss_steps"], one["ss_epoch"]) for one in told] == [
            ("8", "1"),
            ("16", "2"),
            ("24", "3"),
        ]
        progress = read_json(base / "checkpoints" / "progress.json")
        assert (progress["phase"], progress["step"]) == ("finished", STEPS)
        assert (progress["total_steps"], progress["epoch"]) == (STEPS, 3)
    report = read_json(interrupted / "model" / "report.json")
    assert report["resumed_after"] == {"step": 16, "epoch": 2}


def test_the_kept_states_know_the_steps_of_all_runs(interrupted):
    states = sorted((interrupted / "checkpoints" / "state").iterdir())

    told = [read_json(state / "train_state.json") for state in states]
    assert told == [
        {"current_epoch": 2, "current_step": 16},
        {"current_epoch": 3, "current_step": 24},
    ]


def test_a_resumed_training_names_its_steps_and_ends_where_it_should(tmp_path, interrupted):
    """12 steps are an epoch and a half; saved every 5 steps, from the training's start."""
    params = {key: value for key, value in PARAMS.items() if key != "max_train_epochs"}
    base = make_base(tmp_path / "next", **params, max_train_steps=12, save_every_n_steps=5)
    earlier = interrupted.with_name("second")  # its machine was taken away in epoch 3
    shutil.copytree(earlier / "checkpoints", base / "checkpoints")
    shutil.rmtree(base / "checkpoints" / "state" / "style-000002-state")

    finish(base)

    assert [row["step"] for row in metrics_rows(base)] == list(range(1, 13))
    loras = base / "checkpoints" / "lora"
    assert metadata_of(loras / "style-step00000010.safetensors")["ss_steps"] == "10"
    assert metadata_of(loras / "style.safetensors")["ss_steps"] == "12"
    assert not (loras / "style-step00000005.safetensors").exists()
    progress = read_json(base / "checkpoints" / "progress.json")
    assert (progress["step"], progress["total_steps"]) == (12, 12)


def test_a_training_continues_from_a_finished_lora(tmp_path, whole):
    """With next to no learning rate it ends with the factors with which it began."""
    init = {
        "channel": "init",
        "kind": "lora",
        "model_id": "mdl_2",
        "file_name": "style.safetensors",
    }
    params = PARAMS | {"max_train_epochs": 1, "learning_rate": 1e-12}
    base = make_base(tmp_path / "next", init=init, **params)
    folder = base / "input" / "data" / "init"
    folder.mkdir()
    lora = shutil.copy(whole / "checkpoints" / "lora" / "style.safetensors", folder)

    finish(base)

    after = base / "checkpoints" / "lora" / "style.safetensors"
    with safe_open(lora, "numpy") as old, safe_open(after, "numpy") as new:
        ups = [name for name in old.keys() if name.endswith("lora_up.weight")]  # noqa: SIM118
        assert any(old.get_tensor(name).any() for name in ups)
        for name in old.keys():  # noqa: SIM118
            assert new.get_tensor(name) == pytest.approx(old.get_tensor(name), abs=1e-6)


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, "numpy") as file:
        return file.metadata()
