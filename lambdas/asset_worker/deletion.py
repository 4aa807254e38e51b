"""The deletion of a dataset: doomed, emptied in slices, forgotten, and swept up after an hour.

Whoever was given a URL to upload to may use it for an hour, also when the dataset is gone. So a
note stays behind, and what arrived late is removed then.
"""

from lambdas.asset_worker import emptying, leases, repository
from lambdas.asset_worker.leases import HELD, Lease
from lambdas.core import clock, pending, stored
from lambdas.core.attributes import Item
from lambdas.core.observability import logger
from lambdas.core.presign import LIFE_SECONDS
from lambdas.core.queue import Kind, Task
from lambdas.core.table import Delete, Key, Put, Update
from lambdas.datasets import caption_edits, caption_writes, deleting, images, proposals
from lambdas.datasets import repository as datasets

SWEPT_AFTER_SECONDS = LIFE_SECONDS + 600
_OURS_OR_GONE = "attribute_not_exists(#pk) OR #id = :id"


def delete(workspace: str, dataset_id: str, deadline: float) -> None:
    """Delete a dataset that is marked, or go on with it, until `deadline` (monotonic seconds).

    One that is used is given back its status: the request that marked it broke off.
    """
    lease = _taken(datasets.key_of(workspace, dataset_id), "delete_dataset")
    if lease is None:
        return
    if "doomed" not in lease.item:
        if deleting.users_of(dataset_id):
            deleting.restore(deleting.mark_of(lease.item))
            return
        _doom(workspace, lease)
    if _emptied(workspace, lease, "delete_dataset", deadline):
        of_captions = (caption_writes.marker_key, caption_edits.key_of)
        beside = [Delete(key(workspace, dataset_id)) for key in of_captions]
        note = Put(_note(workspace, dataset_id), None)
        gone = Delete(lease.key, HELD, {"lease": lease.token})
        counted = stored.released(workspace, dataset_id)
        emptying.write(lease, gone, note, *beside, *counted)


def sweep(workspace: str, dataset_id: str, deadline: float) -> None:
    """Remove what arrived for a dataset after it was deleted, and the note of it."""
    lease = _taken(_note_key(workspace, dataset_id), "sweep_dataset")
    if lease and _emptied(workspace, lease, "sweep_dataset", deadline):
        emptying.write(lease, Delete(lease.key, HELD, {"lease": lease.token}))


def _taken(key: Key, kind: Kind) -> Lease | None:
    lease = leases.take(key, kind)
    if lease is None:
        logger.info("nothing to do", dataset_id=key.sk)
    return lease


def _doom(workspace: str, lease: Lease) -> None:
    """Say that nobody uses it, from which on it can't be restored, and free its name."""
    dataset = datasets.from_item(lease.item)
    lock = datasets.name_key(workspace, str(lease.item["name"]))
    emptying.write(
        lease,
        Update(lease.key, "SET #doomed = :yes", {"lease": lease.token, "yes": True}, HELD),
        Delete(lock, _OURS_OR_GONE, {"id": dataset.id}),
        *repository.released(dataset),
    )


def _emptied(workspace: str, lease: Lease, kind: Kind, deadline: float) -> bool:
    """Remove files, images and all that captions leave; say whether there was time for all."""
    dataset_id = lease.key.sk
    task = Task(kind=kind, workspace=workspace, id=dataset_id)
    partitions = [
        images.partition_of(dataset_id),
        caption_writes.versions_of(dataset_id),
        proposals.partition_of(dataset_id),
    ]
    folder = datasets.folder_of(workspace, dataset_id)
    return emptying.emptied(lease, task, folder, partitions, deadline)


def _note_key(workspace: str, dataset_id: str) -> Key:
    return Key(f"{workspace}#dataset#gone", dataset_id)


def _note(workspace: str, dataset_id: str) -> Item:
    key = _note_key(workspace, dataset_id)
    later = {"next_check_at": clock.text(clock.later(SWEPT_AFTER_SECONDS))}
    return {"pk": key.pk, "sk": key.sk} | pending.values("sweep_dataset", dataset_id) | later
