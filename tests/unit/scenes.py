"""Scenes that the unit tests of trainings begin with."""

from collections.abc import Mapping
from typing import Any

from lambdas.asset_worker import handler as worker
from lambdas.core import aws, bucket, multipart
from lambdas.core.queue import Settings
from lambdas.datasets import handler as datasets
from lambdas.models import handler as models
from lambdas.models import repository
from lambdas.trainings import handler as trainings
from tests.unit.fakes import SD_1_5, Answer, Client, Context, png, safetensors_file
from tests.unit.kept import played_once

Shapes = Mapping[str, list[int]]

DATASETS = Client(datasets.handler)
MODELS = Client(models.handler)
TRAININGS = Client(trainings.handler)


def content_of(name: str) -> bytes:
    """Return what a file of that name has in these scenes."""
    return png(512, 512) if name.lower().endswith(".png") else b"abc"


@played_once
def ready_dataset(
    name: str = "tusiji", images: int = 3, prefix: str = "10_tusiji", client: Client = DATASETS
) -> str:
    """Make a dataset of captioned images, upload and complete it; return its id."""
    files = [f"{index}.{suffix}" for index in range(images) for suffix in ("png", "txt")]
    made = client.post(
        "/datasets",
        {
            "name": name,
            "prefix": prefix,
            "files": [{"name": one, "size": len(content_of(one))} for one in files],
        },
    )
    dataset_id = made.body["dataset"]["id"]
    for one in files:
        key = f"{client.workspace}/datasets/{dataset_id}/{prefix}/{one}"
        bucket.put(key, content_of(one))
    assert completed(dataset_id, client).body["status"] == "ready"
    return dataset_id


def completed(dataset_id: str, client: Client = DATASETS) -> Answer:
    """Complete a dataset, let the worker check it, and return what it is then."""
    asked = client.post(f"/datasets/{dataset_id}/complete")
    if asked.status != 202:
        return asked
    work()
    return client.get(f"/datasets/{dataset_id}")


def work() -> int:
    """Give the worker what is in its queue until that is empty; return how many it took."""
    taken = 0
    while records := _received():
        taken += len(records)
        answer = worker.handler({"Records": records}, Context())
        assert answer == {"batchItemFailures": []}, "the worker failed: its log says why"
    return taken


def left_behind() -> list[str]:
    """Return the keys of all objects in the bucket and of all uploads under way."""
    objects = [one.key for one in bucket.objects_under("")]
    return objects + [key for key, _ in multipart.uploads_under("")]


def lose_messages() -> None:
    """Empty the worker's queue, as if nothing had been sent."""
    while _received():
        pass


def _received() -> list[dict[str, Any]]:
    url = Settings.load().asset_queue_url
    found = aws.sqs().receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])
    for one in found.get("Messages", []):
        aws.sqs().delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    return [
        {
            "messageId": one["MessageId"],
            "receiptHandle": one["ReceiptHandle"],
            "body": one["Body"],
            "attributes": one["Attributes"],
            "messageAttributes": {},
            "eventSource": "aws:sqs",
        }
        for one in found.get("Messages", [])
    ]


def complete_model(
    content: bytes, name: str = "base", client: Client = MODELS, kind: str = "checkpoint"
) -> Answer:
    """Make a model, upload its bytes as one part and complete it."""
    wanted = {"name": name, "type": kind, "file_name": "base.safetensors", "size": len(content)}
    made = client.post("/models", wanted)
    model, upload = repository.get_upload(client.workspace, made.body["model"]["id"])
    assert upload
    part = aws.s3().upload_part(
        Bucket="bucket",
        Key=repository.file_key(client.workspace, model),
        UploadId=upload.upload_id,
        PartNumber=1,
        Body=content,
    )
    parts = [{"part_number": 1, "etag": part["ETag"]}]
    return client.post(f"/models/{model.id}/complete", {"parts": parts})


@played_once
def ready_model(name: str = "base", shapes: Shapes = SD_1_5, client: Client = MODELS) -> str:
    """Make a model that is ready; return its id."""
    answer = complete_model(safetensors_file(shapes), name, client)
    assert answer.status == 200, answer
    return answer.body["id"]
