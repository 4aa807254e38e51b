"""What a workspace may use: held in the write itself, settled at the end, told with what is left."""

import json
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest

from lambdas.access import handler as access
from lambdas.access import workspaces
from lambdas.core import aws, table, use
from lambdas.core.limits import LimitSettings
from lambdas.core.table import Put
from lambdas.trainings.settings import Settings
from tests.unit.fakes import AwsCalls, Client, FakeSageMaker, Killed, safetensors_file
from tests.unit.scenes import (
    DATASETS,
    MODELS,
    SD_1_5,
    TRAININGS,
    complete_model,
    ready_dataset,
    ready_model,
    work,
)
from tests.unit.test_training_status import end, leave_lora

pytestmark = pytest.mark.usefixtures("aws_calls")
ACCESS = Client(access.handler)
HOUR = 3600
REQUEST = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}


@pytest.fixture(autouse=True)
def workspace(aws_calls: AwsCalls) -> None:
    workspaces.make("acme")


@pytest.fixture
def priced(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Settings.load().model_copy(update={"training_prices": {"ml.g5.xlarge": 2.0}})
    monkeypatch.setattr(Settings, "load", lambda: known)


def told() -> dict[str, Any]:
    return ACCESS.get("/workspace").body


def new_set(name: str, size: int) -> dict[str, Any]:
    return {"name": name, "prefix": "1_a", "files": [{"name": "a.png", "size": size}]}


def train(**changes: Any) -> Any:
    return TRAININGS.post("/trainings", REQUEST | changes)


def test_a_workspace_tells_what_is_used_and_left_in_one_call(aws_calls: AwsCalls) -> None:
    answer = told()

    assert aws_calls.made[-1:] == ["BatchGetItem"]
    assert answer["active_trainings"] == {"used": 0, "limit": 20, "left": 20}
    assert answer["gpu_hours"] == {"used": 0, "limit": 500, "left": 500}
    assert answer["usd"] == {"used": 0, "limit": 1000, "left": 1000}
    assert answer["stored_bytes"] == {"used": 0, "limit": 2 * 10**12, "left": 2 * 10**12}
    assert answer["resets_at"][:10] > answer["month"]


@pytest.mark.usefixtures("priced")
def test_the_most_is_reserved_and_what_was_billed_stays(sagemaker: FakeSageMaker) -> None:
    ready_model(), ready_dataset()
    made = train(max_runtime_minutes=120).body
    assert made["charge"]["usd"] == 4.0
    before = told()

    leave_lora(made)
    end(sagemaker, made, "Completed", "Completed", BillableTimeInSeconds=HOUR // 2)

    assert (before["gpu_hours"]["used"], before["usd"]["used"]) == (2, 4)
    after = told()
    assert (after["gpu_hours"]["used"], after["usd"]["used"]) == (0.5, 1)
    assert after["active_trainings"]["used"] == 0
    charge = TRAININGS.get(f"/trainings/{made['id']}").body["charge"]
    assert (charge["gpu_seconds"], charge["usd"]) == (HOUR // 2, 1.0)


def test_each_gpu_of_an_instance_counts_and_a_price_that_is_unknown_does_not() -> None:
    ready_model(), ready_dataset()

    made = train(instance_type="ml.g5.12xlarge", max_runtime_minutes=60).body

    assert made["charge"]["gpu_seconds"] == 4 * HOUR
    assert (told()["gpu_hours"]["used"], told()["usd"]["used"]) == (4, 0)


def test_a_job_that_was_refused_costs_nothing(sagemaker: FakeSageMaker) -> None:
    ready_model(), ready_dataset()
    sagemaker.refuse_with = ("ValidationException", "no")

    assert train().body["status"] == "failed"

    assert told()["gpu_hours"]["used"] == told()["active_trainings"]["used"] == 0


@pytest.mark.usefixtures("priced")
@pytest.mark.parametrize(
    ("limit", "code", "needed"),
    [
        ({"gpu_hours": 3}, "gpu_hours_limit", "2.00 GPU hours and the workspace has 1.00 of 3.00"),
        ({"usd": 6}, "usd_limit", "4.00 US dollars and the workspace has 2.00 of 6.00"),
    ],
)
def test_a_month_has_only_so_much(
    limit: dict[str, int], code: str, needed: str, sagemaker: FakeSageMaker
) -> None:
    ready_model(), ready_dataset()
    workspaces.set_limits("acme", limit)
    assert train(max_runtime_minutes=120).status == 201

    answer = train(name="second", max_runtime_minutes=120)

    assert (answer.status, answer.body["code"]) == (403, code)
    assert needed in answer.body["detail"]
    assert "ask the operator" in answer.body["detail"]
    assert len(sagemaker.jobs) == 1
    assert told()["gpu_hours"]["used"] == 2
    assert train(name="third", max_runtime_minutes=60).status == 201


def test_limits_that_are_set_anew_hold_at_the_next_request(aws_calls: AwsCalls) -> None:
    ready_model(), ready_dataset()
    workspaces.set_limits("acme", {"gpu_hours": 0})
    assert train().status == 403
    workspaces.set_limits("acme", {"gpu_hours": None})
    assert train().status == 201
    assert told()["gpu_hours"]["left"] is None
    workspaces.set_limits("acme", {"gpu_hours": "default"})
    assert told()["gpu_hours"]["limit"] == 500


def test_limits_that_change_between_look_and_write_are_held(
    monkeypatch: pytest.MonkeyPatch, aws_calls: AwsCalls
) -> None:
    from lambdas.trainings import creation

    ready_model(), ready_dataset()
    load = creation.load

    def then_set(*arguments: Any) -> Any:
        found = load(*arguments)
        workspaces.set_limits("acme", {"active_trainings": 0})
        return found

    monkeypatch.setattr(creation, "load", then_set)

    assert train().body["code"] == "too_many_trainings"
    assert told()["active_trainings"]["used"] == 0


def test_bytes_are_counted_when_declared_and_freed_when_gone() -> None:
    made = DATASETS.post("/datasets", new_set("one", 1000)).body["dataset"]
    model = MODELS.post("/models", {"name": "m", "file_name": "m.safetensors", "size": 500}).body
    more = {"files": [{"name": "b.png", "size": 200}], "remove": ["a.png"]}

    assert told()["stored_bytes"]["used"] == 1500
    assert DATASETS.post(f"/datasets/{made['id']}/uploads", more).status == 200
    assert told()["stored_bytes"]["used"] == 700
    assert MODELS.request("DELETE", f"/models/{model['model']['id']}").status == 204
    assert told()["stored_bytes"]["used"] == 200
    assert DATASETS.request("DELETE", f"/datasets/{made['id']}").status == 202
    work()
    assert told()["stored_bytes"]["used"] == 0
    assert list(table.query_all("acme#stored")) == []


def test_what_finds_no_room_is_refused_whole_and_leaves_nothing() -> None:
    workspaces.set_limits("acme", {"stored_gb": 0.000001})  # 1,000 bytes
    made = DATASETS.post("/datasets", new_set("one", 600)).body["dataset"]

    dataset = DATASETS.post("/datasets", new_set("two", 500))
    model = MODELS.post("/models", {"name": "m", "file_name": "m.safetensors", "size": 500})
    more = DATASETS.post(
        f"/datasets/{made['id']}/uploads", {"files": [{"name": "b.png", "size": 500}]}
    )

    for answer in (dataset, model, more):
        assert (answer.status, answer.body["code"]) == (403, "storage_limit")
    assert told()["stored_bytes"] == {"used": 600, "limit": 1000, "left": 400}
    assert MODELS.get("/models").body["data"] == []
    assert aws.s3().list_multipart_uploads(Bucket="bucket").get("Uploads", []) == []
    assert DATASETS.post("/datasets", new_set("two", 400)).status == 201


def test_a_model_that_is_invalid_counts_for_nothing() -> None:
    assert complete_model(b"no safetensors").status == 422

    assert told()["stored_bytes"]["used"] == 0


def test_a_crop_reserves_what_its_original_has_and_counts_what_it_became() -> None:
    source = ready_dataset()
    size = told()["stored_bytes"]["used"]
    made = DATASETS.post(f"/datasets/{source}/crop", {"name": "small", "resolution": 256}).body

    assert told()["stored_bytes"]["used"] == 2 * size
    work()
    cropped = DATASETS.get(f"/datasets/{made['id']}").body["total_bytes"]
    assert 0 < cropped != size
    assert told()["stored_bytes"]["used"] == size + cropped


def test_a_lora_that_came_out_counts(sagemaker: FakeSageMaker) -> None:
    ready_model(), ready_dataset()
    before = told()["stored_bytes"]["used"]
    made = train().body

    leave_lora(made)
    end(sagemaker, made, "Completed", "Completed")

    lora = TRAININGS.get(f"/trainings/{made['id']}").body["lora_id"]
    size = MODELS.get(f"/models/{lora}").body["size"]
    assert told()["stored_bytes"]["used"] == before + size


def test_counters_are_the_sum_of_what_there_is_wherever_the_process_dies(
    aws_calls: AwsCalls,
) -> None:
    for call in range(8):
        for path, client, body in (
            ("/datasets", DATASETS, new_set(f"set-{call}", 100)),
            ("/models", MODELS, {"name": f"m-{call}", "file_name": "m.safetensors", "size": 10}),
        ):
            aws_calls.reset()
            aws_calls.kill_before = call
            with suppress(Killed):
                client.post(path, body, key=f"{path}-{call}")
            aws_calls.reset()
            there = [
                *(one["total_bytes"] for one in DATASETS.get("/datasets").body["data"]),
                *(one["size"] for one in MODELS.get("/models").body["data"]),
            ]
            rows = [int(row["bytes"]) for row in table.query_all("acme#stored")]
            assert told()["stored_bytes"]["used"] == sum(there) == sum(rows)


def test_things_of_before_there_were_counters_end_and_go(sagemaker: FakeSageMaker) -> None:
    model, dataset = ready_model(), ready_dataset()
    made = train().body
    for row in table.query_all("acme#stored"):
        table.delete_all([table.Key("acme#stored", str(row["sk"]))])
    training = table.get(table.Key("acme#training", made["id"]))
    assert training
    del training["charge"]
    table.write(Put(training, condition=None))
    old = {"pk": "acme#workspace", "sk": "use", "active_trainings": 1}
    table.write(Put(old, condition=None))

    end(sagemaker, made, "Failed", "Failed", FailureReason="no")

    assert TRAININGS.get(f"/trainings/{made['id']}").body["charge"] is None
    assert DATASETS.request("DELETE", f"/datasets/{dataset}").status == 202
    assert MODELS.request("DELETE", f"/models/{model}").status == 204
    work()
    assert told()["active_trainings"]["used"] == told()["stored_bytes"]["used"] == 0


def test_a_month_ends_at_midnight_utc() -> None:
    assert use.month_after("2026-12").isoformat() == "2027-01-01T00:00:00+00:00"
    assert use.month_after("2026-01").isoformat() == "2026-02-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--workspace", "No Such"], "lower-case letters and digits"),
        (["--workspace", "acme", "--gpu-hours", "-1"], "a number from 0, `none` or `default`"),
        (["--workspace", "acme", "--active-trainings", "none"], "a number from 0 to 1000"),
    ],
)
def test_the_command_says_what_would_do(arguments: list[str], sentence: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lambdas.access.limits", *arguments], capture_output=True, text=True
    )

    assert done.returncode == 2
    assert sentence in done.stderr


def test_a_limit_of_a_type_of_file_that_is_read_whole_is_the_same() -> None:
    content = safetensors_file(SD_1_5)
    workspaces.set_limits("acme", {"stored_gb": len(content) / 10**9})

    assert complete_model(content).status == 200
    assert told()["stored_bytes"]["left"] == 0
    assert json.loads(json.dumps(told()))["name"] == "acme"


def test_a_deployment_may_set_no_limit() -> None:
    told = {"table_name": "t", "bucket_name": "b", "deployment": "d"}
    told |= dict.fromkeys(
        ("max_gpu_hours_per_month", "max_usd_per_month", "max_stored_gb"), ""
    )  # as an environment says it

    limits = LimitSettings.model_validate(told).defaults()

    assert (limits.gpu_seconds, limits.usd_micros, limits.stored_bytes) == (None, None, None)
