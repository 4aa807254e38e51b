"""Every way in which a job ends badly, as its training tells of it."""

import json
from typing import Any

import pytest

from kohya_trainer.failure import TrainingFailed, told_at_length
from lambdas.core import bucket
from lambdas.trainings import failures
from tests.unit.fakes import AwsCalls, FakeSageMaker
from tests.unit.scenes import TRAININGS, ready_dataset, ready_model
from tests.unit.test_training_status import end, leave_lora, read, send, tell_progress, told

PULLS = (
    "ClientError: Cannot pull algorithm container. Either the image does not exist or its "
    "permissions are incorrect.",
    "CannotPullContainerError: Error response from daemon: manifest unknown",
    "InternalServerError: Failed to pull image 000000000000.dkr.ecr.us-east-1.amazonaws.com/x",
)


@pytest.fixture
def training(aws_calls: AwsCalls) -> dict:
    ready_model(), ready_dataset()
    request = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}], "spot": True}
    return TRAININGS.post("/trainings", request).body


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        *((reason, "image_pull") for reason in PULLS),
        ("ClientError: Data download failed:Failed to download data. No objects", "data_download"),
        ("ClientError: Artifact upload failed:Insufficient disk space", "disk_full"),
        ("AlgorithmError: OSError: [Errno 28] No space left on device", "disk_full"),
        ("AlgorithmError: , exit code: 28", "disk_full"),
        ("CapacityError: Unable to provision requested ML compute capacity.", "no_capacity"),
        ("ResourceLimitExceeded", "quota"),
        (
            "InternalServerError: We encountered an internal error. Please try again.",
            "service_fault",
        ),
        ("AlgorithmError: , exit code: 1", "training_failed"),
    ],
)
def test_sagemakers_own_words_become_a_code_and_an_advice(reason: str, code: str) -> None:
    failure = failures.of_reason(reason)

    assert failure.code == code
    assert failure.advice


def test_what_sagemaker_refuses_to_launch_is_told_so(
    aws_calls: AwsCalls, sagemaker: FakeSageMaker
) -> None:
    ready_model(), ready_dataset()
    sagemaker.refuse_with = ("ValidationException", "1 validation error detected: role")
    request = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}

    made = TRAININGS.post("/trainings", request).body

    assert (made["status"], made["failure"]["code"]) == ("failed", "launch_refused")
    assert "deploy settings" in made["failure"]["advice"]


def test_a_wait_for_spot_is_one_thing_and_a_lost_machine_another(
    training: dict, sagemaker: FakeSageMaker
) -> None:
    for at in (1, 3):
        send(told(training, "InProgress", "Interrupted", at))
        send(told(training, "InProgress", "Starting", at + 1))
    assert read(training)["interruptions"] == 2

    end(sagemaker, training, "Stopped", "MaxWaitTimeExceeded")

    done = read(training)
    assert done["failure"]["code"] == "spot_lost"
    assert "taken away 2 times" in done["failure"]["message"]
    assert "continue_from" in done["failure"]["advice"]


def test_a_spot_job_that_never_ran_has_waited_in_vain(
    training: dict, sagemaker: FakeSageMaker
) -> None:
    end(sagemaker, training, "Stopped", "MaxWaitTimeExceeded")

    done = read(training)
    assert (done["failure"]["code"], done["interruptions"]) == ("spot_wait", 0)


def test_a_job_that_is_lost_too_often_is_stopped(training: dict, sagemaker: FakeSageMaker) -> None:
    for at in range(failures.MOST_INTERRUPTIONS):
        send(told(training, "InProgress", "Interrupted", at))
    job = sagemaker.jobs[training["job_name"]]
    assert job["TrainingJobStatus"] == "InProgress"

    send(told(training, "InProgress", "Interrupted", 100))

    assert job["TrainingJobStatus"] == "Stopping"
    end(sagemaker, training, "Stopped", "Stopped")
    assert read(training)["failure"]["code"] == "spot_lost"


def test_an_interruption_costs_two_calls_more_and_the_same_event_counts_once(
    training: dict, aws_calls: AwsCalls
) -> None:
    aws_calls.reset()

    for _ in range(2):
        send(told(training, "InProgress", "Interrupted", 1))

    first = ["TransactWriteItems", "SendMessage", "UpdateItem", "GetItem"]
    assert aws_calls.made == [*first, *aws_calls.made[4:]]
    assert "UpdateItem" not in aws_calls.made[4:]
    assert read(training)["interruptions"] == 1


def test_interruptions_that_no_event_told_are_counted_at_the_end(
    training: dict, sagemaker: FakeSageMaker
) -> None:
    leave_lora(training)
    statuses = ("Starting", "Training", "Interrupted", "Training", "Interrupted", "Completed")
    transitions = [{"Status": one, "StatusMessage": one} for one in statuses]

    end(
        sagemaker,
        training,
        "Completed",
        "Completed",
        SecondaryStatusTransitions=transitions,
    )

    assert read(training)["interruptions"] == 2


def leave_failure(training: dict, failed: TrainingFailed, lines: list[str]) -> None:
    key = f"acme/trainings/{training['id']}/checkpoints/failure.json"
    bucket.put(key, told_at_length(failed, lines).encode())


@pytest.mark.parametrize(
    ("primary", "secondary", "reason", "code"),
    [
        ("Failed", "Failed", 'AlgorithmError: {"code": "nan_loss", "message": "a", "advice": "b"}', "nan_loss"),
        ("Failed", "Failed", "AlgorithmError: , exit code: 1", "nan_loss"),
        ("Stopped", "MaxRuntimeExceeded", "", "time_limit"),
    ],
)  # fmt: skip
def test_the_last_lines_of_the_log_are_told(
    training: dict, sagemaker: FakeSageMaker, primary: str, secondary: str, reason: str, code: str
) -> None:
    lines = [f"step {number} 兔" for number in range(30)]
    leave_failure(training, TrainingFailed("nan_loss", "The loss is NaN.", "Lower it."), lines)

    end(sagemaker, training, primary, secondary, FailureReason=reason)

    failure = read(training)["failure"]
    assert failure["code"] == code
    assert failure["log_tail"] == lines[-20:]


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"log_tail": 3}', b"\xff"])
def test_a_failure_file_that_makes_no_sense_is_passed_over(
    training: dict, sagemaker: FakeSageMaker, left: bytes
) -> None:
    bucket.put(f"acme/trainings/{training['id']}/checkpoints/failure.json", left)

    end(sagemaker, training, "Failed", "Failed", FailureReason="AlgorithmError: x")

    failure = read(training)["failure"]
    assert (failure["code"], failure["log_tail"]) == ("training_failed", [])


def test_an_early_stop_is_a_success_that_says_so(training: dict, sagemaker: FakeSageMaker) -> None:
    leave_lora(training)
    early: dict[str, Any] = {"after_epoch": 7, "best_epoch": 5}
    progress = {
        **dict.fromkeys(("total_steps", "total_epochs", "loss", "average_loss", "engine")),
        **dict.fromkeys(("seconds_per_step", "seconds_remaining")),
        "phase": "finished",
        "step": 70,
        "epoch": 7,
        "updated_at": "2026-01-31T12:00:00Z",
    }
    tell_progress(training, **progress, stopped_early=early)

    end(sagemaker, training, "Completed", "Completed")

    done = read(training)
    assert (done["status"], done["progress"]["stopped_early"]) == ("succeeded", early)
    log = TRAININGS.get(f"/trainings/{training['id']}/events").body["data"]
    assert any("Stopped early after epoch 7" in json.dumps(event) for event in log)
