"""What a notice says: its type, when, and the resource as a read tells it, but what is large.

No URL that opens anything stands in it, since a notice leaves the workspace.
"""

import json
from typing import Any

from lambdas.core import table
from lambdas.core.attributes import Item
from lambdas.datasets import repository as datasets
from lambdas.models import repository as models
from lambdas.trainings import repository as trainings

# What may be large, or a person wrote into it: GET has it. The contract's notices are made by it.
LEFT_OUT: dict[str, dict[str, Any]] = {
    "training": {
        "config_params": True,
        "sample_prompts": True,
        "captioning": True,
        "steps": {"buckets"},
        "datasets": {"__all__": {"options"}},
        "failure": {"log_tail"},
        "progress": {"gpus"},
    },
    "dataset": {"report": {"findings", "sizes", "counts"}},
    "model": {"header": True, "import_": True},
}


def render(workspace: str, notice: Item) -> str:
    """Return the body of a notice, about the resource as it stands.

    What happened is in `type`; the resource may have gone on since, and one that is gone has its
    id alone.
    """
    kind, resource_id = str(notice["type"]).partition(".")[0], str(notice["resource_id"])
    data = _RESOURCES[kind](workspace, resource_id) or {"id": resource_id}
    body = {"type": notice["type"], "timestamp": notice["at"], "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _training(workspace: str, training_id: str) -> dict[str, Any] | None:
    kept = trainings.find(workspace, training_id)
    if kept is None:
        return None
    return kept.training.model_dump(mode="json", exclude=LEFT_OUT["training"])


def _dataset(workspace: str, dataset_id: str) -> dict[str, Any] | None:
    item = table.get(datasets.key_of(workspace, dataset_id))
    if item is None:
        return None
    return datasets.from_item(item).model_dump(mode="json", exclude=LEFT_OUT["dataset"])


def _model(workspace: str, model_id: str) -> dict[str, Any] | None:
    item = table.get(models.key_of(workspace, model_id))
    if item is None:
        return None
    return models.from_item(item).model_dump(mode="json", exclude=LEFT_OUT["model"])


_RESOURCES = {"training": _training, "dataset": _dataset, "model": _model}
