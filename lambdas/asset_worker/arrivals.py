"""Model files that arrive in an inbox, as S3 tells of them: each is registered once.

What arrived is remembered by its key and S3's sequencer, written with the model, so that an event
that comes twice, late or out of order makes no second model.
"""

from dataclasses import dataclass

from lambdas.asset_worker import copying
from lambdas.asset_worker.arrival_schema import Arrival, Arrived
from lambdas.asset_worker.model_imports import Found, Refused
from lambdas.core import clock, queue, table
from lambdas.core.attributes import Item
from lambdas.core.ids import new_id
from lambdas.core.inbox import Located
from lambdas.core.observability import logger
from lambdas.core.queue import Task
from lambdas.core.table import ConditionFailed, Key, Put, Write
from lambdas.models import imports, inspection, repository, verdict
from lambdas.models.import_schema import Source
from lambdas.models.progress_schema import ImportProgress
from lambdas.models.safetensors import NotSafetensors
from lambdas.models.schema import Model, ModelType

# Longer than a message can wait in a queue or with the dead letters.
REMEMBERED_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class _Seen:
    """What a look at the file told; `reason` where it is no model that we take."""

    found: Found | None = None
    type: ModelType = "checkpoint"
    reason: Refused | None = None


def take_in(arrival: Arrival) -> None:
    """Register a file that arrived in an inbox; one that is known already stays as it is."""
    arrived = arrival.arrived
    if arrived is None:
        logger.info("this is no model file of an inbox")
        return
    if _is_known(arrived):
        logger.info("this file is known", workspace=arrived.workspace)
        return
    seen = _seen(arrived)
    if seen is None:
        # It was removed, or replaced, of which another event tells.
        logger.info("the file is not there any more", workspace=arrived.workspace)
        return
    _register(arrived, seen)


def _is_known(arrived: Arrived) -> bool:
    """Say whether this file, or a newer one in its place, is a model already."""
    memory = table.get(_memory_key(arrived))
    if memory is None:
        return False
    if arrived.order <= str(memory["order"]):
        return True
    # The same bytes again, by a command that was repeated.
    item = table.get(repository.key_of(arrived.workspace, str(memory["model_id"])))
    alive = item is not None and item["status"] in {"importing", "checking", "ready"}
    return alive and memory["etag"] == arrived.etag


def _seen(arrived: Arrived) -> _Seen | None:
    """Look at the header; None where the file is gone or another by now."""
    try:
        found, header = copying.read_header(arrived.key, arrived.bucket)
    except NotSafetensors as error:
        return _Seen(reason=Refused(error.code, str(error)))
    except Refused as error:
        return None if error.code == copying.GONE else _Seen(reason=error)
    if found.etag != f'"{arrived.etag}"':
        return None
    kind = inspection.inspect(header).type
    if kind is None:
        why = "Its tensors are those of no kind of model that we know."
        return _Seen(found, reason=Refused("wrong_type", why))
    return _Seen(found, kind)


def _register(arrived: Arrived, seen: _Seen) -> None:
    """Keep the model and the memory of the file as one, under a name that is free."""
    for name in arrived.names:
        model = _model(arrived, seen, name)
        try:
            table.transact([_memory(arrived, model), *_writes(arrived, seen, model)])
        except ConditionFailed as error:
            if 0 in error.found:
                return  # another worker has taken it in
            continue
        if model.status == "importing":
            queue.send(Task(kind=imports.KIND, workspace=arrived.workspace, id=model.id))
        return


def _writes(arrived: Arrived, seen: _Seen, model: Model) -> list[Write]:
    if seen.found is None or seen.reason:
        return [repository.put_of(arrived.workspace, model)]
    source = Source(
        bucket=arrived.bucket,
        key=arrived.key,
        named=True,
        looked_at=True,
        size=seen.found.size,
        etag=seen.found.etag,
    )
    return [
        repository.lock_of(arrived.workspace, model.name, model.id),
        imports.put_of(arrived.workspace, model, source),
    ]


def _model(arrived: Arrived, seen: _Seen, name: str) -> Model:
    moment = clock.now()
    size = seen.found.size if seen.found else None
    uri = str(Located(arrived.bucket, arrived.key))
    model = Model(
        id=new_id("mdl"),
        name=name,
        description="",
        type=seen.type,
        status="importing",
        file_name=imports.file_name_of(arrived.key) or f"{name}.safetensors",
        size=size or 0,
        import_=ImportProgress(source=uri, bytes_total=size),
        created_at=moment,
        updated_at=moment,
    )
    reason = seen.reason
    return verdict.invalid(model, reason.code, str(reason)) if reason else model


def _memory(arrived: Arrived, model: Model) -> Put:
    key = _memory_key(arrived)
    item: Item = {
        "pk": key.pk,
        "sk": key.sk,
        "order": arrived.order,
        "etag": arrived.etag,
        "model_id": model.id,
        "expires_at": clock.epoch(clock.later(REMEMBERED_SECONDS)),
    }
    older = "attribute_not_exists(#pk) OR #order < :order"
    return Put(item, older, {"order": arrived.order})


def _memory_key(arrived: Arrived) -> Key:
    return Key(f"{arrived.workspace}#arrival", arrived.path)
