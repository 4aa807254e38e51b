"""The examples of the contract are what the handlers take and answer: one story through all routes.

`make examples` tells the story and writes contract/examples.json anew.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from contract.reading import read_yaml
from lambdas.access import workspaces
from lambdas.core import aws, bucket
from lambdas.core.reads import SPARSE
from lambdas.models import repository
from tests.unit.fakes import LORA, SD_1_5, FakeSageMaker, png, safetensors_file
from tests.unit.notice_story import tell_of_notices
from tests.unit.pictures import jpeg
from tests.unit.recorder import Recorder
from tests.unit.scenes import ready_dataset, work
from tests.unit.test_captioning import put_captions
from tests.unit.test_training_results import leave, leave_log
from tests.unit.test_training_status import end, leave_lora

ROOT = Path(__file__).parents[2]
FILE = ROOT / "contract" / "examples.json"
CONTRACT: dict[str, Any] = read_yaml(ROOT / "openapi.yaml")
OPERATIONS = {
    operation["operationId"]: operation
    for operations in CONTRACT["paths"].values()
    for operation in operations.values()
}
SCHEMAS = CONTRACT["components"]["schemas"]
NOTICES = {entry["post"]["operationId"]: entry["post"] for entry in CONTRACT["webhooks"].values()}
NO_EXAMPLE = {"getOpenApi", "getDocs"}  # they are the document itself
RECORD = "LORASTACK_RECORD_EXAMPLES"


@pytest.fixture
def told(
    aws_calls: object, sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The story, from the first upload to the last deletion."""
    recorder = Recorder(CONTRACT)
    dataset_id = tell_of_a_dataset(recorder)
    model_id = tell_of_a_model(recorder)
    training = tell_of_a_training(recorder, sagemaker)
    tell_of_proposals(recorder, sagemaker, training, dataset_id)
    tell_of_the_end(recorder, dataset_id, model_id)
    recorder.call("deleteTraining", training_id=training["id"])
    tell_of_notices(recorder, sagemaker, monkeypatch)
    return recorder.examples


def bytes_of(name: str) -> bytes:
    """What a file of the example has: images of three shapes, and a caption."""
    sides = {"1.png": (512, 512), "2.png": (512, 768), "3.png": (768, 512)}
    return png(*sides[name]) if name in sides else b"tusiji, a white rabbit"


def tell_of_a_dataset(recorder: Recorder) -> str:
    files = ["1.png", "1.txt", "2.png", "2.txt"]
    made = recorder.call(
        "createDataset",
        {
            "name": "tusiji",
            "description": "Stickers of one rabbit.",
            "prefix": "10_tusiji",
            "files": [{"name": one, "size": len(bytes_of(one))} for one in files],
        },
        headers={"Idempotency-Key": "6c2f4c1e"},
    )
    dataset_id = made.body["dataset"]["id"]
    more = [
        {"name": "3.png", "size": len(bytes_of("3.png"))},
        {"name": "3.txt", "size": len(bytes_of("3.txt"))},
    ]
    recorder.call("createDatasetUploads", {"files": more}, dataset_id=dataset_id)
    for one in (*files, "3.png", "3.txt"):
        bucket.put(f"acme/datasets/{dataset_id}/10_tusiji/{one}", bytes_of(one))
    recorder.call("completeDataset", dataset_id=dataset_id)
    work()
    recorder.call("getDataset", dataset_id=dataset_id)
    recorder.call("listDatasets")
    recorder.call("getDatasetReport", query={"resolution": "512"}, dataset_id=dataset_id)
    images = recorder.call("listDatasetImages", dataset_id=dataset_id).body["data"]
    recorder.call("exportDataset", dataset_id=dataset_id)
    recorder.call(
        "updateDataset", {"description": "Stickers.", "tags": ["rabbit"]}, dataset_id=dataset_id
    )
    tell_of_captions(recorder, dataset_id, images)
    recorder.call("cropDataset", {"name": "tusiji-512", "resolution": 512}, dataset_id=dataset_id)
    bucket.put("acme/inbox/100_demo/demo1.jpg", jpeg(1))
    bucket.put("acme/inbox/100_demo/demo1.txt", b"a rabbit")
    recorder.call("importDataset", {"name": "demo", "s3_uri": "s3://bucket/acme/inbox/100_demo"})
    work()
    return dataset_id


def tell_of_captions(recorder: Recorder, dataset_id: str, images: list[dict[str, Any]]) -> None:
    first, second = ({"dataset_id": dataset_id, "image_id": one["id"]} for one in images[:2])
    etag = recorder.call("getCaption", **first).headers["ETag"]
    text = "tusiji, a white rabbit, waving"
    recorder.call("putCaption", {"text": text}, headers={"If-Match": etag}, **first)
    recorder.call("listCaptionVersions", **first)
    of_second = recorder.call("getCaption", **second).headers["ETag"].strip('"')
    writes = [{"image_id": second["image_id"], "text": "tusiji, asleep", "etag": of_second}]
    recorder.call("putCaptions", {"captions": writes}, dataset_id=dataset_id)
    recorder.call(
        "replaceInCaptions", {"find": "a white rabbit", "replace": "white"}, dataset_id=dataset_id
    )
    recorder.call("addTag", {"tag": "sticker", "position": "end"}, dataset_id=dataset_id)
    recorder.call("removeTag", {"tag": "asleep"}, dataset_id=dataset_id)
    recorder.call("getCaptionEdit", dataset_id=dataset_id)
    recorder.call("countTags", dataset_id=dataset_id)


def tell_of_a_model(recorder: Recorder) -> str:
    content = safetensors_file(SD_1_5)
    made = recorder.call(
        "createModel",
        {
            "name": "base",
            "type": "checkpoint",
            "file_name": "v1-5-pruned-emaonly.safetensors",
            "size": len(content),
        },
        headers={"Idempotency-Key": "b81d4a07"},
    )
    model_id = made.body["model"]["id"]
    recorder.call("createModelUploads", {"part_numbers": [1]}, model_id=model_id)
    model, upload = repository.get_upload("acme", model_id)
    assert upload
    part = aws.s3().upload_part(
        Bucket="bucket",
        Key=repository.file_key("acme", model),
        UploadId=upload.upload_id,
        PartNumber=1,
        Body=content,
    )
    recorder.call("getModelUploads", model_id=model_id)
    parts = [{"part_number": 1, "etag": part["ETag"]}]
    recorder.call("completeModel", {"parts": parts}, model_id=model_id)
    recorder.call("getModel", model_id=model_id)
    recorder.call("listModels", query={"type": "checkpoint"})
    recorder.call(
        "updateModel", {"description": "The usual base.", "tags": ["base"]}, model_id=model_id
    )
    bucket.put("acme/inbox/rabbit.safetensors", safetensors_file(LORA))
    imported = {
        "name": "rabbit",
        "type": "lora",
        "s3_uri": "s3://bucket/acme/inbox/rabbit.safetensors",
    }
    lora_id = recorder.call("importModel", imported).body["id"]
    work()
    recorder.call("getModelCivitaiInfo", model_id=lora_id)
    recorder.call("getModelWebuiMetadata", model_id=lora_id)
    recorder.call("deleteModel", model_id=lora_id)
    return model_id


def tell_of_a_training(recorder: Recorder, sagemaker: FakeSageMaker) -> dict[str, Any]:
    wanted = {
        "name": "tusiji-style",
        "model": "base",
        "datasets": [{"dataset": "tusiji"}],
        "config_params": {"max_train_epochs": 8, "network_dim": 16},
        "sample_prompts": [{"prompt": "tusiji, dancing", "seed": 7}],
    }
    recorder.call("getTrainingOptions")
    recorder.call("validateTraining", wanted)
    made = recorder.call("createTraining", wanted, headers={"Idempotency-Key": "0d9f31c2"}).body
    row = {"step": 1, "steps": 1, "epoch": 1, "loss": 0.132, "average_loss": 0.132}
    leave(made, "checkpoints/metrics/00000001-00000001.jsonl", json.dumps(row).encode())
    leave(made, "checkpoints/samples/00000030-000001-00.png")
    leave(made, "logs/20270115080000/network_train/events.out.tfevents.1800000000.algo-1.1.0")
    leave_log(made, "00000001-00000002", (1, 2))
    leave_lora(made, "tusiji-style-000001.safetensors")
    put_captions(made, 0, 2, "white rabbit")
    given = {"training_id": made["id"]}
    for operation_id in (
        *("getTraining", "listTrainingEvents", "getTrainingMetrics", "listTrainingSamples"),
        *("getTrainingLogs", "listTrainingCheckpoints", "listTrainingTensorBoardFiles"),
        *("listTrainingCaptions", "cancelTraining"),
    ):
        recorder.call(operation_id, **given)
    recorder.call("listTrainings")
    end(sagemaker, made, "Stopped", "Stopped")
    recorder.call("updateTraining", {"tags": {"style": "sticker"}}, **given)
    return made


def tell_of_proposals(
    recorder: Recorder, sagemaker: FakeSageMaker, training: dict[str, Any], dataset_id: str
) -> None:
    header = {"version": 1, "dataset_id": dataset_id, "captioning": {"tagger": "wd14"}, "images": 2}
    lines = [
        {"file_name": f"{n}.png", "tags": ["rabbit"], "caption": "rabbit, solo", "tagger": "wd14"}
        for n in (1, 2)
    ]
    wanted = {"name": "tagged", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    made = recorder.call("createTraining", wanted).body
    text = "\n".join(json.dumps(one) for one in (header, *lines))
    leave(made, f"checkpoints/captions/{dataset_id}/captions.jsonl", text.encode())
    end(sagemaker, made, "Failed", "Failed", FailureReason="no_lora: none came out")
    work()
    found = recorder.call("listProposals", dataset_id=dataset_id).body["data"]
    first, second = (one["image_id"] for one in found)
    recorder.call("acceptProposals", {"image_ids": [first]}, dataset_id=dataset_id)
    recorder.call("refuseProposals", {"image_ids": [second]}, dataset_id=dataset_id)


def tell_of_the_end(recorder: Recorder, dataset_id: str, model_id: str) -> None:
    workspaces.make("acme")
    recorder.call("getHealth")
    made = recorder.call("createToken", {"name": "nightly", "role": "trainer"})
    recorder.call("listTokens")
    hook = {"url": "https://example.com/hooks/lora", "events": ["training.succeeded"]}
    webhook_id = recorder.call("createWebhook", hook).body["id"]
    recorder.call("listWebhooks")
    for operation_id in (
        *("getWebhook", "rotateWebhookSecret", "testWebhook", "listWebhookDeliveries"),
    ):
        recorder.call(operation_id, webhook_id=webhook_id)
    recorder.call("updateWebhook", {"enabled": False}, webhook_id=webhook_id)
    recorder.call("deleteWebhook", webhook_id=webhook_id)
    recorder.call("getWorkspace")
    recorder.call("listAuditEvents")
    recorder.call("deleteToken", token_id=made.body["id"])
    recorder.call("deleteDataset", dataset_id=ready_dataset("old"))


def test_the_examples_are_what_the_handlers_answer(told: dict[str, Any]) -> None:
    if os.environ.get(RECORD):
        FILE.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    kept = json.loads(FILE.read_text(encoding="utf-8"))

    for name in told.keys() | kept.keys():
        assert kept.get(name) == told.get(name), f"{name}: run `make examples`, look, commit"


def test_every_operation_has_an_example() -> None:
    told = {*OPERATIONS, *NOTICES} - NO_EXAMPLE
    assert set(json.loads(FILE.read_text(encoding="utf-8"))) == told


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - NO_EXAMPLE))
def test_an_example_stands_in_the_contract_and_fits_its_schema(name: str) -> None:
    operation = OPERATIONS[name]
    if "requestBody" in operation:
        must_fit(operation["requestBody"]["content"]["application/json"])
    (success,) = (one for status, one in operation["responses"].items() if status < "300")
    for kind, content in success.get("content", {}).items():
        if kind != SPARSE:  # the same with fields left out
            must_fit(content)


@pytest.mark.parametrize("name", sorted(NOTICES))
def test_a_notice_stands_in_the_contract_with_the_fields_that_it_is_sent_with(name: str) -> None:
    content = NOTICES[name]["requestBody"]["content"]["application/json"]
    must_fit(content)
    kind, data = content["example"]["type"].partition(".")[0], content["example"]["data"]
    if kind != "webhook":
        fields = SCHEMAS[f"{kind.capitalize()}InNotice"]["properties"]
        assert set(data) == set(fields)
        for field, inner in data.items():
            part = re.search(r"\w+InNotice", str(fields[field]))
            if part and isinstance(inner, dict):
                assert set(inner) == set(SCHEMAS[part[0]]["properties"]), field


def must_fit(content: dict[str, Any]) -> None:
    schema = without_classes({**content["schema"], "components": CONTRACT["components"]})
    faults = list(Draft202012Validator(schema).iter_errors(content["example"]))
    assert faults == [], faults[0].message


def without_classes(schema: Any) -> Any:
    """Return a schema without the patterns that name classes of Unicode: Python's re has none."""
    if isinstance(schema, list):
        return [without_classes(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: without_classes(value)
        for key, value in schema.items()
        if not (key == "pattern" and isinstance(value, str) and "\\p{" in value)
    }
