"""Many creates while DynamoDB conflicts and throttles: each is one training and one job."""

import os
import random
import time

import pytest

from lambdas.core.limits import Limits, LimitSettings
from tests.unit.fakes import EVERY_CALL, AwsCalls, FakeSageMaker, refusal
from tests.unit.scenes import TRAININGS, ready_dataset, ready_model

# moto looks at the whole table in each transaction, so a hundred take a minute and a half.
MANY = 100 if os.environ.get(EVERY_CALL) else 15


def cancelled(*reasons: str) -> Exception:
    error = refusal("TransactWriteItems", "TransactionCanceledException", "busy")
    error.response["CancellationReasons"] = [{"Code": one} for one in reasons]
    return error


def busy() -> list[Exception]:
    """What DynamoDB answers, three times in four, instead of carrying a transaction out."""
    return random.choice(
        [
            [],
            [cancelled("TransactionConflict", "None")],
            [cancelled("None", "ThrottlingError"), cancelled("ProvisionedThroughputExceeded")],
            [refusal("TransactWriteItems", "TransactionInProgressException", "busy")],
        ]
    )


@pytest.fixture
def storm(aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch) -> AwsCalls:
    random.seed(7)
    ready_model(), ready_dataset(images=1)
    room = Limits(active_trainings=2 * MANY, gpu_hours=None, usd=None, stored_gb=None)
    monkeypatch.setattr(LimitSettings, "defaults", lambda _: room)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    aws_calls.reset()
    return aws_calls


def create(storm: AwsCalls, name: str, key: str) -> str:
    storm.refused = {"TransactWriteItems": busy()}
    wanted = {"name": name, "model": "base", "datasets": [{"dataset": "tusiji"}]}
    answer = TRAININGS.post("/trainings", wanted, key)
    assert answer.status == 201, answer
    return str(answer.body["id"])


def test_many_different_creates_on_one_model_all_succeed(
    storm: AwsCalls, sagemaker: FakeSageMaker
) -> None:
    made = {create(storm, f"t{number}", f"key{number}") for number in range(MANY)}

    assert len(made) == len(sagemaker.jobs) == MANY
    assert storm.made.count("TransactWriteItems") > 1.5 * MANY


def test_many_creates_with_one_key_are_one(storm: AwsCalls, sagemaker: FakeSageMaker) -> None:
    made = {create(storm, "one", "key") for _ in range(MANY)}

    assert len(made) == len(sagemaker.jobs) == 1
