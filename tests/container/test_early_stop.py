"""A training that ends when its loss falls no more."""

import shutil

import pytest

from kohya_trainer.early_stop import Stop, stop_by
from kohya_trainer.job import EarlyStop
from kohya_trainer.metrics import EpochEnd
from tests.container.support import dataset, job, make_base, metrics_rows, read_json
from tests.container.test_engines_that_fail import train
from tests.container.test_training_program import lora, run

WANTED = {"patience_epochs": 2, "min_improvement": 0.5}
PROMPT = {
    "prompt": "a jade rabbit",
    "width": 64,
    "height": 64,
    "steps": 1,
    "cfg_scale": 7.5,
    "seed": 1,
    "sampler": "ddim",
}
PARAMS = {"max_train_epochs": 15, "network_dim": 2, "learning_rate": 1e-3}


def ends(*averages):
    return [EpochEnd(number, loss, number * 10) for number, loss in enumerate(averages, start=1)]


@pytest.mark.parametrize(
    ("averages", "share", "expected"),
    [
        ((1.0, 0.9, 0.8, 0.7), 0.0, None),
        ((1.0, 0.9, 0.95, 0.93), 0.0, Stop(4, 2, 40)),
        ((1.0, 0.99, 0.98, 0.97), 0.05, Stop(3, 1, 30)),
        ((1.0, 0.99, 0.94, 0.93), 0.05, None),
        ((1.0, 1.0), 0.0, None),
        ((float("nan"), 1.0, 1.0), 0.0, Stop(3, 1, 30)),
        ((), 0.0, None),
    ],
)
def test_the_best_epoch_is_the_last_that_was_better_by_the_share(averages, share, expected):
    assert stop_by(ends(*averages), EarlyStop(2, share)) == expected


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Fifteen epochs were wanted; the loss never halves twice."""
    body = job(config_params=PARAMS, datasets=[dataset(repeats=4)], early_stop=WANTED)
    base = make_base(tmp_path_factory.mktemp("early"), body)
    status, log = run(base, LORASTACK_REHEARSAL_STEP_SECONDS="0.03")
    assert status == 0, log
    return base, log


def test_it_succeeds_with_the_lora_of_its_best_epoch(stopped):
    base, log = stopped

    told = read_json(base / "checkpoints" / "progress.json")
    end = told["stopped_early"]
    assert told["phase"] == "finished"
    assert end["after_epoch"] == end["best_epoch"] + 2 < 15
    assert (told["epoch"], told["step"]) == (end["after_epoch"], 12 * end["after_epoch"])
    assert f"ending after epoch {end['after_epoch']}" in log
    with (
        lora(base) as last,
        lora(base, f"tusiji-style-{end['best_epoch']:06d}.safetensors") as best,
    ):
        assert last.metadata() == best.metadata()
        assert last.metadata()["ss_epoch"] == str(end["best_epoch"])
    assert told["loras"][-1]["file"] == "lora/tusiji-style.safetensors"
    assert not (base / "output" / "failure").exists()


def test_the_loss_curve_ends_with_the_epoch_that_was_the_last(stopped):
    base, _ = stopped

    end = read_json(base / "checkpoints" / "progress.json")["stopped_early"]
    steps = [row["step"] for row in metrics_rows(base)]
    assert steps == list(range(1, 12 * end["after_epoch"] + 1))


def test_an_interruption_after_the_stop_trains_nothing_more(tmp_path, stopped):
    base, _ = stopped
    fresh = make_base(tmp_path, read_json(base / "input" / "data" / "config" / "job.json"))
    shutil.copytree(base / "checkpoints", fresh / "checkpoints")
    end = read_json(base / "checkpoints" / "progress.json")["stopped_early"]
    (fresh / "checkpoints" / "lora" / "tusiji-style.safetensors").unlink()

    status, log = run(fresh)

    assert status == 0, log
    assert read_json(fresh / "checkpoints" / "progress.json")["stopped_early"] == end
    with lora(fresh) as last:
        assert last.metadata()["ss_epoch"] == str(end["best_epoch"])


def test_an_engine_that_was_quicker_than_the_stop_makes_no_difference(tmp_path, stopped):
    body = read_json(stopped[0] / "input" / "data" / "config" / "job.json")
    body["config_params"] |= {"sample_every_n_epochs": 1}
    base = make_base(tmp_path, body | {"sample_prompts": [PROMPT]})

    status, log = run(base, LORASTACK_REPORT_SECONDS="30")

    assert status == 0, log
    quick, slow = (read_json(one / "checkpoints" / "progress.json") for one in (base, stopped[0]))
    assert quick["stopped_early"] == slow["stopped_early"]
    assert (quick["step"], quick["epoch"]) == (slow["step"], slow["epoch"])
    steps = [row["step"] for row in metrics_rows(base)]
    assert steps == [row["step"] for row in metrics_rows(stopped[0])]
    end, folder = quick["stopped_early"], base / "checkpoints"
    numbered = [f"tusiji-style-{epoch:06d}" for epoch in range(1, end["after_epoch"] + 1)]
    loras = sorted(path.stem for path in (folder / "lora").iterdir())
    assert loras == sorted([*numbered, "tusiji-style"])
    assert sorted(lora["file"] for lora in quick["loras"]) == sorted(
        f"lora/{stem}.safetensors" for stem in loras
    )
    assert len(list((folder / "samples").glob("*.png"))) == end["after_epoch"]
    states = sorted(path.name for path in (folder / "state").iterdir())
    assert states == [f"{stem}-state" for stem in numbered[-2:]]


def test_a_loss_that_goes_on_falling_trains_to_the_end(tmp_path):
    wanted = {"patience_epochs": 2, "min_improvement": 0}
    params = PARAMS | {"max_train_epochs": 3}
    base = make_base(tmp_path, job(config_params=params, early_stop=wanted))

    status, log = run(base)

    assert status == 0, log
    assert read_json(base / "checkpoints" / "progress.json")["stopped_early"] is None


def test_an_engine_that_breaks_before_the_stop_is_a_failure_all_the_same(tmp_path):
    make_base(tmp_path, job(early_stop=WANTED))

    status, failure = train(tmp_path, "bar(1, 8, 0.5); sys.exit(1)", prepared=False)

    assert (status, failure["code"]) == (1, "training_failed")
