"""What validate says of interruptions and of an early stop, before anything is started."""

import pytest

from lambdas.trainings import estimate
from lambdas.trainings.validation_schema import Price
from tests.unit.scenes import TRAININGS, ready_dataset, ready_model

pytestmark = pytest.mark.usefixtures("aws_calls")
FIELDS = ("/spot", "/keep_state", "/config_params/save_every_n_epochs")


def validate(**changes: object) -> dict:
    ready = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}], "spot": True}
    answer = TRAININGS.post("/trainings/validate", ready | changes)
    assert answer.status == 200, answer
    return answer.body


def warned(**changes: object) -> dict[str, str]:
    told = {one["pointer"]: one["message"] for one in validate(**changes)["warnings"]}
    return {where: message for where, message in told.items() if where in FIELDS}


@pytest.fixture(autouse=True)
def ready(aws_calls: object) -> None:
    """Three images ten times: 30 steps an epoch at batch 1."""
    ready_model(), ready_dataset()


def params(**more: object) -> dict:
    return {"train_batch_size": 1, "max_train_epochs": 4} | more


def test_short_epochs_on_spot_are_nothing_to_warn_of() -> None:
    assert warned(config_params=params()) == {}


def test_a_single_epoch_on_spot_begins_afresh_after_an_interruption() -> None:
    told = warned(config_params=params(max_train_epochs=1))

    assert "an interruption begins it afresh" in told["/spot"]
    assert "shorter epochs" in told["/spot"]
    assert warned(spot=False, config_params=params(max_train_epochs=1)) == {}


def test_epochs_without_a_save_between_them_are_one_stretch() -> None:
    told = warned(config_params=params(save_every_n_epochs=4))

    assert "set save_every_n_epochs to 1" in told["/spot"]


def test_a_long_stretch_is_told_in_steps_where_no_speed_is_known() -> None:
    many = [{"dataset": "tusiji", "repeats": 200}]

    told = warned(datasets=many, config_params=params())
    assert "up to 600 steps" in told["/spot"]
    assert "minutes" not in told["/spot"]

    told = warned(datasets=many, config_params=params(save_every_n_epochs=2))
    assert "up to 1200 steps" in told["/config_params/save_every_n_epochs"]


def test_where_the_speed_is_known_minutes_and_dollars_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(estimate, "_seconds", lambda plan: plan.steps.total_steps * 60.0)
    price = Price(usd_per_hour=1.5, region="us-east-1", as_of=None, source="here")
    monkeypatch.setattr(estimate, "price_of", lambda name, settings: price)

    told = warned(config_params=params())

    assert "up to 30 steps (30 minutes, at most 0.75 dollars)" in told["/spot"]


def test_spot_without_state_is_warned_of() -> None:
    assert "begins the training afresh" in warned(keep_state=False)["/keep_state"]


@pytest.mark.parametrize(
    ("early", "options", "where"),
    [
        ({"patience_epochs": 2}, {}, None),
        ({"patience_epochs": 3}, {}, "/early_stop/patience_epochs"),
        ({"patience_epochs": 1}, {"max_train_epochs": 2}, "/early_stop"),
        ({"patience_epochs": 1}, {"save_every_n_epochs": 2}, "/config_params/save_every_n_epochs"),
        ({"patience_epochs": 1}, {"save_n_epoch_ratio": 2}, "/config_params/save_n_epoch_ratio"),
    ],
)
def test_an_early_stop_that_makes_no_sense_is_refused(
    early: dict, options: dict, where: str | None
) -> None:
    answer = validate(early_stop=early, config_params=params(**options))

    assert [one["pointer"] for one in answer["errors"]] == ([where] if where else [])


def test_an_early_stop_is_bounded_by_its_form() -> None:
    body = {"patience_epochs": 0, "min_improvement": 1.0}

    answer = TRAININGS.post(
        "/trainings/validate",
        {"name": "s", "model": "base", "datasets": [{"dataset": "tusiji"}], "early_stop": body},
    )

    assert answer.status == 422
    assert sorted(answer.pointers) == [
        "/early_stop/min_improvement",
        "/early_stop/patience_epochs",
    ]
