"""The deletion of a training: doomed, emptied in slices, forgotten, and swept up after a while.

A job that nobody waited for may still write when its training is gone. So a note stays behind, and
what it left is removed then.
"""

from lambdas.asset_worker import emptying, leases
from lambdas.asset_worker.leases import HELD, Lease
from lambdas.core import clock, pending, table
from lambdas.core.attributes import Item
from lambdas.core.observability import logger
from lambdas.core.queue import Kind, Task
from lambdas.core.table import ConditionFailed, Delete, Key, Put, Update
from lambdas.datasets import proposals
from lambdas.models import repository as models
from lambdas.trainings import deleting
from lambdas.trainings import repository as trainings

SWEPT_AFTER_SECONDS = 3600
_OURS_OR_GONE = "attribute_not_exists(#pk) OR #id = :id"


def delete(workspace: str, training_id: str, deadline: float) -> None:
    """Delete a training that is marked, or go on with it, until `deadline` (monotonic seconds).

    One that is gone on from is given back its status: the request that marked it broke off.
    """
    lease = _taken(trainings.key_of(workspace, training_id), "delete_training")
    if lease is None:
        return
    if "doomed" not in lease.item:
        if deleting.users_of(training_id):
            deleting.restore(deleting.mark_of(workspace, lease.item))
            return
        _doom(workspace, lease)
    if _emptied(workspace, lease, "delete_training", deadline):
        _tell_its_lora(workspace, lease.item)
        emptying.write(
            lease,
            Delete(lease.key, HELD, {"lease": lease.token}),
            Put(_note(workspace, training_id), None),
            Delete(proposals.pending_key(workspace, training_id)),
        )


def sweep(workspace: str, training_id: str, deadline: float) -> None:
    """Remove what came of a training after it was deleted, and the note of it."""
    lease = _taken(_note_key(workspace, training_id), "sweep_training")
    if lease and _emptied(workspace, lease, "sweep_training", deadline):
        emptying.write(lease, Delete(lease.key, HELD, {"lease": lease.token}))


def _taken(key: Key, kind: Kind) -> Lease | None:
    lease = leases.take(key, kind)
    if lease is None:
        logger.info("nothing to do", training_id=key.sk)
    return lease


def _doom(workspace: str, lease: Lease) -> None:
    """Say that nobody goes on from it, from which on it can't be restored, and free its name."""
    lock = trainings.name_key(workspace, str(lease.item["name"]))
    emptying.write(
        lease,
        Update(lease.key, "SET #doomed = :yes", {"lease": lease.token, "yes": True}, HELD),
        Delete(lock, _OURS_OR_GONE, {"id": lease.key.sk}),
    )


def _emptied(workspace: str, lease: Lease, kind: Kind, deadline: float) -> bool:
    training_id = lease.key.sk
    task = Task(kind=kind, workspace=workspace, id=training_id)
    folder = trainings.folder_of(workspace, training_id)
    partitions = [trainings.events_of(training_id)]
    return emptying.emptied(lease, task, folder, partitions, deadline)


def _tell_its_lora(workspace: str, item: Item) -> None:
    lora_id = item.get("lora_id")
    if lora_id is None:
        return
    update = Update(
        models.key_of(workspace, str(lora_id)),
        "SET #training_deleted = :yes",
        {"yes": True, "training": item["sk"]},
        "#training_id = :training",
    )
    try:
        table.write(update)
    except ConditionFailed:
        return  # it was deleted


def _note_key(workspace: str, training_id: str) -> Key:
    return Key(f"{workspace}#training#gone", training_id)


def _note(workspace: str, training_id: str) -> Item:
    key = _note_key(workspace, training_id)
    later = {"next_check_at": clock.text(clock.later(SWEPT_AFTER_SECONDS))}
    return {"pk": key.pk, "sk": key.sk} | pending.values("sweep_training", training_id) | later
