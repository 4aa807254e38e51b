"""Captions reviewed over HTTP: two people at once, a whole set, what a tagger proposed."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from client import SD_1_5, checkpoint, follow, upload_dataset, upload_model
from local_stack import LocalStack, await_that

from tests.unit.pictures import jpeg

FILES = {f"{seed}.jpg": jpeg(seed) for seed in range(40)}
CAPTIONS = {f"{seed}.txt": b"1girl, grey hair" for seed in range(39)}


@pytest.fixture(scope="module")
def dataset(api: httpx.Client) -> dict[str, Any]:
    made = upload_dataset(api, "reviewed", FILES | CAPTIONS, caption_policy="subject")
    return dict(made.raise_for_status().json())


def images(api: httpx.Client, dataset: dict[str, Any]) -> list[dict[str, Any]]:
    found = api.get(f"/datasets/{dataset['id']}/images", params={"limit": 100})
    return list(found.raise_for_status().json()["data"])


def files_agree(stack: LocalStack, api: httpx.Client, dataset: dict[str, Any]) -> bool:
    s3, bucket = stack.aws("s3"), stack.endpoints["bucket"]
    folder = f"tests/datasets/{dataset['id']}/{dataset['prefix']}"
    return all(
        s3.get_object(Bucket=bucket, Key=f"{folder}/{one['name'].replace('.jpg', '.txt')}")[
            "Body"
        ].read()
        == one["caption"].encode()
        for one in images(api, dataset)
        if one["caption"] is not None
    )


def test_of_people_who_write_one_caption_at_once_one_succeeds(
    stack: LocalStack, api: httpx.Client, dataset: dict[str, Any]
) -> None:
    path = f"/datasets/{dataset['id']}/images/{images(api, dataset)[0]['id']}/caption"
    seen = api.get(path).headers["ETag"]

    def write(number: int) -> httpx.Response:
        return api.put(path, json={"text": f"of {number}"}, headers={"If-Match": seen})

    with ThreadPoolExecutor(6) as people:
        answers = list(people.map(write, range(6)))

    winner = [one for one in answers if one.status_code == 200]
    assert [one.status_code for one in answers].count(412) == 5, [one.text for one in answers]
    assert api.get(path).json()["text"] == winner[0].json()["text"]
    assert files_agree(stack, api, dataset)
    versions = api.get(f"{path}/versions").json()["versions"]
    assert [one["text"] for one in versions] == ["1girl, grey hair"]


def test_a_set_is_written_changed_and_its_report_follows(
    stack: LocalStack, api: httpx.Client, dataset: dict[str, Any]
) -> None:
    bare = next(one for one in images(api, dataset) if one["name"] == "39.jpg")
    path = f"/datasets/{dataset['id']}"
    before = api.get(path).json()["report"]
    sent = [{"image_id": one["id"], "text": f"hat, {one['name']}"} for one in images(api, dataset)]
    etags = {one["id"]: one["caption_etag"] for one in images(api, dataset)}
    wanted = {"captions": [one | {"etag": etags[one["image_id"]]} for one in sent]}

    many = api.put(f"{path}/captions", json=wanted).raise_for_status().json()
    tried = api.post(f"{path}/captions/add-tag", json={"tag": "tusiji", "dry_run": True}).json()
    done = api.post(f"{path}/captions/add-tag", json={"tag": "tusiji"}).raise_for_status().json()

    assert bare["caption"] is None
    assert (many["written"], many["conflicts"]) == (40, 0)
    assert (tried["changed"], done["changed"], done["status"]) == (40, 40, "done")
    tags = api.get(f"{path}/tags", params={"limit": 2}).json()
    assert tags["tags"] == [{"tag": "hat", "images": 40}, {"tag": "tusiji", "images": 40}]
    assert files_agree(stack, api, dataset)
    assert [one["code"] for one in before["findings"]] == ["missing_caption"]
    await_that(lambda: api.get(path).json()["report"]["findings"] == [], 30)


def test_what_a_tagger_left_is_reviewed_and_never_silently_taken(
    stack: LocalStack, api: httpx.Client, dataset: dict[str, Any]
) -> None:
    upload_model(api, "review-base", checkpoint(SD_1_5)).raise_for_status()
    options = {"max_train_epochs": 1, "network_dim": 4, "network_alpha": 2}
    request = {"name": "tagged", "model": "review-base", "config_params": options}
    used = request | {"datasets": [{"dataset": dataset["id"]}]}
    before = {one["id"]: one["caption"] for one in images(api, dataset)}
    training = api.post("/trainings", json=used).raise_for_status().json()
    leave_proposals(stack, training, dataset)

    follow(api, training["id"])
    await_that(lambda: api.get(f"/datasets/{dataset['id']}/proposals").json()["data"], 30)

    found = api.get(f"/datasets/{dataset['id']}/proposals").json()["data"]
    assert [one["text"] for one in found] == ["1girl, proposed"] * 2
    assert {one["id"]: one["caption"] for one in images(api, dataset)} == before
    path, first, second = f"/datasets/{dataset['id']}/proposals", found[0], found[1]
    accepted = api.post(f"{path}/accept", json={"image_ids": [first["image_id"]]}).json()
    refused = api.post(f"{path}/refuse", json={"all": True}).json()
    assert accepted["results"][0]["outcome"] == "accepted"
    assert (refused["edit"]["status"], refused["edit"]["changed"]) == ("done", 1)
    assert api.get(path).json()["data"] == []
    now = {one["id"]: one["caption"] for one in images(api, dataset)}
    assert now == before | {first["image_id"]: "1girl, proposed"}
    assert now[second["image_id"]] == before[second["image_id"]]
    assert files_agree(stack, api, dataset)


def leave_proposals(stack: LocalStack, training: dict[str, Any], dataset: dict[str, Any]) -> None:
    """Put what a tagger would leave where the job's checkpoints go."""
    header = {"version": 1, "dataset_id": dataset["id"], "captioning": {}, "images": 2}
    named = [
        {"file_name": name, "tags": ["1girl"], "tagger": "wd14"} for name in ("3.jpg", "4.jpg")
    ]
    lines = [header, *(one | {"caption": "1girl, proposed"} for one in named)]
    folder = f"tests/trainings/{training['id']}/checkpoints/captions/{dataset['id']}"
    stack.aws("s3").put_object(
        Bucket=stack.endpoints["bucket"],
        Key=f"{folder}/captions.jsonl",
        Body="\n".join(map(json.dumps, lines)).encode(),
    )
