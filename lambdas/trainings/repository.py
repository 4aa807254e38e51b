"""Trainings as they are read from the table and the bucket, and where all of one lies."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from lambdas.core import bucket, clock, presign, table
from lambdas.core.attributes import Item
from lambdas.core.errors import NotFound
from lambdas.core.ids import looks_like_id
from lambdas.core.table import Key, Page, Put
from lambdas.trainings.results_schema import TYPE_OF, Checkpoint, MetricsRow, TrainingEvent
from lambdas.trainings.schema import DatasetUsed, Progress, Status, Training

OPEN_SHARDS = 4


@dataclass(frozen=True)
class Kept:
    """A training's record with what the API does not show."""

    workspace: str
    training: Training
    provider_modified_ms: int


def key_of(workspace: str, training_id: str) -> Key:
    """Return where a training's item lies."""
    return Key(f"{workspace}#training", training_id)


def name_key(workspace: str, name: str) -> Key:
    """Return where the lock on a training's name lies."""
    return Key(f"{workspace}#training#name", name)


def folder_of(workspace: str, training_id: str) -> str:
    """Return the prefix under which all that a training has lies in the bucket."""
    return f"{workspace}/trainings/{training_id}/"


def checkpoints_of(workspace: str, training_id: str) -> str:
    """Return the prefix that the job's checkpoint folder is synced to."""
    return f"{folder_of(workspace, training_id)}checkpoints/"


def get(workspace: str, training_id: str) -> Kept:
    """Return a training.

    Raises NotFound.
    """
    kept = find(workspace, training_id)
    if kept is None:
        raise _no_such(training_id)
    return kept


def find(workspace: str, training_id: str) -> Kept | None:
    """Return a training, None when there is none of this id."""
    item = _item(workspace, training_id)
    return None if item is None else kept_from(item)


def item_of(workspace: str, training_id: str) -> Item:
    """Return a training's record.

    Raises NotFound.
    """
    item = _item(workspace, training_id)
    if item is None:
        raise _no_such(training_id)
    return item


def _item(workspace: str, training_id: str) -> Item | None:
    if not looks_like_id(training_id, "trn"):
        return None
    return table.get(key_of(workspace, training_id))


def _no_such(training_id: str) -> NotFound:
    return NotFound(f"There is no training {training_id} in this workspace.")


def kept_from(item: Item) -> Kept:
    """Turn a training's item into a training."""
    config_params = json.loads(item["config_params"])
    return Kept(
        workspace=str(item["pk"]).partition("#")[0],
        training=Training.model_validate(item | {"config_params": config_params}),
        provider_modified_ms=int(item.get("provider_modified_ms", 0)),
    )


def page(workspace: str, status: Status | None, limit: int, after: str | None) -> Page:
    """Return one page of trainings, newest first."""
    if status is None:
        return table.query(f"{workspace}#training", limit=limit, after=after)
    start = Key(f"{workspace}#training", after) if after else None
    return table.query_facet(facet_of(workspace, status), limit=limit, after=start)


def events(training_id: str) -> list[TrainingEvent]:
    """Return all that happened to a training, the oldest first: one call, as it is not much."""
    return [event_from(item) for item in table.query_all(events_of(training_id))]


def events_of(training_id: str) -> str:
    """Return the partition in which a training's events lie."""
    return f"{training_id}#event"


def metrics_from(workspace: str, training_id: str, since_step: int) -> Iterator[list[MetricsRow]]:
    """Yield the rows of the steps after `since_step`, a segment at a time, read when reached.

    What is younger than the last segment stands in the tail; that is read first, since what becomes
    a segment meanwhile leaves it.
    """
    prefix = f"{checkpoints_of(workspace, training_id)}metrics/"
    tail = _rows(f"{prefix}tail.jsonl")
    for found in bucket.objects_under(prefix):
        last = found.key.rpartition("/")[2].partition(".")[0].rpartition("-")[2]
        if not last.isdecimal() or int(last) <= since_step:
            continue
        yield [row for row in _rows(found.key) if row.step > since_step]
        # After an interruption segments may overlap until the job has tidied them in S3.
        since_step = int(last)
    yield [row for row in tail if row.step > since_step]


def _rows(key: str) -> list[MetricsRow]:
    return [MetricsRow.model_validate_json(line) for line in (bucket.read(key) or b"").splitlines()]


def read_progress(workspace: str, training_id: str) -> Progress | None:
    """Read what the container last told, None when it has told nothing or nothing sensible."""
    body = _progress_file(workspace, training_id)
    if body is None:
        return None
    try:
        return Progress.model_validate_json(body)
    except ValueError:
        return None


def read_failure(workspace: str, training_id: str) -> bytes | None:
    """Read what the container left of its failure, with the log's last lines; None: nothing."""
    return bucket.read(f"{checkpoints_of(workspace, training_id)}failure.json")


def read_checkpoints(workspace: str, training_id: str) -> list[Checkpoint]:
    """Read which LoRAs the container has finished, each with a URL to download it."""
    told = json.loads(_progress_file(workspace, training_id) or b"{}")
    found = [
        _checkpoint(checkpoints_of(workspace, training_id), lora) for lora in told.get("loras", [])
    ]
    return sorted(found, key=lambda one: (one.step or 0, one.file_name))


def read_digest(workspace: str, training_id: str, file_name: str) -> str | None:
    """Read the SHA-256 that the container reckoned of a LoRA; None where it told none."""
    try:
        told = json.loads(_progress_file(workspace, training_id) or b"{}")
        digests = {
            str(lora["file"]).rpartition("/")[2]: str(lora["sha256"]) for lora in told["loras"]
        }
    except (ValueError, TypeError, KeyError):
        return None
    return digests.get(file_name)


def _checkpoint(folder: str, told: Item) -> Checkpoint:
    file_name = str(told["file"]).rpartition("/")[2]
    return Checkpoint(
        file_name=file_name,
        epoch=told["epoch"],
        step=told["step"],
        size=told["size"],
        sha256=told["sha256"],
        download=presign.get(f"{folder}lora/{file_name}", file_name),
    )


def has_proposals(workspace: str, training_id: str) -> bool:
    """Say whether the job's tagger left captions to review."""
    prefix = f"{checkpoints_of(workspace, training_id)}captions/"
    return next(bucket.objects_under(prefix), None) is not None


def _progress_file(workspace: str, training_id: str) -> bytes | None:
    return bucket.read(f"{checkpoints_of(workspace, training_id)}progress.json")


def event_from(item: Item) -> TrainingEvent:
    """Turn an event's item into an event; its type follows from its status."""
    return TrainingEvent.model_validate({"type": TYPE_OF[item["status"]]} | item)


def trainings_from(items: Sequence[Item]) -> list[Training]:
    """Turn the items of a page into trainings."""
    return [kept_from(item).training for item in items]


def put_event(
    training_id: str,
    status: Status,
    message: str,
    at: datetime,
    provider_status: str | None = None,
) -> Put:
    """Return the write of an event; the same change told twice is written once."""
    # The same change told twice has the same key, so it stands in the list once.
    event_id = f"{clock.text(at)}~{provider_status or status}"
    event = TrainingEvent(
        id=event_id,
        type=TYPE_OF[status],
        at=at,
        status=status,
        provider_status=provider_status,
        message=message,
    )
    item = {"pk": events_of(training_id), "sk": event_id} | event.model_dump(mode="json")
    return Put(item, condition=None)


def uses_of(training: Training) -> list[Put]:
    """Return the writes that say who uses a model or a dataset."""
    continued = [training.continue_from.id] if training.continue_from else []
    used = [training.model.id, *continued, *(dataset.id for dataset in training.datasets)]
    each = dict.fromkeys(used)
    return [Put({"pk": f"{one}#use", "sk": training.id}, condition=None) for one in each]


def captions_key(workspace: str, training_id: str, dataset: DatasetUsed) -> str:
    """Return where the job leaves what its tagger proposed for a dataset, or for a subset."""
    number = "" if dataset.subset is None else f"-{dataset.subset:02d}"
    folder = checkpoints_of(workspace, training_id)
    return f"{folder}captions/{dataset.id}/captions{number}.jsonl"


def facet_of(workspace: str, status: Status) -> str:
    """Return the facet under which trainings of a status are listed."""
    return f"{workspace}#training#{status}"
