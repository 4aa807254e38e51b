"""Deleting a dataset: marked first, then looked up who uses it; the worker does the rest.

Marked, it can't be taken for a training or a crop any more. The worker looks up its users, too, so
that a request that broke off in between is mended by it. From when the worker has written `doomed`,
which is also when the name is free, a dataset can't be restored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lambdas.core import clock, pending, table
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict
from lambdas.core.ids import ulid
from lambdas.core.queue import Kind
from lambdas.core.table import ConditionFailed, Key, Update
from lambdas.datasets.schema import Dataset

_NAMED = 5
_RESTORABLE = "#status = :deleting AND attribute_not_exists(#doomed)"


def users_of(dataset_id: str) -> list[str]:
    """Return the ids of some trainings, and of datasets being cropped, that use a dataset."""
    # As it stands: a training that was made a moment before the mark must be seen.
    found = table.query(f"{dataset_id}#use", limit=_NAMED, newest_first=False, consistent=True)
    return [str(item["sk"]) for item in found.items]


@dataclass(frozen=True)
class Mark:
    """A dataset that was marked: `waits_for` is the work that it waited for before."""

    key: Key
    id: str
    waits_for: Kind | None


def mark(item: Item) -> Mark:
    """Mark a dataset by its record.

    Whoever works on it finds out at the next write; its lease is waited for, so that nothing is
    written behind the deletion. Raises Conflict when the dataset changed meanwhile.
    """
    marked = item["status"] == "deleting"
    found = Mark(Key(item["pk"], item["sk"]), ulid(), _waits_for(item, marked=marked))
    try:
        table.write(_mark_again(found) if marked else _first_mark(item, found))
    except ConditionFailed as error:
        raise changed_meanwhile() from error
    return found


def mark_of(item: Item) -> Mark:
    """Return the mark of a dataset's record that has one."""
    return Mark(Key(item["pk"], item["sk"]), str(item["mark"]), _waits_for(item, marked=True))


def _waits_for(item: Item, *, marked: bool) -> Kind | None:
    return item.get("pending_before" if marked else "pending") or None


def _mark_again(mark: Mark) -> Update:
    # Else another request, that saw a use which has ended since, could restore it behind this one.
    values = {"mark": mark.id, "deleting": "deleting"}
    return Update(mark.key, "SET #mark = :mark", values, _RESTORABLE)


def _first_mark(item: Item, mark: Mark) -> Update:
    waiting = pending.values("delete_dataset", mark.key.sk)
    waiting["next_check_at"] = max(waiting["next_check_at"], item.get("lease_until", ""))
    changes = waiting | {
        "status": "deleting",
        "status_before": item["status"],
        "pending_before": mark.waits_for,
        "mark": mark.id,
        "updated_at": clock.text(clock.now()),
    }
    return Update(
        mark.key,
        f"SET {', '.join(map(_assignment, changes))} REMOVE #lease, #attempts",
        changes,
        "#status = :status_before",
    )


def restore(mark: Mark) -> Item | None:
    """Give a dataset that is used the status that it had.

    Returns None, or the record as it stands where it was marked anew, restored or doomed meanwhile.
    """
    waiting = pending.values(mark.waits_for, mark.key.sk) if mark.waits_for else {}
    gone = [name for name in pending.ATTRIBUTES if name not in waiting]
    removed = ", ".join(f"#{name}" for name in [*gone, "status_before", "pending_before", "mark"])
    assignments = ", ".join(["#status = #status_before", *map(_assignment, waiting)])
    values = {**waiting, "deleting": "deleting", "mark": mark.id}
    try:
        table.write(
            Update(
                mark.key,
                f"SET {assignments} REMOVE {removed}",
                values,
                f"{_RESTORABLE} AND #mark = :mark",
            )
        )
    except ConditionFailed as error:
        return error.found.get(0)
    return None


def _assignment(name: str) -> str:
    return f"#{name} = :{name}"


def in_use(workspace: str, dataset: Dataset, users: Sequence[str]) -> Conflict:
    """Return the error for a dataset that can't be deleted."""
    return Conflict(
        f"{dataset.name} is used by {_named(workspace, users)}. Wait for the end, or cancel the "
        "training, then delete the dataset.",
        code="dataset_in_use",
    )


def _named(workspace: str, users: Sequence[str]) -> str:
    kinds = {"trn": "training", "ds": "dataset"}
    keys = [Key(f"{workspace}#{kinds[one.partition('_')[0]]}", one) for one in users]
    names = {key.sk: str(item["name"]) for key, item in table.batch_get(keys).items()}
    return ", ".join(
        f"the {key.pk.partition('#')[2]} {names.get(key.sk, '')} ({key.sk})" for key in keys
    )


def changed_meanwhile() -> Conflict:
    """Return the error for a change that another one came before."""
    return Conflict(
        "Another request changed this dataset at the same moment. Read it and try again.",
        code="changed_meanwhile",
    )
