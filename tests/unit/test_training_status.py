"""Following trainings: events in any order, twice or never; the LoRA registered exactly once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.core import bucket
from lambdas.training_status import handler as status
from tests.unit.fakes import LORA, AwsCalls, Context, FakeSageMaker, safetensors_file
from tests.unit.scenes import MODELS, TRAININGS, ready_dataset, ready_model

pytestmark = pytest.mark.usefixtures("aws_calls")


@pytest.fixture
def training(aws_calls: AwsCalls) -> dict:
    ready_model(), ready_dataset()
    request = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    return TRAININGS.post("/trainings", request).body


def told(training: dict, primary: str, secondary: str, at: int, **more: Any) -> dict:
    """A state-change event; `at` is the second of LastModifiedTime."""
    detail = {
        "TrainingJobName": training["job_name"],
        "TrainingJobStatus": primary,
        "SecondaryStatus": secondary,
        "SecondaryStatusTransitions": [{"Status": secondary, "StatusMessage": f"{secondary}."}],
        "LastModifiedTime": 1_800_000_000_000 + at * 1000,
        "FailureReason": None,
    }
    return {"detail-type": "SageMaker Training Job State Change", "detail": detail | more}


def send(event: dict) -> None:
    status.handler(event, Context())


def end(
    sagemaker: FakeSageMaker, training: dict, primary: str, secondary: str, **more: Any
) -> None:
    sagemaker.set_state(training["job_name"], primary, secondary, **more)
    send(told(training, primary, secondary, 900, **more))


def leave_lora(training: dict, name: str = "style.safetensors", content: bytes = b"") -> None:
    metadata = {"ss_network_dim": "4", "ss_base_model_version": "sd_v1"}
    key = f"acme/trainings/{training['id']}/checkpoints/lora/{name}"
    bucket.put(key, content or safetensors_file(LORA, metadata))


def read(training: dict) -> dict:
    return TRAININGS.get(f"/trainings/{training['id']}").body


def progress(step: int, second: int) -> dict:
    return {
        "phase": "training",
        "engine": "rehearsal",
        "step": step,
        "total_steps": 300,
        "epoch": 1,
        "total_epochs": 10,
        "loss": 0.5,
        "average_loss": 0.6,
        "seconds_per_step": 0.1,
        "seconds_remaining": 20.0,
        "updated_at": f"2026-01-31T12:00:{second:02d}Z",
    }


def tell_progress(training: dict, **changes: Any) -> dict:
    key = f"acme/trainings/{training['id']}/checkpoints/progress.json"
    bucket.put(key, json.dumps(changes).encode())
    return {"detail-type": "Object Created", "detail": {"object": {"key": key}}}


@pytest.mark.parametrize(
    ("secondary", "expected"),
    [
        ("Starting", "starting"),
        ("Downloading", "starting"),
        ("Training", "running"),
        ("Uploading", "uploading"),
        ("SomethingNew", "running"),
    ],
)
def test_a_status_that_is_not_final_is_written_in_one_call(
    training: dict, aws_calls: AwsCalls, secondary: str, expected: str
) -> None:
    aws_calls.reset()

    send(told(training, "InProgress", secondary, 1))

    told_of = ["SendMessage"] if expected == "running" else []
    assert aws_calls.made == ["TransactWriteItems", *told_of]
    assert read(training)["status"] == expected
    assert read(training)["provider_status"] == f"InProgress/{secondary}"


def test_a_late_event_is_logged_and_changes_nothing_and_a_spot_job_may_go_back(
    training: dict, aws_calls: AwsCalls
) -> None:
    send(told(training, "InProgress", "Training", 5))
    aws_calls.reset()
    send(told(training, "InProgress", "Downloading", 3))
    assert aws_calls.made == ["TransactWriteItems", "PutItem"]
    assert read(training)["status"] == "running"
    log = TRAININGS.get(f"/trainings/{training['id']}/events").body["data"]
    assert "InProgress/Downloading" in {event["provider_status"] for event in log}

    send(told(training, "InProgress", "Interrupted", 6))
    send(told(training, "InProgress", "Starting", 7))
    assert read(training)["status"] == "starting"


def test_the_same_event_twice_stands_once_in_the_log(training: dict) -> None:
    for _ in range(2):
        send(told(training, "InProgress", "Downloading", 1))

    log = TRAININGS.get(f"/trainings/{training['id']}/events").body["data"]
    assert sorted(event["status"] for event in log) == ["queued", "starting"]


def test_progress_is_written_in_two_calls_and_never_goes_back(
    training: dict, aws_calls: AwsCalls
) -> None:
    aws_calls.reset()
    send(tell_progress(training, **progress(20, second=2)))
    assert aws_calls.made[1:] == ["GetObject", "UpdateItem"]

    send(tell_progress(training, **progress(10, second=1)))
    assert read(training)["progress"]["step"] == 20


def test_progress_of_which_little_is_known_is_told_with_nulls(training: dict) -> None:
    early = progress(0, second=1) | {
        "phase": "preparing",
        "total_steps": None,
        "loss": None,
        "seconds_remaining": None,
    }

    send(tell_progress(training, **early))

    answer = TRAININGS.get(f"/trainings/{training['id']}")
    assert answer.status == 200
    assert answer.body["progress"]["phase"] == "preparing"
    assert answer.body["progress"]["total_steps"] is None


def test_a_progress_file_that_makes_no_sense_is_passed_over(training: dict) -> None:
    send(tell_progress(training, step="many"))

    assert read(training)["progress"] is None


def test_a_completed_job_registers_its_lora_exactly_once(
    training: dict, sagemaker: FakeSageMaker
) -> None:
    leave_lora(training)
    bucket.put(
        f"acme/trainings/{training['id']}/checkpoints/progress.json",
        json.dumps(progress(300, second=9)).encode(),
    )

    for _ in range(3):
        end(sagemaker, training, "Completed", "Completed", BillableTimeInSeconds=77)

    done = read(training)
    assert (done["status"], done["billable_seconds"]) == ("succeeded", 77)
    assert done["progress"]["step"] == 300
    loras = MODELS.get("/models", type="lora").body["data"]
    assert [lora["id"] for lora in loras] == [done["lora_id"]]
    assert (loras[0]["training_id"], loras[0]["partial"]) == (training["id"], False)
    assert (loras[0]["fm_type"], loras[0]["header"]["rank"]) == ("sd_1_5", 4)
    copied = bucket.read(f"acme/models/{done['lora_id']}/style.safetensors")
    assert copied == safetensors_file(
        LORA, {"ss_network_dim": "4", "ss_base_model_version": "sd_v1"}
    )


def test_a_final_status_never_changes(training: dict, sagemaker: FakeSageMaker) -> None:
    leave_lora(training)
    end(sagemaker, training, "Completed", "Completed")

    send(told(training, "InProgress", "Training", 950))
    end(sagemaker, training, "Failed", "Failed", FailureReason="late")

    assert read(training)["status"] == "succeeded"
    answer = TRAININGS.post(f"/trainings/{training['id']}/cancel")
    assert (answer.status, answer.body["code"]) == (409, "training_ended")


def test_completed_without_a_lora_is_a_failure_and_frees_the_lora_name(
    training: dict, sagemaker: FakeSageMaker
) -> None:
    end(sagemaker, training, "Completed", "Completed")

    done = read(training)
    assert (done["status"], done["failure"]["code"]) == ("failed", "no_lora")
    again = MODELS.post("/models", {"name": "style", "file_name": "s.safetensors", "size": 99})
    assert again.status == 201


def test_the_last_complete_lora_of_a_failed_job_is_kept_as_partial(
    training: dict, sagemaker: FakeSageMaker
) -> None:
    leave_lora(training, "style-000001.safetensors")
    leave_lora(training, "style-000002.safetensors")
    leave_lora(training, "style-000003.safetensors", safetensors_file(LORA)[:-5])
    failure = {"code": "out_of_memory", "message": "Too big.", "advice": "Take less."}

    end(
        sagemaker,
        training,
        "Failed",
        "Failed",
        FailureReason=f"AlgorithmError: {json.dumps(failure)}, exit code: 1",
    )

    done = read(training)
    assert (done["status"], done["failure"]) == ("failed", failure | {"log_tail": []})
    assert MODELS.get(f"/models/{done['lora_id']}").body["partial"] is True


@pytest.mark.parametrize(
    ("primary", "secondary", "reason", "code"),
    [
        ("Stopped", "MaxRuntimeExceeded", "", "time_limit"),
        ("Stopped", "MaxWaitTimeExceeded", "", "spot_wait"),
        ("Stopped", "Stopped", "", "stopped_outside"),
        ("Failed", "Failed", "CapacityError: Unable to provision", "no_capacity"),
        ("Failed", "Failed", "InternalServerError: We encountered", "service_fault"),
        ("Failed", "Failed", "AlgorithmError: {no json}, exit code: 1", "training_failed"),
        ("Failed", "Failed", "", "training_failed"),
    ],
)
def test_a_job_that_ended_otherwise_fails_with_a_code_and_advice(
    training: dict,
    sagemaker: FakeSageMaker,
    primary: str,
    secondary: str,
    reason: str,
    code: str,
) -> None:
    end(sagemaker, training, primary, secondary, FailureReason=reason)

    failure = read(training)["failure"]
    assert failure["code"] == code
    assert failure["message"]
    assert failure["advice"]


def test_a_cancel_stops_the_job_and_keeps_what_was_finished(
    training: dict, sagemaker: FakeSageMaker
) -> None:
    send(told(training, "InProgress", "Training", 1))

    answer = TRAININGS.post(f"/trainings/{training['id']}/cancel")
    assert answer.body["status"] == "canceling"
    assert sagemaker.jobs[training["job_name"]]["TrainingJobStatus"] == "Stopping"

    send(told(training, "Stopping", "Stopping", 2))
    assert read(training)["status"] == "canceling"
    leave_lora(training, "style-000001.safetensors")
    end(sagemaker, training, "Stopped", "Stopped")
    done = read(training)
    assert done["status"] == "canceled"
    assert MODELS.get(f"/models/{done['lora_id']}").body["partial"] is True


def test_a_cancel_that_came_too_late_ends_as_succeeded(
    training: dict, sagemaker: FakeSageMaker
) -> None:
    TRAININGS.post(f"/trainings/{training['id']}/cancel")
    leave_lora(training)

    end(sagemaker, training, "Completed", "Completed")

    assert read(training)["status"] == "succeeded"


def test_a_job_that_begins_after_its_cancel_is_stopped(
    training: dict, sagemaker: FakeSageMaker, aws_calls: AwsCalls
) -> None:
    job = sagemaker.jobs.pop(training["job_name"])
    TRAININGS.post(f"/trainings/{training['id']}/cancel")
    sagemaker.jobs[training["job_name"]] = job
    aws_calls.reset()

    send(told(training, "InProgress", "Starting", 1))

    assert aws_calls.made == ["TransactWriteItems", "StopTrainingJob"]


def test_a_job_without_a_record_is_stopped_and_one_of_others_left_alone(
    sagemaker: FakeSageMaker,
) -> None:
    ours = "lorastack-acme-01JD0000000000000000000000"
    others = "lorastack2-acme-01JD0000000000000000000000"
    for name in (ours, others):
        sagemaker.jobs[name] = {"TrainingJobName": name}
        sagemaker.set_state(name, "InProgress", "Training")
        send(told({"job_name": name}, "InProgress", "Training", 1))

    assert sagemaker.jobs[ours]["TrainingJobStatus"] == "Stopping"
    assert sagemaker.jobs[others]["TrainingJobStatus"] == "InProgress"


class TestReconciling:
    """What no event told is found out."""

    @pytest.fixture
    def later(self, training: dict, monkeypatch: pytest.MonkeyPatch) -> None:
        from lambdas.core import clock

        real = clock.now
        monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=10))

    @pytest.mark.usefixtures("later")
    def test_an_end_that_no_event_told_is_found(
        self, training: dict, sagemaker: FakeSageMaker
    ) -> None:
        leave_lora(training)
        sagemaker.set_state(training["job_name"], "Completed", "Completed")

        self.reconcile()

        assert read(training)["status"] == "succeeded"

    @pytest.mark.usefixtures("later")
    def test_a_missing_job_alone_never_means_failed(
        self, training: dict, sagemaker: FakeSageMaker, aws_calls: AwsCalls
    ) -> None:
        send(told(training, "InProgress", "Training", 1))
        sagemaker.jobs.clear()
        aws_calls.reset()

        self.reconcile()

        assert "DescribeTrainingJob" in aws_calls.made
        assert read(training)["status"] == "running"

    def test_a_cancel_before_the_job_ends_as_canceled(
        self, training: dict, sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from lambdas.core import clock

        sagemaker.jobs.clear()
        TRAININGS.post(f"/trainings/{training['id']}/cancel")
        real = clock.now
        monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=1))

        self.reconcile()

        assert read(training)["status"] == "canceled"

    def test_nothing_is_looked_at_before_its_time(
        self, training: dict, aws_calls: AwsCalls
    ) -> None:
        aws_calls.reset()

        self.reconcile()

        assert set(aws_calls.made) == {"Query"}

    def test_the_count_of_trainings_under_way_falls_when_they_end(
        self, training: dict, sagemaker: FakeSageMaker
    ) -> None:
        from lambdas.core import table

        key = table.Key("acme#workspace", "use")
        assert table.get(key)["active_trainings"] == 1

        end(sagemaker, training, "Completed", "Completed")

        assert table.get(key)["active_trainings"] == 0

    @staticmethod
    def reconcile() -> None:
        send({"detail-type": "Reconcile"})


def test_metrics_are_read_from_the_step_asked_for(training: dict, aws_calls: AwsCalls) -> None:
    folder = f"acme/trainings/{training['id']}/checkpoints/metrics/"
    for first in (1, 11, 21):
        rows = [
            json.dumps({"step": step, "epoch": 1, "loss": 1 / step})
            for step in range(first, first + 10)
        ]
        key = f"{folder}{first:08d}-{first + 9:08d}.jsonl"
        bucket.put(key, "\n".join(rows).encode())
    path = f"/trainings/{training['id']}/metrics"
    aws_calls.reset()

    page = TRAININGS.get(path, since_step="12", limit="5").body
    rest = TRAININGS.get(path, since_step=str(page["next_since_step"]), stride="10").body

    assert [row["step"] for row in page["data"]] == [13, 14, 15, 16, 17]
    assert [row["step"] for row in rest["data"]] == [20, 30]
    assert rest["next_since_step"] is None
    assert aws_calls.made[:4] == ["GetItem", "GetObject", "ListObjectsV2", "GetObject"]


def test_the_loras_that_are_finished_so_far_are_listed_with_a_download(
    training: dict, aws_calls: AwsCalls
) -> None:
    loras = [
        {"file": f"lora/style{name}.safetensors", "epoch": e, "step": s, "size": 9, "sha256": "ab"}
        for name, e, s in (("", 2, 60), ("-000001", 1, 30))
    ]
    tell_progress(training, **progress(60, second=1), loras=loras)
    aws_calls.reset()

    found = TRAININGS.get(f"/trainings/{training['id']}/checkpoints").body["data"]

    assert [(one["file_name"], one["step"]) for one in found] == [
        ("style-000001.safetensors", 30),
        ("style.safetensors", 60),
    ]
    assert "/checkpoints/lora/style-000001.safetensors?" in found[0]["download"]["url"]
    assert aws_calls.made == ["GetItem", "GetObject"]


def test_a_training_that_has_told_nothing_has_no_checkpoints(training: dict) -> None:
    assert TRAININGS.get(f"/trainings/{training['id']}/checkpoints").body == {"data": []}


def test_started_and_ended_are_sagemakers_own_times(
    training: dict, sagemaker: FakeSageMaker
) -> None:
    began = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
    end(
        sagemaker,
        training,
        "Completed",
        "Completed",
        TrainingStartTime=began,
        TrainingEndTime=began + timedelta(minutes=5),
    )

    assert read(training)["started_at"].startswith("2027-01-15T08:00:00")
    assert read(training)["ended_at"].startswith("2027-01-15T08:05:00")
