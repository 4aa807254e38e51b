"""Trainings: refused with every fault at once, started once, mended after a crash."""

import json

import pytest

from lambdas.access import workspaces
from lambdas.core import bucket
from lambdas.training_status import handler as status
from tests.unit.fakes import SD_XL, AwsCalls, Client, Context, FakeSageMaker, Killed
from tests.unit.scenes import TRAININGS, ready_dataset, ready_model

pytestmark = pytest.mark.usefixtures("aws_calls")


def body(**changes: object) -> dict:
    ready = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    return ready | changes


def reconcile() -> None:
    status.handler({"detail-type": "Reconcile"}, Context())


def test_a_training_is_started_with_its_job_written_first(sagemaker: FakeSageMaker) -> None:
    ready_model(), ready_dataset()

    answer = TRAININGS.post("/trainings", body(config_params={"network_dim": 8}))

    assert answer.status == 201
    assert answer.body["status"] == "queued"
    assert answer.body["steps"] == {
        "images": 3,
        "samples_per_epoch": 30,
        "regularisation_samples": 0,
        "steps_per_epoch": 30,
        "epochs": 10,
        "total_steps": 300,
        "buckets": [{"resolution": [512, 512], "images": 3, "samples": 30, "group": 0}],
        "assumption": None,
    }
    assert list(sagemaker.jobs) == [answer.body["job_name"]]
    job = json.loads(bucket.read(f"acme/trainings/{answer.body['id']}/input/job.json"))
    assert job["config_params"]["network_dim"] == 8
    assert job["datasets"][0]["folder"] == "10_tusiji"


@pytest.mark.parametrize("spot", [True, False])
def test_only_a_spot_job_which_may_go_on_keeps_state(spot: bool) -> None:
    ready_model(), ready_dataset()

    made = TRAININGS.post("/trainings", body(spot=spot)).body

    job = json.loads(bucket.read(f"acme/trainings/{made['id']}/input/job.json"))
    assert job["keeps_state"] is spot


def test_a_training_takes_four_calls_with_ids_and_five_with_names(aws_calls: AwsCalls) -> None:
    model, dataset = ready_model(), ready_dataset()

    aws_calls.reset()
    by_id = body(model=model, datasets=[{"dataset": dataset}])
    assert TRAININGS.post("/trainings", by_id, key="a").status == 201
    assert aws_calls.made == [
        "BatchGetItem",
        "PutObject",
        "TransactWriteItems",
        "CreateTrainingJob",
    ]

    aws_calls.reset()
    assert TRAININGS.post("/trainings", body(name="other"), key="b").status == 201
    assert len(aws_calls.made) == 5


def test_reading_a_training_or_a_list_takes_one_call(aws_calls: AwsCalls) -> None:
    ready_model(), ready_dataset()
    training = TRAININGS.post("/trainings", body()).body["id"]

    aws_calls.reset()
    assert TRAININGS.get(f"/trainings/{training}").status == 200
    assert aws_calls.made == ["GetItem"]

    aws_calls.reset()
    assert [one["id"] for one in TRAININGS.get("/trainings").body["data"]] == [training]
    assert aws_calls.made == ["Query"]


@pytest.mark.parametrize("killed_before", range(1, 5))
@pytest.mark.parametrize("mended_by", ["retry", "reconcile"])
def test_a_crash_between_two_calls_ends_with_one_job_and_one_record_or_none(
    aws_calls: AwsCalls,
    sagemaker: FakeSageMaker,
    killed_before: int,
    mended_by: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ready_model(), ready_dataset()
    aws_calls.reset()
    aws_calls.kill_before = killed_before
    with pytest.raises(Killed):
        TRAININGS.post("/trainings", body(), key="one")
    aws_calls.reset()

    if mended_by == "retry":
        assert TRAININGS.post("/trainings", body(), key="one").status == 201
    else:
        everything_is_due(monkeypatch)
        reconcile()

    records = TRAININGS.get("/trainings").body["data"]
    assert len(records) == len(sagemaker.jobs)
    assert len(records) == (1 if mended_by == "retry" or killed_before == 4 else 0)
    assert [one["job_name"] for one in records] == list(sagemaker.jobs)


def everything_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from lambdas.core import clock

    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=3))


def test_a_retry_answers_the_first_training_and_starts_no_second_job(
    sagemaker: FakeSageMaker,
) -> None:
    ready_model(), ready_dataset()
    first = TRAININGS.post("/trainings", body(), key="one")

    second = TRAININGS.post("/trainings", body(), key="one")

    assert second.body["id"] == first.body["id"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(sagemaker.jobs) == 1


def test_a_key_used_for_another_body_is_refused() -> None:
    ready_model(), ready_dataset()
    TRAININGS.post("/trainings", body(), key="one")

    answer = TRAININGS.post("/trainings", body(name="other"), key="one")

    assert (answer.status, answer.body["code"]) == (422, "idempotency_key_reused")


def test_every_fault_of_a_training_is_told_at_once(sagemaker: FakeSageMaker) -> None:
    ready_model(shapes=SD_XL)

    answer = TRAININGS.post(
        "/trainings",
        body(
            fm_type="sd_1_5",
            datasets=[{"dataset": "nowhere"}],
            instance_type="ml.t3.large",
            config_params={
                "network_dimm": 8,
                "learning_rate": "fast",
                "output_dir": "/tmp",
                "lr_scheduler_type": "os.system",
                "optimizer_type": "os.system",
                "network_dim": 0,
            },
        ),
    )

    assert answer.status == 422
    assert set(answer.pointers) == {
        "/fm_type",
        "/datasets/0/dataset",
        "/instance_type",
        "/config_params/network_dimm",
        "/config_params/learning_rate",
        "/config_params/output_dir",
        "/config_params/lr_scheduler_type",
        "/config_params/optimizer_type",
        "/config_params/network_dim",
    }
    sentences = {fault["pointer"]: fault["message"] for fault in answer.body["errors"]}
    assert "did you mean network_dim?" in sentences["/config_params/network_dimm"]
    assert sagemaker.jobs == {}
    assert TRAININGS.get("/trainings").body["data"] == []


def test_validating_says_the_same_and_starts_nothing(
    aws_calls: AwsCalls, sagemaker: FakeSageMaker
) -> None:
    ready_model(), ready_dataset()
    aws_calls.reset()

    answer = TRAININGS.post(
        "/trainings/validate", body(config_params='[network]\nnetwork_dim = 4\nresolution = "512"')
    )

    assert answer.body["valid"] is True
    assert 'resolution = "512,512"' in answer.body["toml"]
    assert [(one["option"], one["given"], one["taken"]) for one in answer.body["corrections"]] == [
        ("network", "[network]", None),
        ("resolution", "512", "512,512"),
    ]
    assert answer.body["warnings"] == []
    assert sagemaker.jobs == {}
    assert set(aws_calls.made) == {"BatchGetItem"}


def test_a_name_in_use_is_refused_also_when_a_model_has_it() -> None:
    ready_model(), ready_dataset()
    TRAININGS.post("/trainings", body())

    again = TRAININGS.post("/trainings", body())
    like_the_model = TRAININGS.post("/trainings", body(name="base"))

    assert (again.status, again.body["code"]) == (409, "name_taken")
    assert (like_the_model.status, like_the_model.body["code"]) == (409, "name_taken")
    assert like_the_model.pointers == ["/name"]


def test_another_workspace_sees_nothing_of_a_training() -> None:
    ready_model(), ready_dataset()
    training = TRAININGS.post("/trainings", body()).body["id"]
    stranger = Client(TRAININGS.handler, workspace="other")

    for path in ("", "/events", "/metrics"):
        assert stranger.get(f"/trainings/{training}{path}").status == 404
    assert stranger.post(f"/trainings/{training}/cancel").status == 404
    assert stranger.get("/trainings").body["data"] == []
    assert stranger.post("/trainings", body()).pointers == ["/model", "/datasets/0/dataset"]


def test_what_sagemaker_refuses_fails_at_once_and_frees_the_names(
    sagemaker: FakeSageMaker,
) -> None:
    ready_model(), ready_dataset()
    sagemaker.refuse_with = ("ValidationException", "No such image")

    refused = TRAININGS.post("/trainings", body())
    sagemaker.refuse_with = None
    again = TRAININGS.post("/trainings", body())

    assert refused.body["failure"]["code"] == "launch_refused"
    assert TRAININGS.get(f"/trainings/{refused.body['id']}").body["status"] == "failed"
    assert again.status == 201


def test_a_quota_that_is_used_up_keeps_the_training_queued_until_there_is_room(
    sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready_model(), ready_dataset()
    sagemaker.refuse_with = ("ResourceLimitExceeded", "The limit is 0")
    training = TRAININGS.post("/trainings", body()).body
    everything_is_due(monkeypatch)

    reconcile()
    waiting = TRAININGS.get(f"/trainings/{training['id']}").body
    sagemaker.refuse_with = None
    monkeypatch.undo()

    assert waiting["status"] == "queued"
    assert waiting["provider_status"].startswith("Waiting/ResourceLimitExceeded")
    assert sagemaker.jobs == {}


def test_the_workspace_has_only_so_many_trainings_under_way() -> None:
    ready_model(), ready_dataset()
    workspaces.make("acme")
    workspaces.set_limits("acme", {"active_trainings": 1})
    assert TRAININGS.post("/trainings", body()).status == 201

    answer = TRAININGS.post("/trainings", body(name="second"))

    assert (answer.status, answer.body["code"]) == (429, "too_many_trainings")
    assert answer.headers["Retry-After"] == "60"
