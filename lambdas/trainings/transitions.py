"""What happens to a training after it was made: each change by condition, its end only once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lambdas.core import clock, notices, pending, stored, table, use
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict, NotFound
from lambdas.core.ids import sibling
from lambdas.core.notices import EventType
from lambdas.core.table import ConditionFailed, Delete, Key, Put, Update, Write
from lambdas.datasets import proposals
from lambdas.models import repository as models
from lambdas.models.schema import Model
from lambdas.trainings import budget, repository
from lambdas.trainings.repository import Kept
from lambdas.trainings.schema import FINAL, Charge, Failure, Progress, Status, Training

_FINAL_VALUES = {f"final_{status}": status for status in sorted(FINAL)}
_NOT_FINAL = "NOT #status IN (" + ", ".join(f":{name}" for name in _FINAL_VALUES) + ")"
# Of what is written on the way; an end is always told.
_TOLD_OF: Mapping[Status, EventType] = {
    "running": "training.started",
    "interrupted": "training.interrupted",
}
_ENDS: Mapping[Status, EventType] = {
    "succeeded": "training.succeeded",
    "failed": "training.failed",
    "canceled": "training.canceled",
}
_OURS_OR_GONE = "attribute_not_exists(#pk) OR #id = :id"


@dataclass(frozen=True)
class Told:
    """A change of a job that is not its end, as SageMaker tells of it."""

    status: Status
    provider_status: str
    modified_ms: int
    message: str
    started_at: datetime | None


@dataclass(frozen=True)
class Ending:
    """How a training ended; `lora` is the model to be registered, None when nothing came out.

    `proposes`: its tagger left captions, which the asset worker is to store for review.
    """

    status: Status
    message: str
    failure: Failure | None = None
    lora: Model | None = None
    provider_status: str | None = None
    provider_modified_ms: int | None = None
    progress: Progress | None = None
    billable_seconds: int | None = None
    interruptions: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    frees_name: bool = False
    proposes: bool = False


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
    event = repository.put_event(training.id, "canceling", "Cancel was asked for.", moment)
    try:
        table.transact([update, event])
    except ConditionFailed as error:
        raise ended(training.id) from error


def ended(training_id: str) -> Conflict:
    """Return the error for something that can't be done to a training that has ended."""
    return Conflict(f"The training {training_id} has ended.", code="training_ended")


def record_state(workspace: str, training_id: str, told: Told) -> Kept | None:
    """Write a status that is not final, unless a later one was written or a cancel was asked for.

    One call, and one that has the change told where it is one to tell. Returns None when it was
    written, else the training as it stood. Raises NotFound when there is no such training.
    """
    kind = _TOLD_OF.get(told.status)
    if kind is None:
        return _record_state(workspace, training_id, told)
    notice = notices.of(workspace, kind, training_id)
    # A status that stands already is not told again.
    stood = _record_state(
        workspace, training_id, told, (notices.put_of(notice),), "#status <> :status"
    )
    if stood is None:
        notices.announce(notice)
    elif stood.training.status == told.status:
        return _record_state(workspace, training_id, told)
    return stood


def _record_state(
    workspace: str,
    training_id: str,
    told: Told,
    others: Sequence[Write] = (),
    further: str = "",
) -> Kept | None:
    changes: Item = {
        "provider_status": told.provider_status,
        "provider_modified_ms": told.modified_ms,
        "updated_at": clock.text(clock.now()),
        "started_at": clock.text(told.started_at) if told.started_at else None,
    }
    condition = (
        f"{_NOT_FINAL} AND #status <> :canceling AND (attribute_not_exists(#provider_modified_ms)"
        " OR #provider_modified_ms < :provider_modified_ms"
        " OR (#provider_modified_ms = :provider_modified_ms"
        " AND #provider_status <> :provider_status))"
    ) + (f" AND {further}" if further else "")
    values = _FINAL_VALUES | {"canceling": "canceling"}
    update = _status_update(workspace, training_id, told.status, changes, condition, values)
    try:
        table.transact([update, _event_of(training_id, told), *others])
    except ConditionFailed as error:
        found = error.found.get(0)
        if found is None:
            raise NotFound(f"There is no training {training_id}.") from error
        return repository.kept_from(found)
    return None


def count_interruption(workspace: str, training_id: str) -> int:
    """Note that a training's machine was taken away once more; return how often it was."""
    key = repository.key_of(workspace, training_id)
    table.write(Update(key, "ADD #interruptions :one", {"one": 1}))
    return repository.get(workspace, training_id).training.interruptions


def log_late(training_id: str, told: Told) -> None:
    """Put a change into the event log that came after a later one was written."""
    table.write(_event_of(training_id, told))


def _event_of(training_id: str, told: Told) -> Put:
    at = datetime.fromtimestamp(told.modified_ms / 1000, UTC)
    return repository.put_event(training_id, told.status, told.message, at, told.provider_status)


def record_progress(workspace: str, training_id: str, progress: Progress) -> bool:
    """Write how far a training is, unless it has ended or more was known; say if it was new."""
    told = progress.model_dump(mode="json")
    told["updated_at"] = clock.text(progress.updated_at)  # as text, the later one is the greater
    values: Item = _FINAL_VALUES | {"progress": told, "updated_at": told["updated_at"]}
    try:
        table.write(
            Update(
                repository.key_of(workspace, training_id),
                "SET #progress = :progress, #updated_at = :updated_at",
                values,
                f"attribute_exists(#pk) AND {_NOT_FINAL} AND (attribute_not_exists(#progress)"
                " OR #progress.#updated_at < :updated_at)",
            )
        )
    except ConditionFailed:
        return False
    return True


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

    What is to be told of it is written with them. Returns False when it had ended before; nothing
    changes then.
    """
    moment = clock.now()
    charge = _charge_at_end(training, ending)
    changes: Item = {
        "updated_at": clock.text(moment),
        "ended_at": clock.text(ending.ended_at or moment),
        "started_at": clock.text(ending.started_at) if ending.started_at else None,
        "failure": ending.failure.model_dump() if ending.failure else None,
        "lora_id": ending.lora.id if ending.lora else None,
        "provider_status": ending.provider_status,
        "provider_modified_ms": ending.provider_modified_ms,
        "progress": ending.progress.model_dump(mode="json") if ending.progress else None,
        "billable_seconds": ending.billable_seconds,
        "charge": charge.model_dump() if charge else None,
        "interruptions": ending.interruptions,
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
    event = repository.put_event(
        training.id, ending.status, ending.message, moment, ending.provider_status
    )
    told = [notices.of(workspace, _ENDS[ending.status], training.id)]
    if ending.lora:
        told.append(notices.of(workspace, "model.ready", ending.lora.id))
    outbox = [notices.put_of(one) for one in told]
    try:
        table.transact([update, event, *_released(workspace, training, ending), *outbox])
    except ConditionFailed as error:
        if 0 not in error.found:
            raise
        return False
    for one in told:
        notices.announce(one)
    return True


def _charge_at_end(training: Training, ending: Ending) -> Charge | None:
    """Return what a training has cost; None where that isn't known: what was reserved stays."""
    seconds = ending.billable_seconds
    started = ending.started_at or training.started_at
    if seconds is None and started is None:
        seconds = 0  # there was no job, or no machine for it
    elif seconds is None and started and ending.ended_at:
        seconds = round((ending.ended_at - started).total_seconds())
    return None if seconds is None else budget.spent(training, seconds)


def _released(workspace: str, training: Training, ending: Ending) -> list[Write]:
    lora_id = sibling(training.id, "mdl")
    writes: list[Write] = [
        Delete(Key(use.item["pk"], use.item["sk"])) for use in repository.uses_of(training)
    ]
    writes.append(use.one_training_less(workspace, ending.lora.size if ending.lora else 0))
    charge = _charge_at_end(training, ending)
    if charge and training.charge:
        writes.append(budget.settled(workspace, training.charge, charge))
    if ending.proposes:
        key = proposals.pending_key(workspace, training.id)
        waits = pending.values("store_proposals", training.id)
        writes.append(Put({"pk": key.pk, "sk": key.sk} | waits, condition=None))
    if ending.lora:
        writes.append(models.put_of(workspace, ending.lora))
        writes.append(models.family_row(workspace, ending.lora))
        writes.append(stored.row_of(workspace, ending.lora.id, ending.lora.size))
    else:
        writes.append(
            Delete(models.name_key(workspace, training.name), _OURS_OR_GONE, {"id": lora_id})
        )
    if ending.frees_name:
        lock = repository.name_key(workspace, training.name)
        writes.append(Delete(lock, _OURS_OR_GONE, {"id": training.id}))
    return writes


def _status_update(
    workspace: str,
    training_id: str,
    status: Status,
    changes: Mapping[str, Any],
    condition: str,
    values: Mapping[str, Any],
    remove: str = "",
) -> Update:
    changed = {"status": status, "facet": repository.facet_of(workspace, status)} | {
        name: value for name, value in changes.items() if value is not None
    }
    assignments = ", ".join(f"#{name} = :{name}" for name in changed)
    return Update(
        repository.key_of(workspace, training_id),
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
                repository.key_of(workspace, training_id),
                f"SET {assignments}",
                {**values, **changes},
                f"attribute_exists(#open_shard){extra}",
            )
        )
    except ConditionFailed:
        return
