"""Datasets imported, cropped, changed, exported and deleted, over HTTP as a client does it."""

import io
import time
from typing import Any

import httpx
from local_stack import LocalStack
from PIL import Image

from tests.unit.pictures import encoded, picture

FOLDER = "tests/inbox/synced"


def sync(stack: LocalStack) -> str:
    """Put two folders into the inbox, as `aws s3 sync` does; return where they are."""
    s3, bucket = stack.aws("s3"), stack.endpoints["bucket"]
    for folder, seeds in {"100_demo": range(3), "5_风景": range(3, 5)}.items():
        for seed in seeds:
            key = f"{FOLDER}/{folder}/demo{seed}"
            s3.put_object(Bucket=bucket, Key=f"{key}.jpg", Body=encoded(picture(seed, 600)))
            s3.put_object(Bucket=bucket, Key=f"{key}.txt", Body=b"a rabbit")
    return f"s3://{bucket}/{FOLDER}"


def settled(api: httpx.Client, dataset_id: str, seconds: float = 60) -> dict[str, Any]:
    """Wait until the worker has made and checked a dataset."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        dataset: dict[str, Any] = api.get(f"/datasets/{dataset_id}").raise_for_status().json()
        if dataset["status"] not in {"preparing", "validating"}:
            return dataset
        time.sleep(0.1)
    raise AssertionError(f"{dataset['status']} after {seconds} s")


def gone(api: httpx.Client, dataset_id: str, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while api.get(f"/datasets/{dataset_id}").status_code != 404 and time.monotonic() < deadline:
        time.sleep(0.1)
    return api.get(f"/datasets/{dataset_id}").status_code == 404


def test_folders_that_were_synced_are_imported_cropped_exported_and_deleted(
    api: httpx.Client, stack: LocalStack
) -> None:
    uri = sync(stack)
    elsewhere = api.post("/datasets/import", json={"name": "x", "s3_uri": f"{uri}/../../other"})
    assert elsewhere.status_code == 404

    made = api.post("/datasets/import", json={"name": "library", "s3_uri": uri}).json()["dataset"]
    imported = settled(api, made["id"])
    assert imported["status"] == "ready"
    assert [one["prefix"] for one in imported["subsets"]] == ["100_demo", "5_风景"]

    wanted = {"name": "library-256", "resolution": 256}
    answer = api.post(f"/datasets/{made['id']}/crop", json=wanted).raise_for_status()
    cropped = settled(api, answer.json()["id"])
    assert answer.headers["Location"].endswith(f"/v1/datasets/{cropped['id']}")
    assert (cropped["status"], cropped["report"]["sizes"]) == ("ready", [[256, 256, 5]])

    export = api.get(f"/datasets/{cropped['id']}/export").raise_for_status().json()
    assert [one["path"] for one in export["data"]][:2] == [
        "100_demo/demo0.jpg",
        "100_demo/demo0.txt",
    ]
    data = httpx.get(export["data"][0]["download"]["url"]).raise_for_status().content
    assert Image.open(io.BytesIO(data)).size == (256, 256)

    etag = api.get(f"/datasets/{cropped['id']}").headers["ETag"]
    change = {"name": "renamed", "tags": ["rabbit"]}
    for status in (200, 200):  # the second is a retry
        headers = {"If-Match": etag}
        changed = api.patch(f"/datasets/{cropped['id']}", json=change, headers=headers)
        assert changed.status_code == status
    late = api.patch(f"/datasets/{cropped['id']}", json={"tags": []}, headers={"If-Match": etag})
    assert late.status_code == 412

    for dataset_id in (cropped["id"], made["id"]):
        assert api.delete(f"/datasets/{dataset_id}").status_code == 202
        assert gone(api, dataset_id)
        stored = stack.aws("s3").list_objects_v2(
            Bucket=stack.endpoints["bucket"], Prefix=f"tests/datasets/{dataset_id}/"
        )
        assert stored["KeyCount"] == 0
