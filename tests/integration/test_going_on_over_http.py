"""Trainings that go on from a state, stop early or are killed, over HTTP on the whole stack."""

import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from client import SD_1_5, checkpoint, follow, upload_dataset, upload_model
from local_stack import LocalStack, await_that
from test_interruption import curve, has_state

PARAMS = {"max_train_epochs": 5, "network_dim": 4, "lr_scheduler": "constant"}
STEPS_PER_EPOCH = 10


@pytest.fixture(scope="module")
def slow(slow_stack: LocalStack) -> LocalStack:
    """The stack in which a step takes a moment, with a model and a dataset."""
    with slow_stack.client() as api:
        upload(api)
    return slow_stack


def upload(api: httpx.Client) -> None:
    """What is trained."""
    upload_model(api, "going-base", checkpoint(SD_1_5)).raise_for_status()
    upload_dataset(api, "going-images").raise_for_status()


def create(api: httpx.Client, name: str, **more: Any) -> dict[str, Any]:
    """A training of two images, five times an epoch."""
    request = {
        "name": name,
        "model": "going-base",
        "datasets": [{"dataset": "going-images", "repeats": 5}],
        "config_params": PARAMS,
    }
    answer = api.post("/trainings", json=request | more)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_canceled_training_is_gone_on_with_as_if_it_had_not_been(
    slow: LocalStack, stack: LocalStack
) -> None:
    with stack.client() as api:
        upload(api)
        straight = create(api, "straight")
        follow(api, straight["id"])
        expected = curve(api, straight["id"])

    with slow.client() as api:
        stopped = create(api, "stopped", keep_state=True)
        await_that(lambda: has_state(slow, stopped["id"], 2), 60)
        api.post(f"/trainings/{stopped['id']}/cancel").raise_for_status()
        assert follow(api, stopped["id"])["status"] == "canceled"

        going_on = create(api, "going-on", continue_from=stopped["id"], config_params={})
        done, began = follow(api, going_on["id"]), going_on["continue_from"]
        rows = curve(api, going_on["id"])

    assert done["status"] == "succeeded", done["failure"]
    assert (began["kind"], began["id"]) == ("state", stopped["id"])
    assert began["step"] == began["epoch"] * STEPS_PER_EPOCH >= 20
    assert (done["progress"]["step"], done["progress"]["epoch"]) == (50, 5)
    for field in ("step", "epoch", "loss"):
        told = [row[field] for row in expected][began["step"] :]
        assert [row[field] for row in rows] == told


def test_more_epochs_may_be_wanted_of_one_that_succeeded(slow: LocalStack) -> None:
    with slow.client() as api:
        short = {**PARAMS, "max_train_epochs": 2}
        first = follow(api, create(api, "first", keep_state=True, config_params=short)["id"])
        refused = api.post(
            "/trainings/validate",
            json={
                "name": "more",
                "model": "going-base",
                "datasets": [{"dataset": "going-images", "repeats": 4}],
                "continue_from": first["id"],
                "config_params": {"network_dim": 8},
            },
        ).json()
        more = {"max_train_epochs": 3}
        done = follow(api, create(api, "more", continue_from=first["id"], config_params=more)["id"])
        lora = api.get(f"/models/{done['lora_id']}").json()

    assert {fault["pointer"] for fault in refused["errors"]} == {
        "/datasets/0/repeats",
        "/config_params/network_dim",
    }
    assert all(first["lora_id"] in fault["message"] for fault in refused["errors"])
    assert (done["status"], done["progress"]["step"]) == ("succeeded", 30)
    assert (done["continue_from"]["step"], lora["partial"]) == (20, False)


def test_a_loss_that_falls_no_more_ends_a_training_that_has_succeeded(slow: LocalStack) -> None:
    wanted = {"patience_epochs": 1, "min_improvement": 0.9}
    with slow.client() as api:
        done = follow(api, create(api, "early", early_stop=wanted)["id"])
        events = api.get(f"/trainings/{done['id']}/events").json()["data"]
        lora = api.get(f"/models/{done['lora_id']}").json()

    early = done["progress"]["stopped_early"]
    assert (done["status"], early) == ("succeeded", {"after_epoch": 2, "best_epoch": 1})
    assert done["progress"]["step"] == 2 * STEPS_PER_EPOCH
    assert lora["partial"] is False
    assert any("Stopped early after epoch 2" in event["message"] for event in events)


def test_an_engine_that_is_killed_is_told_with_the_last_lines_of_its_log(slow: LocalStack) -> None:
    with slow.client() as api:
        made = create(api, "killed")
        await_that(lambda: engines(made["job_name"]), 30)
        await_that(
            lambda: (api.get(f"/trainings/{made['id']}").json()["progress"] or {}).get("step")
        )
        for engine in engines(made["job_name"]):
            os.kill(engine, signal.SIGKILL)
        failed = follow(api, made["id"])["failure"]

    assert failed["code"] == "killed"
    assert "SIGKILL" in failed["message"]
    assert any("epoch 1/5" in line for line in failed["log_tail"])
    assert len(failed["log_tail"]) <= 20


def engines(job: str) -> list[int]:
    """The processes of the rehearsal that belong to a job."""

    def words(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError:
            return b""

    found = [(path, words(path)) for path in Path("/proc").glob("[0-9]*/cmdline")]
    return [
        int(path.parent.name)
        for path, told in found
        if b"kohya_trainer.rehearsal" in told and job.encode() in told
    ]
