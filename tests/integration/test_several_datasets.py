"""Several datasets over HTTP: resolutions and batches of their own, and one that regularises."""

from typing import Any

import httpx
import pytest
from client import SD_1_5, checkpoint, follow, png, upload_dataset, upload_model

FILES = {f"{index}.png": png(64, 64) for index in range(4)}


@pytest.fixture(scope="module")
def api(stack: Any) -> Any:
    with stack.client() as client:
        upload_model(client, "several-base", checkpoint(SD_1_5)).raise_for_status()
        upload_dataset(client, "several-images").raise_for_status()
        bare = {"prefix": "3_animal", "caption_policy": "subject"}
        upload_dataset(client, "several-class", FILES, **bare).raise_for_status()
        yield client


def request(*datasets: dict[str, Any], **more: Any) -> dict[str, Any]:
    params = {"network_dim": 4, "network_alpha": 2, "max_train_epochs": 2, "train_batch_size": 4}
    given = {"name": "several", "model": "several-base", "datasets": list(datasets)}
    return given | {"config_params": params} | more


IMAGES: dict[str, Any] = {"dataset": "several-images"}
LARGER = IMAGES | {"repeats": 3, "options": {"resolution": "768", "train_batch_size": 2}}
CLASS = {"dataset": "several-class", "regularisation": True}


def test_several_datasets_train_as_many_steps_as_were_told(api: httpx.Client) -> None:
    body = request(IMAGES, LARGER, CLASS | {"options": {"resolution": "512", "flip_aug": True}})

    checked = api.post("/trainings/validate", json=body).json()
    made = api.post("/trainings", json=body).json()
    training = follow(api, made["id"])

    assert checked["errors"] == []
    # 2 x 10 and as many of the class in fours, 2 x 3 in twos; twice
    assert checked["steps"]["total_steps"] == 2 * (10 + 3)
    assert checked["steps"]["regularisation_samples"] == 20
    assert training["status"] == "succeeded", training["failure"]
    assert training["progress"]["step"] == training["steps"]["total_steps"] == 26
    assert [one["groups"] for one in training["datasets"]] == [[0], [1], [0]]
    assert training["datasets"] == checked["datasets"]
    lora = api.get(f"/models/{training['lora_id']}").json()
    assert (lora["type"], lora["partial"]) == ("lora", False)


def test_what_is_wrong_with_several_datasets_is_told_at_once(api: httpx.Client) -> None:
    wrong = LARGER | {"options": {"resolution": "big", "batch_size": 2, "network_dim": 4}}
    alone = CLASS | {"options": {"keep_tokens": -1}}

    answer = api.post("/trainings", json=request(wrong, alone))
    none_is_learnt = api.post("/trainings", json=request(CLASS))

    told = {fault["pointer"]: fault["message"] for fault in answer.json()["errors"]}
    assert answer.status_code == 422
    assert set(told) == {
        "/datasets/0/options/resolution",
        "/datasets/0/options/batch_size",
        "/datasets/0/options/network_dim",
        "/datasets/1/options/keep_tokens",
    }
    assert "did you mean train_batch_size?" in told["/datasets/0/options/batch_size"]
    assert [fault["pointer"] for fault in none_is_learnt.json()["errors"]] == ["/datasets"]
