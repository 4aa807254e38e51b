"""What `complete` reads of the images themselves: their sizes, and whether they are images."""

import io
from collections.abc import Mapping

import pytest
from PIL import Image

from lambdas.core import bucket
from lambdas.datasets import measuring
from tests.unit.fakes import Answer, AwsCalls, Client, png
from tests.unit.scenes import DATASETS, TRAININGS, ready_dataset, ready_model

pytestmark = pytest.mark.usefixtures("aws_calls")

REPORT_OF_OLD = {
    "images": 3,
    "captions": 3,
    "images_without_caption": [],
    "captions_without_image": [],
}


def completed(files: Mapping[str, bytes], name: str = "set", client: Client = DATASETS) -> Answer:
    request = {
        "name": name,
        "prefix": "2_x",
        "caption_policy": "subject",
        "files": [{"name": one, "size": len(data)} for one, data in files.items()],
    }
    dataset_id = client.post("/datasets", request).body["dataset"]["id"]
    for one, data in files.items():
        bucket.put(f"acme/datasets/{dataset_id}/2_x/{one}", data)
    return client.post(f"/datasets/{dataset_id}/complete")


def jpeg(metadata: int) -> bytes:
    """A JPEG whose size stands behind so many bytes of metadata."""
    file = io.BytesIO()
    Image.new("L", (70, 90)).save(file, "JPEG")
    part = b"\xff\xe2" + (65_535).to_bytes(2) + bytes(65_533)
    return b"\xff\xd8" + part * (metadata // len(part)) + file.getvalue()[2:]


def steps(dataset: str = "set", **config_params: object) -> dict:
    request = {
        "name": "style",
        "model": "base",
        "datasets": [{"dataset": dataset}],
        "config_params": config_params,
    }
    return TRAININGS.post("/trainings/validate", request).body


def test_the_report_has_each_size_with_its_count() -> None:
    files = {"a.png": png(512, 768), "b.PNG": png(512, 768), "c.png": png(64, 80), "a.txt": b"a"}

    report = completed(files | {"d.jpg": jpeg(0)}).body["report"]

    assert report["sizes"] == [[64, 80, 1], [70, 90, 1], [512, 768, 2]]
    assert report["unreadable_images"] == []


def test_each_image_takes_one_short_read(aws_calls: AwsCalls) -> None:
    completed({f"{index}.png": png(512, 512) for index in range(40)})

    assert aws_calls.made.count("GetObject") == 40 + 1  # the list of files


def test_a_jpeg_with_much_metadata_takes_a_second_read(aws_calls: AwsCalls) -> None:
    answer = completed({"a.jpg": jpeg(300_000)})

    assert answer.body["report"]["sizes"] == [[70, 90, 1]]
    assert aws_calls.made.count("GetObject") == 2 + 1


def test_a_jpeg_with_a_mebibyte_of_metadata_is_ready_with_sizes_unknown() -> None:
    answer = completed({"a.jpg": jpeg(2_000_000), "b.png": png(64, 64)})

    assert (answer.status, answer.body["report"]["sizes"]) == (200, None)


def test_an_image_with_the_ending_of_another_kind_is_read_by_its_content() -> None:
    answer = completed({"a.jpg": png(64, 80), "b.png": jpeg(300)})

    assert (answer.status, answer.body["report"]["sizes"]) == (200, [[64, 80, 1], [70, 90, 1]])


def test_what_is_no_image_is_named_with_what_to_do() -> None:
    files = {"a.png": b"a rabbit", "c.png": png(9, 9)[:20], "d.png": png(9, 9)}

    answer = completed(files)

    assert (answer.status, answer.body["code"]) == (422, "dataset_invalid")
    told = {fault["pointer"]: fault["message"] for fault in answer.body["errors"]}
    assert list(told) == ["/files/a.png", "/files/c.png"]
    assert told["/files/a.png"].startswith("is no PNG: export it as PNG")
    assert "cut off" in told["/files/c.png"]
    assert "make the dataset anew" in answer.body["detail"]
    stands = DATASETS.get("/datasets").body["data"][0]
    assert (stands["status"], stands["report"]["sizes"]) == ("invalid", None)
    assert stands["report"]["unreadable_images"] == ["a.png", "c.png"]


def test_of_too_many_images_none_is_read(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "MOST_MEASURED", 2)

    answer = completed({f"{index}.png": b"abc" for index in range(3)})

    assert (answer.status, answer.body["report"]["sizes"]) == (200, None)
    assert aws_calls.made.count("GetObject") == 1


@pytest.mark.parametrize("name", ["a.Png", "a.JPg", ".a.png"])
def test_a_name_that_sd_scripts_passes_over_is_refused(name: str) -> None:
    request = {"name": "set", "prefix": "1_x", "files": [{"name": name, "size": 3}]}

    assert DATASETS.post("/datasets", request).pointers == ["/files/0/name"]


def test_the_steps_are_exact_where_the_sizes_are_known() -> None:
    ready_model()
    completed({"a.png": png(512, 512), "b.png": png(640, 384), "c.png": png(641, 385)})

    told = steps(train_batch_size=4, max_train_epochs=3)["steps"]

    assert told["buckets"] == [
        {"resolution": [512, 512], "images": 1, "samples": 2, "group": 0},
        {"resolution": [640, 384], "images": 2, "samples": 4, "group": 0},
    ]
    assert (told["steps_per_epoch"], told["total_steps"], told["assumption"]) == (2, 6, None)


def test_the_steps_say_what_they_assume_where_the_sizes_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measuring, "MOST_MEASURED", 0)
    ready_model(), ready_dataset()

    told = steps("tusiji", train_batch_size=4)["steps"]

    assert (told["steps_per_epoch"], told["buckets"]) == (8, [])
    assert "one bucket" in told["assumption"]


def test_images_taken_out_at_random_make_it_an_assumption() -> None:
    ready_model(), ready_dataset()

    assert "validation_split" in steps("tusiji", validation_split=0.2)["steps"]["assumption"]


def test_what_sd_scripts_would_stop_on_is_a_fault_of_the_training() -> None:
    ready_model()
    completed({"a.png": png(512, 512), "b.png": png(63, 512)})

    small = steps()
    bounds = steps(min_bucket_reso=768)

    assert [fault["pointer"] for fault in small["errors"]] == ["/datasets/0/dataset"]
    assert "63x512" in small["errors"][0]["message"]
    assert [fault["pointer"] for fault in bounds["errors"]] == ["/config_params/min_bucket_reso"]
    assert steps(bucket_no_upscale=False)["valid"]


def test_a_dataset_completed_before_sizes_were_read_can_still_be_trained_on() -> None:
    from lambdas.datasets.schema import Report

    assert Report.model_validate(REPORT_OF_OLD).sizes is None


def test_bounds_are_checked_and_the_right_dataset_named_where_some_sizes_are_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ready_model()
    completed({"a.png": png(63, 512)}, "small")
    monkeypatch.setattr(measuring, "MOST_MEASURED", 0)
    ready_dataset()
    request = {
        "name": "style",
        "model": "base",
        "datasets": [{"dataset": "tusiji"}, {"dataset": "small"}],
    }

    told = TRAININGS.post("/trainings/validate", request).body
    bounds = steps("tusiji", min_bucket_reso=768)

    assert [fault["pointer"] for fault in told["errors"]] == ["/datasets/1/dataset"]
    assert [fault["pointer"] for fault in bounds["errors"]] == ["/config_params/min_bucket_reso"]
