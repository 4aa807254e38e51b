"""The real sd-scripts going on from another training's state; about four minutes on two cores."""

import shutil
from pathlib import Path

import pytest

from tests.container.support import metrics_rows, read_json
from tests.kohya.kohya_support import PARAMS, STEPS_PER_EPOCH, finish, make_base
from tests.kohya.test_resume import metadata_of

pytestmark = pytest.mark.kohya
CONSTANT = PARAMS | {"lr_scheduler": "constant", "lr_warmup_steps": 0}
INIT = {"channel": "init", "kind": "state", "training_id": "trn_1", "output_name": "style"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Three epochs in one go."""
    return finish(make_base(tmp_path_factory.mktemp("whole"), **CONSTANT))


@pytest.fixture(scope="module")
def longer(tmp_path_factory) -> Path:
    """Two epochs, and a training that goes on from their last state to three."""
    folder = tmp_path_factory.mktemp("longer")
    two = finish(make_base(folder / "two", **CONSTANT | {"max_train_epochs": 2}))
    base = make_base(folder / "three", init=INIT, **CONSTANT)
    shutil.copytree(two / "checkpoints" / "state", base / "input" / "data" / "init")
    return finish(base)


def test_steps_epochs_rates_and_losses_equal_those_of_one_that_never_ended(longer, whole):
    rows, expected = metrics_rows(longer), metrics_rows(whole)[2 * STEPS_PER_EPOCH :]

    assert [row["step"] for row in rows] == list(range(17, 25))
    for field in ("step", "epoch", "learning_rates"):
        assert [row[field] for row in rows] == [row[field] for row in expected]
    losses = [row["loss"] for row in rows]
    assert losses == pytest.approx([row["loss"] for row in expected], rel=1e-6)


def test_its_lora_progress_and_state_count_from_the_beginning(longer):
    told = metadata_of(longer / "checkpoints" / "lora" / "style.safetensors")
    assert (told["ss_steps"], told["ss_epoch"]) == ("24", "3")
    progress = read_json(longer / "checkpoints" / "progress.json")
    assert (progress["step"], progress["total_steps"], progress["epoch"]) == (24, 24, 3)
    (state,) = (longer / "checkpoints" / "state").iterdir()
    assert read_json(state / "train_state.json") == {"current_epoch": 3, "current_step": 24}
    assert read_json(state / "manifest.json")["began"] == 16
