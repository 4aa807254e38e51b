"""A world with one thing of every kind, and for each route of the contract a request that it takes.

The tests that hold every route to something walk this table; `test_every_route.py` holds the table
to openapi.yaml, so that a route which is not here fails.
"""

import copy
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends

from lambdas.access import handler as access
from lambdas.access import workspaces
from lambdas.asset_worker import handler as worker
from lambdas.core import bucket, clock, multipart
from lambdas.core.ids import ulid
from lambdas.datasets import handler as datasets
from lambdas.datasets import images, proposals
from lambdas.datasets.caption_text import etag_of
from lambdas.datasets.images import Image
from lambdas.models import handler as models_handler
from lambdas.models import repository as models
from lambdas.training_status import handler as status
from lambdas.trainings import handler as trainings
from lambdas.webhooks import handler as webhooks
from tests.unit.fakes import (
    LORA,
    Answer,
    AwsCalls,
    Client,
    Context,
    FakeSageMaker,
    png,
    safetensors_file,
)
from tests.unit.scenes import (
    DATASETS,
    MODELS,
    TRAININGS,
    lose_messages,
    ready_dataset,
    ready_model,
    work,
)

_CLIENTS = {
    "datasets": DATASETS,
    "models": MODELS,
    "trainings": TRAININGS,
    "training-options": TRAININGS,
    "tokens": Client(access.handler),
    "health": Client(access.handler),
    "workspace": Client(access.handler),
    "audit": Client(access.handler),
    "webhooks": Client(webhooks.handler),
}
_APPS = {"datasets": datasets.app, "models": models_handler.app, "trainings": trainings.app}
_APPS |= {"tokens": access.app, "webhooks": webhooks.app}
_LORA = safetensors_file(LORA)
_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_RANDOM = re.compile(
    r'("upload_id": {"S": "|open#|pending#|"notice#|"delivery#|"whsec_|"old_until": {"N": ")([\w=./+-]+)'
)
# How often a lease was taken, when something ends by itself, who holds it, and what of a request
# that broke off is told otherwise: a few examples, and outcomes of proposals (none is there then).
_PASSING = {
    *("attempts", "expires_at", "claim", "running_until", "lookup", "valid_until"),
    *("examples", "kept", "provider_modified_ms"),
}


@dataclass(frozen=True)
class Call:
    """A request: `other` is another body that the route takes, with nothing in common."""

    path: str
    body: Any = None
    other: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class World:
    """One thing of every kind, by what it is; it can be brought back to how it was made."""

    aws_calls: AwsCalls
    sagemaker: FakeSageMaker
    minutes: float = 0
    ids: dict[str, str] = field(default_factory=dict)
    _before: Any = None

    def ask(
        self,
        route: str,
        call: Call,
        key: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request of the table, as it stands there or otherwise."""
        client = _CLIENTS[call.path.split("/")[1]]
        sent = {**call.headers, **(headers or {})} | ({"Idempotency-Key": key} if key else {})
        return client.request(route.split()[0], call.path, body or call.body, sent, query)

    def ask_between(self, route: str, call: Call, key: str | None) -> Answer:
        """Send a request while another is being served, as by another process."""
        app = _APPS[call.path.split("/")[1]]
        context, event = dict(app.context), app.current_event
        answer = self.ask(route, call, key)
        app.context.update(context)
        BaseRouter.current_event = event
        return answer

    def make(self) -> None:
        workspaces.make("acme")
        self.ids["model"] = ready_model()
        self.ids["dataset"] = ready_dataset(images=1)
        self.ids["draft"] = _draft()
        image = next(iter(images.known(self.ids["dataset"])))
        self.ids |= {"image": image.id, "etag": etag_of(image)}
        self.ids["running"] = _training("running")
        self.ids["failed"] = self._failed("failed")
        self.ids["upload"] = _upload()
        self.ids["token"] = _made(_CLIENTS["tokens"].post("/tokens", {"name": "for tests"}), "id")
        hook = {"url": "https://example.com/hook"}
        self.ids["webhook"] = _made(_CLIENTS["webhooks"].post("/webhooks", hook), "id")
        for name in ("a.png", "a.txt"):
            bucket.put(f"acme/inbox/3_y/{name}", _content(name))
        bucket.put("acme/inbox/new.safetensors", _LORA)
        nothing = {"tag": "nothing"}
        DATASETS.post(f"/datasets/{self.ids['dataset']}/captions/remove-tag", nothing)
        self._propose(image)
        self.settle()
        self._before = (
            copy.deepcopy(_rows()),
            {one.key: bucket.read(one.key) for one in bucket.objects_under("")},
            dict(_uploads()),
            copy.deepcopy(self.sagemaker.jobs),
        )

    def restore(self) -> None:
        """Bring everything back."""
        rows, objects, uploads, jobs = self._before
        self.aws_calls.reset()
        self.minutes = 0
        dynamodb_backends["123456789012"]["us-east-1"].tables["table"].items = copy.deepcopy(rows)
        stored = {one.key: one.etag for one in bucket.objects_under("")}
        bucket.delete_all([key for key in stored if key not in objects])
        for key, data in objects.items():
            if stored.get(key, "").strip('"') != hashlib.md5(data).hexdigest():
                bucket.put(key, data)
        if _uploads().keys() != uploads.keys():
            _uploads().clear(), _uploads().update(uploads)
            _put_part(self.ids["upload"])  # moto closes those of an upload that has ended
        self.sagemaker.jobs = copy.deepcopy(jobs)
        lose_messages()
        self.aws_calls.reset()

    def settle(self) -> None:
        """Let minutes pass, and everybody do what is theirs to do."""
        self.minutes += 7
        worker.handler({"detail-type": "Reconcile"}, Context())
        status.handler({"detail-type": "Reconcile"}, Context())
        work()

    def seen(self) -> list[str]:
        """Return all that is kept, without what differs from one time to the next."""
        partitions = _rows().values()
        items = [item.to_json()["Attributes"] for one in partitions for item in one.values()]
        # A request that broke off and its repeat may both be recorded: tests/unit/test_audit.py.
        rows = [_told(one) for one in items if "#audit" not in one["pk"]["S"]]
        objects = [f"object {_plain(one.key)}" for one in bucket.objects_under("")]
        uploads = [f"upload {_plain(key)}" for key, _ in multipart.uploads_under("")]
        jobs = [f"job {_plain(name)}" for name in self.sagemaker.jobs]
        return sorted([*rows, *objects, *uploads, *jobs])

    def _failed(self, name: str) -> str:
        self.sagemaker.refuse_with = ("ValidationException", "No such image")
        training = _training(name)
        self.sagemaker.refuse_with = None
        return training

    def _propose(self, image: Image) -> None:
        proposal = proposals.Proposal(
            image_id=image.id,
            name=image.name,
            text="1girl",
            tags=("1girl",),
            tagger="wd14",
            training_id=self.ids["failed"],
            base=etag_of(image),
            proposed_at=clock.now(),
        )
        proposals.keep(self.ids["dataset"], [proposal])


def stopped_clock(world: World) -> Callable[[], Any]:
    """Return a clock that goes on as the world's minutes do."""
    real = clock.now
    return lambda: real() + timedelta(minutes=world.minutes)


def _uploads() -> Any:
    return s3_backends["123456789012"]["aws"].buckets["bucket"].multiparts


def _rows() -> Any:
    return dynamodb_backends["123456789012"]["us-east-1"].tables["table"].items


def _told(attributes: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in attributes.items() if name not in _PASSING}
    return _plain(json.dumps(kept, sort_keys=True, default=str))


def _plain(text: str) -> str:
    text = _RANDOM.sub(r"\1RANDOM", text)
    return re.sub(r"[0-9a-f]{64}", "HASH", _TIME.sub("TIME", _ULID.sub("ULID", text)))


def _made(answer: Answer, *names: str) -> str:
    assert answer.status in (201, 202), answer
    found = answer.body
    for name in names:
        found = found[name]
    return str(found)


def _content(name: str) -> bytes:
    return png(256, 256) if name.endswith(".png") else b"a rabbit"


def _draft() -> str:
    files = [{"name": name, "size": len(_content(name))} for name in ("a.png", "a.txt")]
    wanted = {"name": "draft", "prefix": "2_x", "files": files}
    dataset_id = _made(DATASETS.post("/datasets", wanted), "dataset", "id")
    for name in ("a.png", "a.txt"):
        bucket.put(f"acme/datasets/{dataset_id}/2_x/{name}", _content(name))
    return dataset_id


def _training(name: str) -> str:
    wanted = {"name": name, "model": "base", "datasets": [{"dataset": "tusiji"}]}
    return _made(TRAININGS.post("/trainings", wanted), "id")


def _upload() -> str:
    wanted = {"name": "half", "type": "lora", "file_name": "half.safetensors", "size": len(_LORA)}
    model_id = _made(MODELS.post("/models", wanted), "model", "id")
    _put_part(model_id)
    return model_id


def _put_part(model_id: str) -> None:
    _, upload = models.get_upload("acme", model_id)
    assert upload
    multipart.put_part(f"acme/models/{model_id}/half.safetensors", upload.upload_id, 1, _LORA)


def calls_of(ids: Mapping[str, str]) -> dict[str, Call]:
    """Return a request for each route of the contract."""
    dataset, draft, model = f"/datasets/{ids['dataset']}", f"/datasets/{ids['draft']}", ids["model"]
    image = f"{dataset}/images/{ids['image']}/caption"
    webhook = f"/webhooks/{ids['webhook']}"
    running, failed = f"/trainings/{ids['running']}", f"/trainings/{ids['failed']}"
    upload, chosen = f"/models/{ids['upload']}", {"image_ids": [ids["image"]]}
    new = {"model": "base", "datasets": [{"dataset": "tusiji"}]}
    file = {"name": "b.png", "size": 9}
    other_file = {"name": "c.png", "size": 9}
    inbox = "s3://bucket/acme/inbox/3_y"
    weights = {"file_name": "new.safetensors", "size": 99}
    caption = {"image_id": ids["image"], "text": "new", "etag": ids["etag"]}
    return {
        "GET /health": Call("/health"),
        "GET /datasets": Call("/datasets"),
        "POST /datasets": Call(
            "/datasets",
            {"name": "new", "prefix": "1_x", "files": [file]},
            {"name": "other", "prefix": "1_x", "files": [file]},
        ),
        "POST /datasets/import": Call(
            "/datasets/import", {"name": "new", "s3_uri": inbox}, {"name": "other", "s3_uri": inbox}
        ),
        "GET /datasets/{dataset_id}": Call(dataset),
        "DELETE /datasets/{dataset_id}": Call(draft),
        "PATCH /datasets/{dataset_id}": Call(dataset, {"name": "renamed", "tags": ["a"]}),
        "PUT /datasets/{dataset_id}/captions": Call(f"{dataset}/captions", {"captions": [caption]}),
        "POST /datasets/{dataset_id}/captions/add-tag": Call(
            f"{dataset}/captions/add-tag", {"tag": "rabbit"}, {"tag": "hare"}
        ),
        "GET /datasets/{dataset_id}/captions/edit": Call(f"{dataset}/captions/edit"),
        "POST /datasets/{dataset_id}/captions/remove-tag": Call(
            f"{dataset}/captions/remove-tag", {"tag": "abc"}, {"tag": "hare"}
        ),
        "POST /datasets/{dataset_id}/captions/replace": Call(
            f"{dataset}/captions/replace",
            {"find": "abc", "replace": "xyz"},
            {"find": "b", "replace": "y"},
        ),
        "POST /datasets/{dataset_id}/complete": Call(f"{draft}/complete"),
        "POST /datasets/{dataset_id}/crop": Call(
            f"{dataset}/crop",
            {"name": "new", "resolution": 128},
            {"name": "other", "resolution": 128},
        ),
        "GET /datasets/{dataset_id}/export": Call(f"{dataset}/export"),
        "GET /datasets/{dataset_id}/images": Call(f"{dataset}/images"),
        "GET /datasets/{dataset_id}/images/{image_id}/caption": Call(image),
        "PUT /datasets/{dataset_id}/images/{image_id}/caption": Call(
            image, {"text": "new"}, headers={"If-Match": "*"}
        ),
        "GET /datasets/{dataset_id}/images/{image_id}/caption/versions": Call(f"{image}/versions"),
        "GET /datasets/{dataset_id}/proposals": Call(f"{dataset}/proposals"),
        "POST /datasets/{dataset_id}/proposals/accept": Call(
            f"{dataset}/proposals/accept", chosen, {"all": True}
        ),
        "POST /datasets/{dataset_id}/proposals/refuse": Call(
            f"{dataset}/proposals/refuse", chosen, {"all": True}
        ),
        "GET /datasets/{dataset_id}/report": Call(f"{dataset}/report"),
        "GET /datasets/{dataset_id}/tags": Call(f"{dataset}/tags"),
        "POST /datasets/{dataset_id}/uploads": Call(
            f"{draft}/uploads", {"files": [file]}, {"files": [other_file]}
        ),
        "GET /models": Call("/models"),
        "POST /models": Call("/models", {"name": "new", **weights}, {"name": "other", **weights}),
        "POST /models/import": Call(
            "/models/import",
            {"name": "new", "s3_uri": "s3://bucket/acme/inbox/new.safetensors"},
            {"name": "other", "s3_uri": "s3://bucket/acme/inbox/new.safetensors"},
        ),
        "GET /models/{model_id}": Call(f"/models/{model}"),
        "GET /workspace": Call("/workspace"),
        "GET /audit": Call("/audit"),
        "GET /webhooks": Call("/webhooks"),
        "POST /webhooks": Call(
            "/webhooks",
            {"url": "https://example.com/new"},
            {"url": "https://example.com/other", "events": ["model.ready"]},
        ),
        "GET /webhooks/{webhook_id}": Call(webhook),
        "PATCH /webhooks/{webhook_id}": Call(webhook, {"description": "new", "enabled": False}),
        "DELETE /webhooks/{webhook_id}": Call(webhook),
        "POST /webhooks/{webhook_id}/rotate": Call(f"{webhook}/rotate"),
        "POST /webhooks/{webhook_id}/test": Call(f"{webhook}/test"),
        "GET /webhooks/{webhook_id}/deliveries": Call(f"{webhook}/deliveries"),
        "DELETE /models/{model_id}": Call(upload),
        "PATCH /models/{model_id}": Call(f"/models/{model}", {"name": "renamed"}),
        "GET /models/{model_id}/civitai-info": Call(f"/models/{model}/civitai-info"),
        "POST /models/{model_id}/complete": Call(f"{upload}/complete"),
        "GET /models/{model_id}/uploads": Call(f"{upload}/uploads"),
        "POST /models/{model_id}/uploads": Call(
            f"{upload}/uploads", {"part_numbers": [1]}, {"part_numbers": [1, 1]}
        ),
        "GET /models/{model_id}/webui-metadata": Call(f"/models/{model}/webui-metadata"),
        "GET /tokens": Call("/tokens"),
        "POST /tokens": Call("/tokens", {"name": "new"}, {"name": "other"}),
        "DELETE /tokens/{token_id}": Call(f"/tokens/{ids['token']}"),
        "GET /training-options": Call("/training-options"),
        "GET /trainings": Call("/trainings"),
        "POST /trainings": Call("/trainings", new | {"name": "new"}, new | {"name": "other"}),
        "POST /trainings/validate": Call(
            "/trainings/validate", new | {"name": "new"}, new | {"name": "other"}
        ),
        "GET /trainings/{training_id}": Call(running),
        "DELETE /trainings/{training_id}": Call(failed),
        "PATCH /trainings/{training_id}": Call(running, {"tags": {"kind": "rabbit"}}),
        "POST /trainings/{training_id}/cancel": Call(f"{running}/cancel"),
        "GET /trainings/{training_id}/captions": Call(f"{running}/captions"),
        "GET /trainings/{training_id}/checkpoints": Call(f"{running}/checkpoints"),
        "GET /trainings/{training_id}/events": Call(f"{running}/events"),
        "GET /trainings/{training_id}/logs": Call(f"{running}/logs"),
        "GET /trainings/{training_id}/metrics": Call(f"{running}/metrics"),
        "GET /trainings/{training_id}/samples": Call(f"{running}/samples"),
        "GET /trainings/{training_id}/tensorboard": Call(f"{running}/tensorboard"),
    }


def new_key() -> str:
    """Return an Idempotency-Key that nobody has used."""
    return ulid()
