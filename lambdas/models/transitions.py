"""What happens to a model after it was made: each change by condition, finished if it broke off.

As long as something of a model is still to be cleared away it stands in the `open` index, so that
the schedule finds it (`sweep`).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from lambdas.core import audit, aws, clock, notices, stored, table
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict, NotFound, ServiceError
from lambdas.core.names import name_taken
from lambdas.core.observability import logger
from lambdas.core.revisions import stale
from lambdas.core.table import ConditionFailed, Delete, Update, Write
from lambdas.models import checks, deleting, repository
from lambdas.models.schema import Model, Reason, Upload
from lambdas.models.writes import (
    OPEN,
    assignments,
    changed_meanwhile,
    notices_of,
    still_open,
    update_of,
)

_CHECK_EVERY = timedelta(minutes=5)
_DUE_AT_ONCE = 25
_SCHEDULED = ("open_shard", "next_check_at")
_TOLD = {
    *("status", "fm_type", "header", "sha256", "sha256_checked", "invalid_reason"),
    *("size", "import_", "check", "updated_at"),
}


def settle(workspace: str, model: Model) -> None:
    """Record what a file turned out to be, or leave that to a check; an invalid one is unnamed.

    Raises Conflict when another request changed the model meanwhile.
    """
    _settle(workspace, model)
    if model.status == "invalid":
        # Nothing can use it, and it would be billed.
        clear_invalid(workspace, model, None)
    if model.status == "checking":
        checks.send(workspace, model.id)


def ends(
    workspace: str, model: Model, condition: str, values: Item, cleared: Iterable[str]
) -> list[Write]:
    """Return the writes that record what a file turned out to be, the model's own the first.

    `cleared` are the attributes that nobody needs when it has ended; those of what is still to do
    stay.
    """
    fields = model.model_dump(mode="json", include=_TOLD) | _still_to_do(model)
    # An upload that is invalid is still to be ended.
    removed = [*cleared, *([] if model.status == "invalid" else ["upload"])]
    removal = ", ".join(f"#{name}" for name in removed if name not in fields)
    update = update_of(workspace, model.id, fields, condition, values, remove=removal)
    lock = repository.name_key(workspace, model.name)
    beside: dict[str, list[Write]] = {
        "ready": [repository.family_row(workspace, model)],
        "invalid": [Delete(lock, "#id = :id", {"id": model.id})],
    }
    return [update, *beside.get(model.status, [])]


def _still_to_do(model: Model) -> Item:
    """Return the attributes by which what is left to do is found: to check, or to clear away."""
    if model.status == "checking":
        return checks.values(model)
    return still_open() if model.status == "invalid" else {}


def change(workspace: str, model: Model, asked: Item, revision: int | None) -> Model:
    """Change name, description or tags; a new name is taken and the old one freed at once.

    `revision` is the one that must still stand, None for any. Raises Conflict when the name is in
    use or the model has another name or status meanwhile, PreconditionFailed when the revision is
    another.
    """
    changed = model.model_copy(update={**asked, "updated_at": clock.now()})
    condition = "#status = :status AND #name = :old_name"
    values: Item = {"status": model.status, "old_name": model.name}
    if revision is not None:
        condition += " AND #revision = :expected"
        values["expected"] = revision
    fields = changed.model_dump(mode="json", include={*asked, "updated_at"})
    writes: list[Write] = [update_of(workspace, model.id, fields, condition, values)]
    if changed.name != model.name:
        writes += [
            repository.lock_of(workspace, changed.name, model.id),
            Delete(repository.name_key(workspace, model.name), "#id = :id", {"id": model.id}),
        ]
    try:
        table.transact(writes)
    except ConditionFailed as error:
        found = error.found.get(0)
        if 0 not in error.found and 1 in error.found:
            raise name_taken("model", changed.name) from error
        if found is not None and revision is not None and found.get("revision", 1) != revision:
            raise stale(int(found.get("revision", 1))) from error
        raise changed_meanwhile() from error
    return repository.get(workspace, model.id)


def clear_invalid(workspace: str, model: Model, upload: Upload | None) -> None:
    """Remove the bytes of a model that is invalid; then the schedule is done with it."""
    repository.clear(workspace, model, upload)
    key = repository.key_of(workspace, model.id)
    try:
        table.write(
            Update(key, f"REMOVE #upload, {OPEN}", {"invalid": "invalid"}, "#status = :invalid")
        )
    except ConditionFailed:
        return  # it is being deleted, which clears the same


def sweep(now: datetime) -> int:
    """Clear away what was given up or broke off; return how many models were looked at.

    One that makes trouble does not keep the others waiting; its error is raised at the end.
    """
    due = table.query_due(repository.OPEN_SHARD, clock.text(now), limit=_DUE_AT_ONCE).items
    troubles = [error for key in due if (error := _trouble_with(*_owner(key)))]
    if troubles:
        raise troubles[0]
    return len(due)


def _owner(key: Item) -> tuple[str, str]:
    return str(key["pk"]).partition("#")[0], str(key["sk"])


def _trouble_with(workspace: str, model_id: str) -> Exception | None:
    # Put off first: whatever comes, it is not the first in line again at once.
    later = {"next_check_at": clock.text(clock.now() + _CHECK_EVERY)}
    key = repository.key_of(workspace, model_id)
    try:
        table.write(Update(key, *assignments(later), "attribute_exists(#open_shard)"))
        _tend(workspace, model_id)
    except (NotFound, Conflict, ConditionFailed):
        return None  # it is gone, or used, or another request was faster
    except (*aws.ERRORS, ServiceError, ValueError) as error:
        logger.exception("can't tidy a model", model_id=model_id, workspace=workspace)
        return error
    return None


def _tend(workspace: str, model_id: str) -> None:
    model, upload = repository.get_upload(workspace, model_id)
    if model.status == "deleting":
        deleting.delete(workspace, model_id)
    elif model.status == "invalid":
        clear_invalid(workspace, model, upload)
    elif upload:
        expired = _expired(model)
        _settle(workspace, expired)
        clear_invalid(workspace, expired, upload)


def _expired(model: Model) -> Model:
    days = repository.UPLOAD_LIFE.days
    reason = Reason(
        code="upload_expired",
        message=f"It was not completed within {days} days, and its parts were given up.",
    )
    return model.model_copy(
        update={"status": "invalid", "invalid_reason": reason, "updated_at": clock.now()}
    )


def _settle(workspace: str, model: Model) -> None:
    held = "#status IN (:uploading, :importing)"
    statuses = {"uploading": "uploading", "importing": "importing"}
    invalid = model.status == "invalid"
    freed = stored.settled(workspace, model.id, 0) if invalid else []
    audit.came_to("invalid" if invalid else "done")
    told = notices_of(workspace, model)
    ended = ends(workspace, model, held, statuses, cleared=_SCHEDULED)
    try:
        table.transact([*ended, *freed, *map(notices.put_of, told)])
    except ConditionFailed as error:
        raise changed_meanwhile() from error
    for notice in told:
        notices.announce(notice)
