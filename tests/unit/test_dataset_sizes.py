"""The sizes that the check of a dataset reads, and what trainings reckon from them."""

import io
from collections.abc import Mapping

import pytest
from PIL import Image

from lambdas.asset_worker import reporting
from lambdas.core import bucket
from tests.unit.fakes import Answer, Client, png
from tests.unit.scenes import DATASETS, TRAININGS, ready_dataset, ready_model
from tests.unit.scenes import completed as checked

pytestmark = pytest.mark.usefixtures("aws_calls")


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
    return checked(dataset_id, client)


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
    assert report["errors"] == 0


def test_a_jpeg_with_mebibytes_of_metadata_has_its_size() -> None:
    answer = completed({"a.jpg": jpeg(2_000_000), "b.png": png(64, 64)})

    assert answer.body["report"]["sizes"] == [[64, 64, 1], [70, 90, 1]]


def test_an_image_with_the_ending_of_another_kind_is_read_by_its_content() -> None:
    answer = completed({"a.jpg": png(64, 80), "b.png": jpeg(300)})

    assert answer.body["status"] == "ready"
    assert answer.body["report"]["sizes"] == [[64, 80, 1], [70, 90, 1]]


def test_of_too_many_sizes_the_record_has_none_and_the_report_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reporting, "SIZES_IN_RECORD", 2)
    sides = (300, 400, 500)

    dataset = completed({f"{side}.png": png(side, side) for side in sides}).body
    report = DATASETS.get(f"/datasets/{dataset['id']}/report").body

    assert (dataset["status"], dataset["report"]["sizes"]) == ("ready", None)
    assert report["sizes"] == [[side, side, 1] for side in sides]


@pytest.mark.parametrize("name", ["a.Png", "a.JPg", ".a.png"])
def test_a_name_that_sd_scripts_passes_over_is_refused(name: str) -> None:
    request = {"name": "set", "prefix": "1_x", "files": [{"name": name, "size": 3}]}

    assert DATASETS.post("/datasets", request).pointers == ["/files/0/name"]


def test_the_steps_are_exact_where_the_sizes_are_known() -> None:
    ready_model()
    completed({"a.png": png(512, 512), "b.png": png(640, 384), "c.png": png(641, 385)})

    told = steps(train_batch_size=4, max_train_epochs=3)["steps"]

    assert told["buckets"] == [
        {"resolution": [512, 512], "images": 1, "samples": 2},
        {"resolution": [640, 384], "images": 2, "samples": 4},
    ]
    assert (told["steps_per_epoch"], told["total_steps"], told["assumption"]) == (2, 6, None)


def test_the_steps_say_what_they_assume_where_the_sizes_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reporting, "SIZES_IN_RECORD", 0)
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


def test_bounds_are_checked_and_the_right_dataset_named_where_some_sizes_are_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ready_model()
    completed({"a.png": png(63, 512)}, "small")
    monkeypatch.setattr(reporting, "SIZES_IN_RECORD", 0)
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
