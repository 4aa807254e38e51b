"""A training that goes on from another training's saved state."""

import json
import shutil

import pytest

from kohya_trainer.agreement import check_agreement, setting_of
from kohya_trainer.failure import TrainingFailed
from kohya_trainer.job import parse_job
from kohya_trainer.states import State
from tests.container.support import dataset, job, make_base, metrics_rows, read_json, write_json
from tests.container.test_resumed_training import kill_in_epoch, new_machine
from tests.container.test_training_program import lora, run

PARAMS = {"max_train_epochs": 4, "network_dim": 2, "learning_rate": 1e-3}
INIT = {"channel": "init", "kind": "state", "training_id": "trn_1", "output_name": "tusiji-style"}


def body(epochs=4, **changes):
    params = PARAMS | {"max_train_epochs": epochs} | changes.pop("params", {})
    return job(**({"config_params": params, "datasets": [dataset(repeats=2)]} | changes))


def going_on(folder, earlier, **changes):
    """An /opt/ml whose channel `init` has the states of the earlier training."""
    base = make_base(folder, body(**({"init": INIT, "output_name": "longer"} | changes)))
    shutil.copytree(earlier / "checkpoints" / "state", base / "input" / "data" / "init")
    return base


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Four epochs of six steps in one go."""
    base = make_base(tmp_path_factory.mktemp("whole"), body())
    status, log = run(base)
    assert status == 0, log
    return base


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory):
    """The first two of them."""
    base = make_base(tmp_path_factory.mktemp("two"), body(epochs=2))
    status, log = run(base)
    assert status == 0, log
    return base


def same(row):
    return {name: row[name] for name in ("step", "epoch", "loss", "learning_rates")}


def test_the_state_after_the_last_epoch_is_kept_too(two_epochs):
    states = sorted((two_epochs / "checkpoints" / "state").iterdir())

    assert [state.name for state in states] == [
        "tusiji-style-000001-state",
        "tusiji-style-000002-state",
    ]
    assert read_json(states[1] / "train_state.json") == {"current_epoch": 2, "current_step": 12}
    assert read_json(states[1] / "manifest.json")["final"] is True


def test_a_training_goes_on_as_if_it_had_never_ended(tmp_path, two_epochs, whole):
    base = going_on(tmp_path, two_epochs)

    status, log = run(base)

    assert status == 0, log
    assert "going on from trn_1 after its epoch 2, step 12" in log
    expected = [same(row) for row in metrics_rows(whole)]
    assert [same(row) for row in metrics_rows(base)] == expected[12:]
    names = sorted(path.name for path in (base / "checkpoints" / "lora").iterdir())
    assert names == ["longer-000003.safetensors", "longer.safetensors"]
    with lora(base, "longer.safetensors") as one, lora(whole) as other:
        for field in ("ss_steps", "ss_epoch", "sshs_model_hash"):
            assert one.metadata()[field] == other.metadata()[field]
    progress = read_json(base / "checkpoints" / "progress.json")
    assert (progress["step"], progress["total_steps"], progress["epoch"]) == (24, 24, 4)


def test_its_interruption_leaves_no_gap_either(tmp_path, two_epochs, whole):
    base = going_on(tmp_path / "first", two_epochs)
    kill_in_epoch(base, 4, "longer")
    states = base / "input" / "data" / "init"
    base = new_machine(base, "second", read_json(base / "input" / "data" / "config" / "job.json"))
    shutil.copytree(states, base / "input" / "data" / "init")

    status, log = run(base)

    assert status == 0, log
    assert "going on after epoch 3" in log
    expected = [same(row) for row in metrics_rows(whole)]
    assert [same(row) for row in metrics_rows(base)] == expected[12:]


def test_a_torn_state_is_passed_over_for_the_one_before(tmp_path, two_epochs):
    base = going_on(tmp_path, two_epochs)
    torn = base / "input" / "data" / "init" / "tusiji-style-000002-state" / "optimizer.bin"
    torn.write_bytes(torn.read_bytes()[:-1])

    status, log = run(base)

    assert status == 0, log
    assert [row["step"] for row in metrics_rows(base)] == list(range(7, 25))


def test_without_a_whole_state_nothing_is_trained(tmp_path, two_epochs):
    base = going_on(tmp_path, two_epochs)
    for manifest in (base / "input" / "data" / "init").glob("*/manifest.json"):
        manifest.write_text("{")

    status, _ = run(base)

    failure = read_json(base / "output" / "failure")
    assert (status, failure["code"]) == (1, "no_state")
    assert "trn_1" in failure["message"]
    assert "LoRA" in failure["advice"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"params": {"network_dim": 4}}, "network_dim is 4, the state has 2"),
        ({"params": {"train_batch_size": 2}}, "train_batch_size is 2"),
        ({"params": {"learning_rate": 1e-4}}, "learning_rate is 0.0001, the state has 0.001"),
        ({"params": {"optimizer_type": "Lion"}}, "optimizer_type is Lion"),
        ({"datasets": [dataset(repeats=3)]}, "datasets is"),
        (
            {"model": {"channel": "model", "model_id": "mdl_9", "file_name": "base.safetensors"}},
            "model_id is mdl_9, the state has mdl_01",
        ),
    ],
)
def test_what_must_agree_with_the_state_is_held_against_it(tmp_path, two_epochs, change, word):
    base = going_on(tmp_path, two_epochs, **change)

    status, _ = run(base)

    failure = read_json(base / "output" / "failure")
    assert (status, failure["code"]) == (1, "bad_option")
    assert word in failure["message"]


def test_another_number_of_gpus_counts_other_steps():
    one = parse_job(body())
    made = State(None, 12, 2, "x", setting=setting_of(one, one.config_params, 1))

    check_agreement(made, setting_of(one, one.config_params, 1))
    with pytest.raises(TrainingFailed, match="gpus is 4, the state has 1"):
        check_agreement(made, setting_of(one, one.config_params, 4))


def test_a_state_that_does_not_say_how_it_was_made_is_refused(tmp_path, two_epochs):
    base = going_on(tmp_path, two_epochs)
    for path in (base / "input" / "data" / "init").glob("*/manifest.json"):
        write_json(path, {k: v for k, v in json.loads(path.read_text()).items() if k != "setting"})

    run(base)

    assert "says nothing of how" in read_json(base / "output" / "failure")["message"]
