"""Records that earlier versions wrote: they load, are listed, go on and end."""

from collections.abc import Mapping
from typing import Any

import pytest

from lambdas.core import table
from lambdas.core.table import Put
from lambdas.datasets import repository as datasets
from lambdas.models import repository as models
from lambdas.trainings import repository
from tests.unit.fakes import FakeSageMaker
from tests.unit.scenes import DATASETS, MODELS, TRAININGS, ready_dataset, ready_model
from tests.unit.test_training_status import end, leave_lora

pytestmark = pytest.mark.usefixtures("aws_calls")

NEW = {
    "training": (
        *("captioning", "continue_from", "early_stop", "interruptions", "keep_state"),
        *("preset", "progress", "sample_prompts"),
    ),
    "dataset": ("groups", "options", "regularisation", "subset"),
    "steps": ("buckets", "regularisation_samples"),
    "header": ("family", "inpainting", "lora", "modelspec", "parts", "prediction"),
}


def without(item: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in NEW[kind]}


def rewrite(key: table.Key, **changes: Any) -> None:
    """Leave an item as an earlier version did."""
    item = table.get(key)
    assert item
    table.write(Put(item | changes, condition=None))


def age_training(training_id: str) -> None:
    key = repository.key_of("acme", training_id)
    item = table.get(key)
    assert item
    used = [without(one, "dataset") for one in item["datasets"]]
    old = without(item, "training") | {"datasets": used, "steps": without(item["steps"], "steps")}
    table.write(Put(old, condition=None))


def test_a_training_goes_on_and_ends(sagemaker: FakeSageMaker) -> None:
    ready_model(), ready_dataset()
    request = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    made = TRAININGS.post("/trainings", request).body

    age_training(made["id"])
    listed = TRAININGS.get("/trainings").body["data"]
    reads = {
        what: TRAININGS.get(f"/trainings/{made['id']}/{what}")
        for what in ("events", "metrics", "logs", "samples", "captions", "checkpoints")
    }
    leave_lora(made)
    end(sagemaker, made, "Completed", "Completed")
    ended = TRAININGS.get(f"/trainings/{made['id']}").body

    assert listed[0]["datasets"][0]["groups"] == [0]
    assert {what: answer.status for what, answer in reads.items()} == dict.fromkeys(reads, 200)
    assert (ended["status"], ended["captioning"], ended["keep_state"]) == ("succeeded", None, False)


def test_a_dataset_whose_report_had_lists_can_be_trained_on() -> None:
    ready_model()
    dataset = ready_dataset()
    report = {
        "images": 3,
        "captions": 2,
        "images_without_caption": ["2.png"],
        "captions_without_image": [],
        "unreadable_images": [],
        "sizes": [[512, 512, 3]],
    }
    rewrite(datasets.key_of("acme", dataset), report=report, caption_policy="subject")

    def validated(**more: Any) -> dict[str, Any]:
        chosen = [{"dataset": "tusiji"} | more]
        request = {"name": "style", "model": "base", "datasets": chosen}
        return TRAININGS.post("/trainings/validate", request).body

    assert DATASETS.get(f"/datasets/{dataset}").body["report"]["images"] == 3
    assert validated()["errors"] == []
    (fault,) = validated(caption_policy="required")["errors"]
    assert "1 of 3 images in tusiji have no caption" in fault["message"]


def test_a_dataset_that_was_made_before_subsets_has_one() -> None:
    ready_model()
    dataset = ready_dataset()
    item = table.get(datasets.key_of("acme", dataset))
    assert item
    old = {name: value for name, value in item.items() if name != "subsets"}
    del old["report"]["subsets"]
    table.write(Put(old, condition=None))
    request = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}

    read = DATASETS.get(f"/datasets/{dataset}").body
    (used,) = TRAININGS.post("/trainings/validate", request).body["datasets"]

    assert read["subsets"] == [{"prefix": "10_tusiji", "repeats": 10, "subject": "tusiji"}]
    assert read["report"]["subsets"] == []
    assert (used["folder"], used["subset"], used["images"]) == ("10_tusiji", None, 3)


def test_a_model_whose_header_told_less_can_be_trained() -> None:
    model = ready_model()
    ready_dataset()
    key = models.key_of("acme", model)
    item = table.get(key)
    assert item
    rewrite(key, header=without(item["header"], "header"))

    request = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}

    assert MODELS.get(f"/models/{model}").body["header"]["family"] == "unknown"
    assert TRAININGS.post("/trainings", request).status == 201
