"""How an import or a check of a model ends: settled once by who holds the lease, nothing left."""

from lambdas.asset_worker import leases
from lambdas.asset_worker.leases import HELD, Lease, Lost
from lambdas.core import bucket, multipart, notices, pending, stored, table
from lambdas.core.errors import NotFound
from lambdas.core.table import ConditionFailed
from lambdas.models import checks, repository, transitions, writes
from lambdas.models.schema import Model

_WORK = ("source", *pending.ATTRIBUTES)
_TRIES = 3  # as a new name may come between


def settle(workspace: str, lease: Lease, ended: Model) -> None:
    """Record how it ended: `ready`, `invalid` and its bytes cleared away, or left to a check.

    Raises Lost.
    """
    if ended.status == "invalid":
        leases.hold(lease)
        _abort_uploads(workspace, ended.id)
    for _ in range(_TRIES):
        if _settled(workspace, lease, ended):
            break
    if ended.status == "invalid":
        _clear_invalid(workspace, ended.id)
    if ended.status == "checking":
        checks.send(workspace, ended.id)


def clear_if_gone(workspace: str, model_id: str) -> None:
    """Clear away what is left of a model that was deleted while it was imported."""
    item = table.get(repository.key_of(workspace, model_id))
    if item is not None and item["status"] != "deleting":
        return
    _abort_uploads(workspace, model_id)
    for found in bucket.objects_under(repository.folder_of(workspace, model_id)):
        bucket.delete(found.key)


def _clear_invalid(workspace: str, model_id: str) -> None:
    try:
        model, upload = repository.get_upload(workspace, model_id)
    except NotFound:  # it was deleted just now
        clear_if_gone(workspace, model_id)
        return
    transitions.clear_invalid(workspace, model, upload)


def _abort_uploads(workspace: str, model_id: str) -> None:
    for key, upload_id in multipart.uploads_under(repository.folder_of(workspace, model_id)):
        bucket.abort_upload(key, upload_id)


def _settled(workspace: str, lease: Lease, ended: Model) -> bool:
    """Write the end; say whether it was written, which another name of the model can hinder."""
    item = table.get(lease.key)
    if item is None:
        raise Lost(f"{ended.id} was deleted")
    named = ended.model_copy(update={"name": item["name"]})
    held, values = f"{HELD} AND #status = :before", {"before": lease.item["status"]}
    values["lease"] = lease.token
    told = writes.notices_of(workspace, ended)
    counted = stored.settled(workspace, ended.id, 0 if ended.status == "invalid" else ended.size)
    ends = transitions.ends(workspace, named, held, values, cleared=_WORK)
    try:
        table.transact([*ends, *counted, *map(notices.put_of, told)])
    except ConditionFailed as error:
        if 0 in error.found:
            raise Lost(f"the work on {ended.id} was ended by another") from error
        return False
    for notice in told:
        notices.announce(notice)
    return True
