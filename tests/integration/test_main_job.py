"""The main job over HTTP against the whole local stack, as a client does it."""

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from client import SD_1_5, checkpoint, follow, put, upload_dataset, upload_model
from local_stack import LocalStack, await_that
from safetensors import safe_open

QUICK = {"max_train_epochs": 2, "network_dim": 4, "network_alpha": 2}
LONG = {"max_train_epochs": 2000, "network_dim": 4}


@pytest.fixture(scope="module")
def model(api: httpx.Client) -> str:
    return str(upload_model(api, "main-base", checkpoint(SD_1_5)).raise_for_status().json()["id"])


@pytest.fixture(scope="module")
def dataset(api: httpx.Client) -> str:
    return str(upload_dataset(api, "main-images").raise_for_status().json()["id"])


def request(name: str, **more: Any) -> dict[str, Any]:
    ready = {"name": name, "model": "main-base", "datasets": [{"dataset": "main-images"}]}
    return {**ready, "config_params": QUICK, **more}


@pytest.mark.usefixtures("model", "dataset")
def test_from_upload_to_a_lora_that_opens(api: httpx.Client, tmp_path: Path) -> None:
    checked = api.post("/trainings/validate", json=request("first")).json()
    made = api.post("/trainings", json=request("first", fm_type="sd_1_5"))
    training = follow(api, made.json()["id"])

    assert checked["valid"] is True
    assert checked["steps"]["total_steps"] == 40
    assert made.status_code == 201
    assert training["status"] == "succeeded", training["failure"]
    assert training["progress"]["step"] == 40
    assert training["progress"]["engine"] == "rehearsal"
    lora = api.get(f"/models/{training['lora_id']}").json()
    assert (lora["type"], lora["fm_type"], lora["partial"]) == ("lora", "sd_1_5", False)
    assert (lora["name"], lora["header"]["rank"]) == ("first", 4)
    path = tmp_path / "first.safetensors"
    path.write_bytes(httpx.get(lora["download"]["url"]).raise_for_status().content)
    with safe_open(path, framework="numpy") as file:
        names = set(file.keys())
        metadata = file.metadata()
    stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    assert {f"{stem}.lora_down.weight", f"{stem}.lora_up.weight", f"{stem}.alpha"} <= names
    assert metadata["ss_network_dim"] == "4"
    assert metadata["lorastack_engine"] == "rehearsal"

    checkpoints = api.get(f"/trainings/{training['id']}/checkpoints").json()["data"]
    assert [one["file_name"] for one in checkpoints] == [
        "first-000001.safetensors",
        "first.safetensors",
    ]
    early = httpx.get(checkpoints[0]["download"]["url"]).raise_for_status().content
    assert hashlib.sha256(early).hexdigest() == checkpoints[0]["sha256"]
    metrics = api.get(f"/trainings/{training['id']}/metrics").json()["data"]
    assert [row["step"] for row in metrics] == list(range(1, 41))
    assert metrics[-1]["average_loss"] < metrics[0]["loss"]

    def told() -> list[str]:
        events = api.get(f"/trainings/{training['id']}/events").json()["data"]
        return [event["status"] for event in reversed(events)]

    assert told()[0] == "queued"
    await_that(lambda: {"starting", "running", "uploading", "succeeded"} <= set(told()))


@pytest.mark.usefixtures("model", "dataset")
def test_a_hundred_creates_with_one_key_start_one_job(api: httpx.Client, stack: LocalStack) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}

    def create(_: int) -> tuple[int, str]:
        answer = api.post("/trainings", json=request("storm"), headers=headers)
        return answer.status_code, answer.json().get("id")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(100)))

    assert {status for status, _ in answers} == {201}
    assert len({training_id for _, training_id in answers}) == 1
    jobs = stack.aws("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    ulid = answers[0][1].removeprefix("trn_")
    assert [job["TrainingJobName"] for job in jobs if ulid in job["TrainingJobName"]] == [
        f"lorastack-tests-{ulid}"
    ]
    assert follow(api, answers[0][1])["status"] == "succeeded"


@pytest.mark.usefixtures("model", "dataset")
def test_a_cancel_keeps_the_last_finished_lora(api: httpx.Client) -> None:
    made = api.post("/trainings", json=request("long", config_params=LONG)).json()
    path = f"/trainings/{made['id']}"

    def has_finished_an_epoch() -> bool:
        progress = api.get(path).json()["progress"]
        return bool(progress and (progress["epoch"] or 0) > 2)

    await_that(has_finished_an_epoch, 40)
    canceled = api.post(f"{path}/cancel")
    training = follow(api, made["id"])

    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceling")
    assert training["status"] == "canceled"
    assert api.get(f"/models/{training['lora_id']}").json()["partial"] is True


def test_an_uploaded_file_is_never_replaced(api: httpx.Client) -> None:
    body = {"name": "once", "prefix": "1_x", "files": [{"name": "a.png", "size": 3}]}
    upload = api.post("/datasets", json=body).json()["uploads"][0]["upload"]

    assert put(upload, b"abc").status_code == 200
    assert put(upload, b"xyz").status_code == 412
    other_size = httpx.put(upload["url"], headers={"If-None-Match": "*"}, content=b"longer")
    assert other_size.status_code == 403


def test_a_viewer_reads_and_writes_nothing(stack: LocalStack, api: httpx.Client) -> None:
    token = api.post("/tokens", json={"name": "reader", "role": "viewer"}).json()["token"]

    with stack.client(token) as viewer:
        assert viewer.get("/trainings").status_code == 200
        assert viewer.post("/trainings", json={}).json()["code"] == "role_not_allowed"
        assert viewer.get("/tokens").status_code == 403
