"""Images without captions, captioned and trained over HTTP against the whole local stack."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from client import PNG, SD_1_5, checkpoint, follow, upload_dataset, upload_model
from local_stack import LocalStack, await_that
from safetensors import safe_open
from test_interruption import interrupt, keys

NAMES = ["兔 1.png", "兔 2.png", "兔 3.png"]
ASKED = {"prepend": ["tusiji"], "blacklist": ["Dark_Bytes"], "general_threshold": 0.2}


@pytest.fixture(scope="module")
def training(api: httpx.Client) -> dict[str, Any]:
    """Three images, one with a caption, trained with captioning."""
    upload_model(api, "captioning-base", checkpoint(SD_1_5)).raise_for_status()
    files = dict.fromkeys(NAMES, PNG) | {"兔 2.txt": b"A rabbit."}
    dataset = upload_dataset(api, "captioning-images", files).json()
    assert (dataset["status"], dataset["report"]["counts"]["missing_caption"]) == ("invalid", 2)
    request = {
        "name": "captioned",
        "model": "captioning-base",
        "datasets": [{"dataset": "captioning-images", "repeats": 2}],
        "config_params": {"max_train_epochs": 1, "network_dim": 4},
    }
    refused = api.post("/trainings", json=request)
    assert refused.status_code == 422
    assert "set captioning" in refused.json()["errors"][0]["message"]
    made = api.post("/trainings", json=request | {"captioning": ASKED}).raise_for_status().json()
    return follow(api, made["id"])


def test_what_lacked_a_caption_is_captioned_and_trained_on(
    api: httpx.Client, training: dict[str, Any], tmp_path: Path
) -> None:
    assert training["status"] == "succeeded", training["failure"]
    assert training["captioning"]["existing"] == "keep"
    progress = training["progress"]
    assert (progress["images_captioned"], progress["images_to_caption"]) == (2, 2)

    lora = api.get(f"/models/{training['lora_id']}").json()
    path = tmp_path / "lora.safetensors"
    path.write_bytes(httpx.get(lora["download"]["url"]).raise_for_status().content)
    with safe_open(path, "numpy") as file:
        (frequency,) = json.loads(file.metadata()["ss_tag_frequency"]).values()
    assert frequency["tusiji"] == frequency["rehearsal"] == 2
    assert frequency["a rabbit."] == 1
    assert "dark bytes" not in frequency


def test_what_was_proposed_is_read_page_by_page(
    api: httpx.Client, training: dict[str, Any]
) -> None:
    where = f"/trainings/{training['id']}/captions"

    first = api.get(where, params={"limit": 1}).raise_for_status().json()
    second = api.get(where, params={"limit": 9, "cursor": first["next_cursor"]}).json()

    rows = first["data"] + second["data"]
    assert second["next_cursor"] is None
    assert [row["file_name"] for row in rows] == ["兔 1.png", "兔 3.png"]
    for row in rows:
        assert row["dataset_id"] == training["datasets"][0]["id"]
        assert row["tagger"] == "rehearsal"
        assert row["caption"] == ", ".join(["tusiji", *row["tags"]])
    wrong = api.get(where, params={"cursor": "nonsense"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_cursor")


def test_ten_thousand_images_would_be_one_object(
    stack: LocalStack, training: dict[str, Any]
) -> None:
    prefix = f"tests/trainings/{training['id']}/checkpoints/captions/"
    s3 = stack.aws("s3")

    listed = s3.list_objects_v2(Bucket=stack.endpoints["bucket"], Prefix=prefix)["Contents"]

    (found,) = listed
    assert found["Key"].endswith(f"/{training['datasets'][0]['id']}/captions.jsonl")
    body = s3.get_object(Bucket=stack.endpoints["bucket"], Key=found["Key"])["Body"].read()
    header = json.loads(io.BytesIO(body).readline())
    assert (header["images"], header["captioning"]["prepend"]) == (2, ["tusiji"])


def test_after_an_interruption_the_proposals_are_those_of_before(slow_stack: LocalStack) -> None:
    """The object in S3 is not even written again."""
    with slow_stack.client() as api:
        upload_model(api, "captioning-base", checkpoint(SD_1_5)).raise_for_status()
        upload_dataset(
            api, "captioning-images", dict.fromkeys(NAMES, PNG), caption_policy="empty"
        ).raise_for_status()
        request = {
            "name": "captioned-spot",
            "model": "captioning-base",
            "datasets": [{"dataset": "captioning-images", "repeats": 5}],
            "config_params": {"max_train_epochs": 2, "network_dim": 4},
            "captioning": ASKED,
            "spot": True,
        }
        made = api.post("/trainings", json=request).raise_for_status().json()
        await_that(lambda: keys(slow_stack, made["id"], "captions"), 60)
        before = written_at(slow_stack, made["id"])
        interrupt(slow_stack, made["job_name"], 1)
        ended = follow(api, made["id"])

        assert ended["status"] == "succeeded", ended["failure"]
        assert ended["progress"]["images_captioned"] == 3
        assert written_at(slow_stack, made["id"]) == before
        rows = api.get(f"/trainings/{made['id']}/captions").json()["data"]
        assert [row["file_name"] for row in rows] == NAMES


def written_at(stack: LocalStack, training_id: str) -> list[Any]:
    """When the proposals were written to S3."""
    prefix = f"tests/trainings/{training_id}/checkpoints/captions/"
    listed = stack.aws("s3").list_objects_v2(Bucket=stack.endpoints["bucket"], Prefix=prefix)
    return [one["LastModified"] for one in listed["Contents"]]
