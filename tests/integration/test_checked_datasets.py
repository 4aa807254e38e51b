"""Datasets from upload to report, over HTTP as a client does it."""

import time

import httpx
from client import checked, put, upload_dataset

from tests.unit.pictures import encoded, jpeg, picture
from tests.unit.planted import plant, whole_set


def test_every_planted_defect_stands_in_the_report_and_no_other(api: httpx.Client) -> None:
    dataset = upload_dataset(api, "planted", whole_set()).json()

    report = api.get(f"/datasets/{dataset['id']}/report").raise_for_status().json()

    found = {(one["file"], one["code"], one["severity"]) for one in report["findings"]}
    assert dataset["status"] == "invalid"
    assert found == {(name, code, severity) for name, (_, code, severity) in plant().items()}
    whole = httpx.get(report["download"]["url"]).raise_for_status().json()
    assert whole["findings"] == report["findings"]


def test_sixty_images_of_a_megapixel_are_ready_in_seconds(api: httpx.Client) -> None:
    files = {f"{seed}.jpg": encoded(picture(seed, 1024)) for seed in range(60)}
    captions = {f"{seed}.txt": b"a rabbit" for seed in range(60)}

    began = time.monotonic()
    dataset = upload_dataset(api, "sixty", files | captions).json()

    assert (dataset["status"], dataset["report"]["findings"]) == ("ready", [])
    assert dataset["report"]["sizes"] == [[1024, 1024, 60]]
    assert time.monotonic() - began < 30


def test_an_invalid_dataset_is_corrected_and_its_images_can_be_seen(api: httpx.Client) -> None:
    files = {"a.jpg": jpeg(1), "a.txt": "兔".encode(), "b.jpg": jpeg(2)[:-3000], "b.txt": b"b"}
    dataset = upload_dataset(api, "corrected", files).json()
    whole = jpeg(2)
    correction = {"remove": ["b.jpg"], "files": [{"name": "b.jpg", "size": len(whole)}]}

    made = api.post(f"/datasets/{dataset['id']}/uploads", json=correction).raise_for_status().json()
    put(made["uploads"][0]["upload"], whole).raise_for_status()
    mended = checked(api, dataset["id"]).json()

    assert (dataset["status"], mended["status"]) == ("invalid", "ready")
    images = api.get(f"/datasets/{dataset['id']}/images").raise_for_status().json()["data"]
    assert [(one["name"], one["caption"]) for one in images] == [("a.jpg", "兔"), ("b.jpg", "b")]
    shown = httpx.get(images[1]["preview"]["url"]).raise_for_status()
    assert shown.content == whole
    assert shown.headers["content-disposition"] == "inline"
