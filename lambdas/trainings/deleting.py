"""Deleting a training: marked first, then looked up who goes on from it; the worker does the rest.

As with datasets: the worker looks up the users, too, so that a request that broke off in between is
mended by it. From when the worker has written `doomed`, the training can't be restored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lambdas.core import clock, pending, table
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict
from lambdas.core.ids import ulid
from lambdas.core.table import ConditionFailed, Key, Update
from lambdas.trainings import repository
from lambdas.trainings.schema import FINAL, Status, Training

_NAMED = 5
_RESTORABLE = "#status = :deleting AND attribute_not_exists(#doomed)"


@dataclass(frozen=True)
class Mark:
    """A training that was marked; `facet` is the one under which it was listed before."""

    key: Key
    id: str
    facet: str


def users_of(training_id: str) -> list[str]:
    """Return the ids of some trainings under way that go on from this one's state."""
    # As it stands: a training that was made a moment before the mark must be seen.
    found = table.query(f"{training_id}#use", limit=_NAMED, newest_first=False, consistent=True)
    return [str(item["sk"]) for item in found.items]


def mark(workspace: str, item: Item) -> Mark:
    """Mark a training by its record.

    Raises Conflict when it has not ended, or changed meanwhile.
    """
    status: Status = item["status"]
    if status not in FINAL:
        raise _under_way(str(item["name"]), status)
    found = Mark(Key(item["pk"], item["sk"]), ulid(), _facet_before(workspace, item))
    try:
        table.write(
            _mark_again(found) if status == "deleting" else _first_mark(workspace, item, found)
        )
    except ConditionFailed as error:
        raise changed_meanwhile() from error
    return found


def mark_of(workspace: str, item: Item) -> Mark:
    """Return the mark of a training's record that has one."""
    return Mark(Key(item["pk"], item["sk"]), str(item["mark"]), _facet_before(workspace, item))


def _facet_before(workspace: str, item: Item) -> str:
    return repository.facet_of(workspace, item.get("status_before") or item["status"])


def _mark_again(mark: Mark) -> Update:
    # Else another request, that saw a use which has ended since, could restore it behind this one.
    values = {"mark": mark.id, "deleting": "deleting"}
    return Update(mark.key, "SET #mark = :mark", values, _RESTORABLE)


def _first_mark(workspace: str, item: Item, mark: Mark) -> Update:
    changes = pending.values("delete_training", mark.key.sk) | {
        "status": "deleting",
        "status_before": item["status"],
        "facet": repository.facet_of(workspace, "deleting"),
        "mark": mark.id,
        "updated_at": clock.text(clock.now()),
    }
    assignments = ", ".join(f"#{name} = :{name}" for name in changes)
    return Update(mark.key, f"SET {assignments}", changes, "#status = :status_before")


def restore(mark: Mark) -> Item | None:
    """Give a training that is used the status that it had.

    Returns None, or the record as it stands where it was marked anew, restored or doomed meanwhile.
    """
    removed = f"{pending.REMOVE}, #status_before, #mark"
    values = {"deleting": "deleting", "mark": mark.id, "facet": mark.facet}
    try:
        table.write(
            Update(
                mark.key,
                f"SET #status = #status_before, #facet = :facet REMOVE {removed}",
                values,
                f"{_RESTORABLE} AND #mark = :mark",
            )
        )
    except ConditionFailed as error:
        return error.found.get(0)
    return None


def in_use(training: Training, users: Sequence[str]) -> Conflict:
    """Return the error for a training that can't be deleted."""
    return Conflict(
        f"{', '.join(users)} goes on from the state of {training.name}. Wait for the end, or "
        "cancel it, then delete this training.",
        code="training_in_use",
    )


def changed_meanwhile() -> Conflict:
    """Return the error for a change that another one came before."""
    return Conflict(
        "Another request changed this training at the same moment. Read it and try again.",
        code="changed_meanwhile",
    )


def _under_way(name: str, status: Status) -> Conflict:
    first = (
        "Cancel it first, with POST /trainings/{id}/cancel, and wait"
        if status != "canceling"
        else "Wait"
    )
    return Conflict(
        f"{name} is {status}. {first} until it is canceled, failed or succeeded; then delete it.",
        code="training_under_way",
    )
