"""Trainings in the table: made once, followed, ended once; their job and metrics in the bucket."""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lambdas.core import bucket, clock, table
from lambdas.core.errors import Conflict, Fault, NotFound, TooManyRequests
from lambdas.core.idempotency import Attempt
from lambdas.core.ids import looks_like_id, sibling
from lambdas.core.names import name_taken
from lambdas.core.table import Check, ConditionFailed, Delete, Item, Key, Page, Put, Update, Write
from lambdas.datasets import repository as datasets
from lambdas.models import repository as models
from lambdas.models.schema import Model
from lambdas.trainings.plan import Found
from lambdas.trainings.schema import (
    FINAL,
    Failure,
    Job,
    MetricsRow,
    NewTraining,
    Progress,
    Status,
    Training,
    TrainingEvent,
)

OPEN_SHARDS = 4
_FINAL_VALUES = {f"final_{status}": status for status in sorted(FINAL)}
_OURS_OR_GONE = "attribute_not_exists(#pk) OR #id = :id"
_NOT_FINAL = "NOT #status IN (" + ", ".join(f":{name}" for name in _FINAL_VALUES) + ")"


@dataclass(frozen=True)
class References:
    """The ids that a request's names stand for; None for a name that nothing has."""

    model: str | None
    datasets: tuple[str | None, ...]


@dataclass(frozen=True)
class Kept:
    """A training's record with what the API does not show."""

    workspace: str
    training: Training
    provider_modified_ms: int


@dataclass(frozen=True)
class Ending:
    """How a training ended; `lora` is the model to be registered, None when nothing came out."""

    status: Status
    message: str
    failure: Failure | None = None
    lora: Model | None = None
    provider_status: str | None = None
    progress: Progress | None = None
    billable_seconds: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    frees_name: bool = False


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


def resolve(workspace: str, request: NewTraining) -> References:
    """Find the ids behind a request's names: one call, none when it has ids only."""
    locks: dict[str, Key] = {}
    if not looks_like_id(request.model):
        locks[request.model] = models.name_key(workspace, request.model)
    wanted = [choice.dataset for choice in request.datasets]
    dataset_locks = {
        name: datasets.name_key(workspace, name) for name in wanted if not looks_like_id(name)
    }
    keys = [*locks.values(), *dataset_locks.values()]
    found = table.batch_get(keys) if keys else {}
    ids = {key: str(item["id"]) for key, item in found.items()}
    return References(
        model=ids.get(locks[request.model]) if request.model in locks else request.model,
        datasets=tuple(
            ids.get(dataset_locks[name]) if name in dataset_locks else name for name in wanted
        ),
    )


def load(
    workspace: str, references: References, attempt: Attempt | None
) -> tuple[Found, str | None]:
    """Read what a training is about in one consistent call, and what an earlier attempt made.

    Raises Unprocessable when the attempt's key was used for another body.
    """
    model_key = models.key_of(workspace, references.model) if references.model else None
    dataset_keys = [datasets.key_of(workspace, one) if one else None for one in references.datasets]
    record_key = attempt.record_key if attempt else None
    keys = [key for key in (model_key, record_key, *dataset_keys) if key]
    items = table.batch_get(keys, consistent=True) if keys else {}
    model = items.get(model_key) if model_key else None
    found = Found(
        model=None if model is None else models.from_item(model),
        datasets=tuple(
            datasets.from_item(items[key]) if key in items else None for key in dataset_keys
        ),
    )
    made = attempt.made(items.get(record_key)) if attempt and record_key else None
    return found, made


def put_job(job: Job) -> None:
    """Write what the container will be told."""
    key = f"{folder_of(job.workspace, job.training_id)}input/job.json"
    # The lifecycle rule that goes by this tag also clears away what a crash left without a record.
    bucket.put(key, job.model_dump_json().encode(), tagging="lorastack-keep=40-days")


def insert(workspace: str, training: Training, attempt: Attempt, most_active: int) -> str | None:
    """Keep a new training and all that depends on it as one transaction.

    Returns the id of the training that another attempt with the same key made first. Raises
    Conflict when a name is in use or the model or a dataset is not `ready` any more, and
    TooManyRequests when as many trainings are under way as the workspace may have.
    """
    lora_id = sibling(training.id, "mdl")
    lock = name_key(workspace, training.name)
    try:
        return attempt.transact(
            training.id,
            Put({"pk": lock.pk, "sk": lock.sk, "id": training.id}),
            models.lock_of(workspace, training.name, lora_id),
            _count_one_more(workspace, most_active),
            _put(workspace, training),
            _put_event(training.id, "queued", "Queued.", clock.now()),
            *_uses(training),
            *_checks(workspace, training),
            taken=name_taken("training", training.name),
        )
    except ConditionFailed as error:
        first = min(error.found) - len(attempt.record(training.id))
        raise _refusal(first, training, most_active) from error


def get(workspace: str, training_id: str, *, consistent: bool = False) -> Kept:
    """Return a training.

    Raises NotFound.
    """
    kept = find(workspace, training_id, consistent=consistent)
    if kept is None:
        raise NotFound(f"There is no training {training_id} in this workspace.")
    return kept


def find(workspace: str, training_id: str, *, consistent: bool = False) -> Kept | None:
    """Return a training, None when there is none of this id."""
    item = table.get(key_of(workspace, training_id), consistent=consistent)
    return None if item is None else kept_from(item)


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
    return table.query_facet(_facet(workspace, status), limit=limit, after=start)


def events(training_id: str, limit: int, after: str | None) -> Page:
    """Return one page of what happened to a training, newest first."""
    return table.query(f"{training_id}#event", limit=limit, after=after)


def metrics_from(workspace: str, training_id: str, since_step: int) -> Iterator[MetricsRow]:
    """Yield the rows of the steps after `since_step`; a segment is read only when it is reached."""
    prefix = f"{checkpoints_of(workspace, training_id)}metrics/"
    for found in bucket.objects_under(prefix):
        last = found.key.rpartition("/")[2].partition(".")[0].rpartition("-")[2]
        if not last.isdecimal() or int(last) <= since_step:
            continue
        for line in (bucket.read(found.key) or b"").splitlines():
            row = MetricsRow.model_validate_json(line)
            if row.step > since_step:
                yield row


def ask_to_cancel(workspace: str, training: Training) -> None:
    """Mark a training `canceling`.

    Raises Conflict when it has ended meanwhile.
    """
    moment = clock.now()
    update = _status_update(
        workspace,
        training.id,
        "canceling",
        {"updated_at": clock.text(moment), "next_check_at": clock.text(clock.later(45))},
        _NOT_FINAL,
        _FINAL_VALUES,
    )
    event = _put_event(training.id, "canceling", "Cancel was asked for.", moment)
    try:
        table.transact([update, event])
    except ConditionFailed as error:
        raise ended(training.id) from error


def ended(training_id: str) -> Conflict:
    """Return the error for something that can't be done to a training that has ended."""
    return Conflict(f"The training {training_id} has ended.", code="training_ended")


def record_state(
    workspace: str,
    training_id: str,
    status: Status,
    provider_status: str,
    modified_ms: int,
    message: str,
    started_at: datetime | None,
) -> Kept | None:
    """Write a status that is not final, unless a later one was written or a cancel was asked for.

    One call. Returns None when it was written, else the training as it stood. Raises NotFound when
    there is no such training.
    """
    moment = clock.now()
    changes: Item = {
        "provider_status": provider_status,
        "provider_modified_ms": modified_ms,
        "updated_at": clock.text(moment),
        "started_at": clock.text(started_at) if started_at else None,
    }
    condition = (
        f"{_NOT_FINAL} AND #status <> :canceling AND (attribute_not_exists(#provider_modified_ms)"
        " OR #provider_modified_ms < :provider_modified_ms"
        " OR (#provider_modified_ms = :provider_modified_ms"
        " AND #provider_status <> :provider_status))"
    )
    update = _status_update(
        workspace,
        training_id,
        status,
        changes,
        condition,
        _FINAL_VALUES | {"canceling": "canceling"},
    )
    at = datetime.fromtimestamp(modified_ms / 1000, moment.tzinfo)
    event = _put_event(training_id, status, message, at, provider_status)
    try:
        table.transact([update, event])
    except ConditionFailed as error:
        found = error.found.get(0)
        if found is None:
            raise NotFound(f"There is no training {training_id}.") from error
        return kept_from(found)
    return None


def record_progress(workspace: str, training_id: str, progress: Progress) -> bool:
    """Write how far a training is, unless it has ended or more was known; say if it was new."""
    told = progress.model_dump(mode="json")
    values: Item = _FINAL_VALUES | {"progress": told, "updated_at": told["updated_at"]}
    try:
        table.write(
            Update(
                key_of(workspace, training_id),
                "SET #progress = :progress, #updated_at = :updated_at",
                values,
                f"attribute_exists(#pk) AND {_NOT_FINAL} AND (attribute_not_exists(#progress)"
                " OR #progress.#updated_at < :updated_at)",
            )
        )
    except ConditionFailed:
        return False
    return True


def read_progress(workspace: str, training_id: str) -> Progress | None:
    """Read what the container last told, None when it has told nothing or nothing sensible."""
    body = bucket.read(f"{checkpoints_of(workspace, training_id)}progress.json")
    if body is None:
        return None
    try:
        return Progress.model_validate_json(body)
    except ValueError:
        return None


def note(workspace: str, training_id: str, provider_status: str, check_at: datetime) -> None:
    """Say why a queued training waits and when it is looked at again; nothing if it has gone on."""
    _while_open(
        workspace,
        training_id,
        {"provider_status": provider_status, "next_check_at": clock.text(check_at)},
        "#status = :queued",
        {"queued": "queued"},
    )


def check_again(workspace: str, training_id: str, check_at: datetime) -> None:
    """Set when an open training is looked at again; nothing if it has ended."""
    _while_open(workspace, training_id, {"next_check_at": clock.text(check_at)}, "", {})


def due(shard: int, until: datetime, limit: int) -> list[tuple[str, str]]:
    """Return workspace and id of the open trainings of a shard that want looking at."""
    found = table.query_due(f"open#{shard}", clock.text(until), limit=limit)
    return [(str(item["pk"]).partition("#")[0], str(item["sk"])) for item in found.items]


def end(workspace: str, training: Training, ending: Ending) -> bool:
    """End a training, once: the record, its LoRA, names, uses and counts change as one.

    Returns False when it had ended before; nothing changes then.
    """
    moment = clock.now()
    changes: Item = {
        "updated_at": clock.text(moment),
        "ended_at": clock.text(ending.ended_at or moment),
        "started_at": clock.text(ending.started_at) if ending.started_at else None,
        "failure": ending.failure.model_dump() if ending.failure else None,
        "lora_id": ending.lora.id if ending.lora else None,
        "provider_status": ending.provider_status,
        "progress": ending.progress.model_dump(mode="json") if ending.progress else None,
        "billable_seconds": ending.billable_seconds,
    }
    update = _status_update(
        workspace,
        training.id,
        ending.status,
        changes,
        _NOT_FINAL,
        _FINAL_VALUES,
        remove="#open_shard, #next_check_at",
    )
    event = _put_event(training.id, ending.status, ending.message, moment, ending.provider_status)
    try:
        table.transact([update, event, *_released(workspace, training, ending)])
    except ConditionFailed as error:
        if set(error.found) != {0}:
            raise
        return False
    return True


def _released(workspace: str, training: Training, ending: Ending) -> list[Write]:
    lora_id = sibling(training.id, "mdl")
    writes: list[Write] = [Delete(Key(use.item["pk"], use.item["sk"])) for use in _uses(training)]
    writes.append(
        Update(_use_key(workspace), "ADD #active_trainings :minus_one", {"minus_one": -1}, None)
    )
    if ending.lora:
        writes.append(models.put_of(workspace, ending.lora))
    else:
        writes.append(
            Delete(models.name_key(workspace, training.name), _OURS_OR_GONE, {"id": lora_id})
        )
    if ending.frees_name:
        lock = name_key(workspace, training.name)
        writes.append(Delete(lock, _OURS_OR_GONE, {"id": training.id}))
    return writes


def _put(workspace: str, training: Training) -> Put:
    key = key_of(workspace, training.id)
    shard = zlib.crc32(training.id.encode()) % OPEN_SHARDS
    item: Item = training.model_dump(mode="json") | {
        "pk": key.pk,
        "sk": key.sk,
        "facet": _facet(workspace, training.status),
        "open_shard": f"open#{shard}",
        "next_check_at": clock.text(clock.later(60)),
        "config_params": json.dumps(training.config_params),
    }
    return Put(item)


def _put_event(
    training_id: str,
    status: Status,
    message: str,
    at: datetime,
    provider_status: str | None = None,
) -> Put:
    # The same change told twice has the same key, so it stands in the list once.
    event_id = f"{clock.text(at)}~{provider_status or status}"
    event = TrainingEvent(
        id=event_id, at=at, status=status, provider_status=provider_status, message=message
    )
    item = {"pk": f"{training_id}#event", "sk": event_id} | event.model_dump(mode="json")
    return Put(item, condition=None)


def _uses(training: Training) -> list[Put]:
    used = [training.model.id, *(dataset.id for dataset in training.datasets)]
    return [Put({"pk": f"{one}#use", "sk": training.id}, condition=None) for one in used]


def _checks(workspace: str, training: Training) -> list[Check]:
    keys = [
        models.key_of(workspace, training.model.id),
        *(datasets.key_of(workspace, dataset.id) for dataset in training.datasets),
    ]
    return [Check(key, "#status = :ready", {"ready": "ready"}) for key in keys]


def _use_key(workspace: str) -> Key:
    return Key(f"{workspace}#workspace", "use")


def _count_one_more(workspace: str, most: int) -> Update:
    return Update(
        _use_key(workspace),
        "ADD #active_trainings :one",
        {"one": 1, "most": most},
        "attribute_not_exists(#active_trainings) OR #active_trainings < :most",
    )


def _refusal(first: int, training: Training, most_active: int) -> Exception:
    # The order of the writes in `insert`, behind the idempotency record and the name.
    if first == 1:
        return Conflict(
            f"A model called {training.name} exists, and the LoRA to come has the training's name.",
            code="name_taken",
            faults=[Fault("/name", "is a model's name: choose another")],
        )
    if first == 2:
        return TooManyRequests(
            f"{most_active} trainings are under way in this workspace, which is the limit. Wait "
            "for one to end or cancel one.",
            code="too_many_trainings",
            headers={"Retry-After": "60"},
        )
    return Conflict(
        "The model or a dataset changed while the training was being made. Look at them and try "
        "again.",
        code="changed_meanwhile",
    )


def _status_update(
    workspace: str,
    training_id: str,
    status: Status,
    changes: Mapping[str, Any],
    condition: str,
    values: Mapping[str, Any],
    remove: str = "",
) -> Update:
    changed = {"status": status, "facet": _facet(workspace, status)} | {
        name: value for name, value in changes.items() if value is not None
    }
    assignments = ", ".join(f"#{name} = :{name}" for name in changed)
    return Update(
        key_of(workspace, training_id),
        f"SET {assignments}" + (f" REMOVE {remove}" if remove else ""),
        {**values, **changed},
        f"attribute_exists(#pk) AND {condition}",
    )


def _while_open(
    workspace: str,
    training_id: str,
    changes: Mapping[str, Any],
    condition: str,
    values: Mapping[str, Any],
) -> None:
    assignments = ", ".join(f"#{name} = :{name}" for name in changes)
    extra = f" AND {condition}" if condition else ""
    try:
        table.write(
            Update(
                key_of(workspace, training_id),
                f"SET {assignments}",
                {**values, **changes},
                f"attribute_exists(#open_shard){extra}",
            )
        )
    except ConditionFailed:
        return


def _facet(workspace: str, status: Status) -> str:
    return f"{workspace}#training#{status}"


def event_from(item: Item) -> TrainingEvent:
    """Turn an event's item into an event."""
    return TrainingEvent.model_validate(item)


def trainings_from(items: Sequence[Item]) -> list[Training]:
    """Turn the items of a page into trainings."""
    return [kept_from(item).training for item in items]
