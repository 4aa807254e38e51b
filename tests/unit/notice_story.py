"""One thing of each kind that a webhook tells, for the examples of the contract."""

import pytest

from lambdas.core import bucket
from lambdas.notifier import sending
from tests.unit.fakes import FakeSageMaker, png
from tests.unit.hooks import HOOKS, Receiver, make_hook, tell
from tests.unit.recorder import Recorder
from tests.unit.scenes import (
    DATASETS,
    TRAININGS,
    complete_model,
    completed,
    ready_dataset,
    ready_model,
)
from tests.unit.test_training_status import end, leave_lora, send
from tests.unit.test_training_status import told as event_of

_WANTED = {"model": "sd-1-5", "datasets": [{"dataset": "rabbits"}]}


def tell_of_notices(
    recorder: Recorder, sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have everything happen that is told, and record the first notice of each type."""
    receiver = Receiver()
    monkeypatch.setattr(sending, "post", receiver.post)
    tell()  # of what came before; nobody is told
    hook = make_hook()
    HOOKS.post(f"/webhooks/{hook['id']}/test")
    ready_model("sd-1-5"), ready_dataset("rabbits"), tell()
    complete_model(b"no safetensors at all", "torn"), _dataset_without_captions(), tell()
    _succeed(sagemaker)
    _stop(sagemaker)
    _fail(sagemaker)
    for one in receiver.received:
        recorder.notice(one.told)


def _dataset_without_captions() -> None:
    image = png(512, 512)
    files = [{"name": "1.png", "size": len(image)}]
    wanted = {"name": "no-captions", "prefix": "10_hare", "files": files}
    dataset_id = DATASETS.post("/datasets", wanted).body["dataset"]["id"]
    bucket.put(f"acme/datasets/{dataset_id}/10_hare/1.png", image)
    completed(dataset_id)


def _succeed(sagemaker: FakeSageMaker) -> None:
    made = TRAININGS.post("/trainings", _WANTED | {"name": "rabbit-style"}).body
    for secondary, at in (("Training", 2), ("Interrupted", 3)):
        send(event_of(made, "InProgress", secondary, at)), tell()
    leave_lora(made)
    end(sagemaker, made, "Completed", "Completed"), tell()


def _stop(sagemaker: FakeSageMaker) -> None:
    made = TRAININGS.post("/trainings", _WANTED | {"name": "stopped"}).body
    TRAININGS.post(f"/trainings/{made['id']}/cancel")
    end(sagemaker, made, "Stopped", "Stopped"), tell()


def _fail(sagemaker: FakeSageMaker) -> None:
    made = TRAININGS.post("/trainings", _WANTED | {"name": "broken"}).body
    reason = "no_lora: The training ended without a LoRA. Look at its log."
    end(sagemaker, made, "Failed", "Failed", FailureReason=reason), tell()
