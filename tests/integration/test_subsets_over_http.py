"""Folders of one place over HTTP: imported as one dataset, and each trained as often as it says."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from client import SD_1_5, checkpoint, follow, png, upload_model
from local_stack import LocalStack
from test_dataset_library import settled

FOLDER = "tests/inbox/pets"
SIZES = {"2_cat": [(64, 64), (64, 64), (64, 128)], "1_dog": [(128, 64)]}


@pytest.fixture(scope="module")
def api(stack: Any) -> Iterator[httpx.Client]:
    with stack.client() as client:
        upload_model(client, "pets-base", checkpoint(SD_1_5)).raise_for_status()
        yield client


@pytest.fixture(scope="module")
def dataset(api: httpx.Client, stack: LocalStack) -> dict[str, Any]:
    """Two folders in the inbox, `0.png` in both, imported as one dataset."""
    s3, bucket = stack.aws("s3"), stack.endpoints["bucket"]
    for folder, sizes in SIZES.items():
        for index, size in enumerate(sizes):
            key = f"{FOLDER}/{folder}/{index}"
            s3.put_object(Bucket=bucket, Key=f"{key}.png", Body=png(*size))
            s3.put_object(Bucket=bucket, Key=f"{key}.txt", Body=f"a {folder}".encode())
    request = {"name": "pets", "s3_uri": f"s3://{bucket}/{FOLDER}"}
    answer = api.post("/datasets/import", json=request).raise_for_status()
    made: dict[str, Any] = answer.json()["dataset"]
    assert answer.headers["Location"].endswith(f"/v1/datasets/{made['id']}")
    return settled(api, made["id"])


def request(**changes: Any) -> dict[str, Any]:
    params = {"network_dim": 4, "network_alpha": 2, "max_train_epochs": 2}
    params |= {"resolution": "128", "min_bucket_reso": 64, "bucket_reso_steps": 64}
    base = {"name": "pets-lora", "model": "pets-base", "datasets": [{"dataset": "pets"}]}
    return base | {"config_params": params} | changes


def test_the_dataset_has_both_subsets_and_an_image_of_equal_name_in_each(
    api: httpx.Client, dataset: dict[str, Any]
) -> None:
    assert dataset["status"] == "ready", dataset["report"]
    assert [one["prefix"] for one in dataset["subsets"]] == ["1_dog", "2_cat"]
    images = api.get(f"/datasets/{dataset['id']}/images").json()["data"]
    assert {one["name"]: (one["width"], one["caption"]) for one in images} == {
        "1_dog/0.png": (128, "a 1_dog"),
        "2_cat/0.png": (64, "a 2_cat"),
        "2_cat/1.png": (64, "a 2_cat"),
        "2_cat/2.png": (64, "a 2_cat"),
    }
    assert httpx.get(images[0]["preview"]["url"]).content == png(128, 64)


def test_each_subset_is_trained_as_often_as_its_folder_says(
    api: httpx.Client, dataset: dict[str, Any]
) -> None:
    checked = api.post("/trainings/validate", json=request()).json()
    made = api.post("/trainings", json=request()).raise_for_status().json()
    training = follow(api, made["id"])

    assert checked["errors"] == []
    assert training["status"] == "succeeded", training["failure"]
    assert training["steps"]["samples_per_epoch"] == 3 * 2 + 1 * 1
    assert training["progress"]["step"] == training["steps"]["total_steps"] == 2 * 7
    assert [
        (one["id"], one["folder"], one["subset"], one["repeats"], one["subject"], one["images"])
        for one in training["datasets"]
    ] == [
        (dataset["id"], "1_dog", 0, 1, "dog", 1),
        (dataset["id"], "2_cat", 1, 2, "cat", 3),
    ]


def test_what_the_tagger_proposes_comes_back_to_each_image(
    api: httpx.Client, dataset: dict[str, Any]
) -> None:
    body = request(name="pets-tagged", captioning={"existing": "replace"})

    made = api.post("/trainings", json=body).raise_for_status().json()
    training = follow(api, made["id"])

    assert training["status"] == "succeeded", training["failure"]
    assert training["progress"]["images_captioned"] == 4
    told = api.get(f"/trainings/{made['id']}/captions").json()
    names = [one["file_name"] for one in told["data"]]
    told = api.get(f"/trainings/{made['id']}/captions?cursor={told['next_cursor']}").json()
    names += [one["file_name"] for one in told["data"]]
    assert names == ["1_dog/0.png", "2_cat/0.png", "2_cat/1.png", "2_cat/2.png"]


def test_repeats_for_all_subsets_are_refused_with_what_to_do(
    api: httpx.Client, dataset: dict[str, Any]
) -> None:
    answer = api.post("/trainings", json=request(datasets=[{"dataset": "pets", "repeats": 3}]))

    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == "/datasets/0/repeats"
    assert "leave it out" in fault["message"]
