"""How an import ends: settled once by who holds the lease, and nothing left behind."""

from lambdas.asset_worker import leases
from lambdas.asset_worker.leases import HELD, Lost
from lambdas.asset_worker.model_imports import Import
from lambdas.core import bucket, multipart, notices, pending, table
from lambdas.core.attributes import Item
from lambdas.core.table import ConditionFailed, Delete, Write
from lambdas.models import repository, transitions, writes
from lambdas.models.schema import Model

_TOLD = {
    *("status", "fm_type", "header", "sha256", "sha256_checked", "invalid_reason"),
    *("size", "import_", "updated_at"),
}
_WORK = ("source", *pending.ATTRIBUTES)
_TRIES = 3  # as a new name may come between


def settle(one: Import, ended: Model) -> None:
    """Record how an import ended: `ready`, or `invalid` and its bytes cleared away. Raises Lost."""
    if ended.status == "invalid":
        leases.renew(one.lease)
        _abort_uploads(one.workspace, ended.id)
    for _ in range(_TRIES):
        if _settled(one, ended):
            break
    if ended.status == "invalid":
        model, upload = repository.get_upload(one.workspace, ended.id)
        transitions.clear_invalid(one.workspace, model, upload)


def clear_if_gone(workspace: str, model_id: str) -> None:
    """Clear away what is left of a model that was deleted while it was imported."""
    item = table.get(repository.key_of(workspace, model_id))
    if item is not None and item["status"] != "deleting":
        return
    _abort_uploads(workspace, model_id)
    for found in bucket.objects_under(repository.folder_of(workspace, model_id)):
        bucket.delete(found.key)


def _abort_uploads(workspace: str, model_id: str) -> None:
    for key, upload_id in multipart.uploads_under(repository.folder_of(workspace, model_id)):
        bucket.abort_upload(key, upload_id)


def _settled(one: Import, ended: Model) -> bool:
    """Write the end; say whether it was written, which another name of the model can hinder."""
    item = table.get(one.lease.key)
    if item is None:
        raise Lost(f"{ended.id} was deleted")
    notice = writes.notice_of(one.workspace, ended)
    outbox = notices.put_of(notice)
    try:
        table.transact([_update(one, ended), _other(one.workspace, ended, item), outbox])
    except ConditionFailed as error:
        if 0 in error.found:
            raise Lost(f"the import of {ended.id} was ended by another") from error
        return False
    notices.announce(notice)
    return True


def _update(one: Import, ended: Model) -> Write:
    told = ended.model_dump(mode="json", include=_TOLD)
    ready = ended.status == "ready"
    # What is invalid is found by the schedule until its bytes are cleared away.
    fields = told if ready else told | writes.still_open()
    removed = [name for name in _WORK if name not in fields] + (["upload"] if ready else [])
    return writes.update_of(
        one.workspace,
        ended.id,
        fields,
        f"{HELD} AND #status = :importing",
        {"importing": "importing", "lease": one.lease.token},
        remove=", ".join(f"#{name}" for name in removed),
    )


def _other(workspace: str, ended: Model, item: Item) -> Write:
    if ended.status == "ready":
        return repository.family_row(workspace, ended)
    lock = repository.name_key(workspace, str(item["name"]))
    return Delete(lock, "#id = :id", {"id": ended.id})
