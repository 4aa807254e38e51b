"""Changing name, description and tags of a dataset."""

from lambdas.core import clock, table
from lambdas.core.attributes import Item
from lambdas.core.names import name_taken
from lambdas.core.revisions import stale
from lambdas.core.table import ConditionFailed, Delete, Update, Write
from lambdas.datasets import inserting, repository
from lambdas.datasets.deleting import changed_meanwhile
from lambdas.datasets.schema import Dataset


def change(workspace: str, dataset: Dataset, asked: Item, revision: int | None) -> Dataset:
    """Change a dataset; a new name is taken and the old one freed at once.

    `revision` is the one that must still stand, None for any. Raises Conflict when the name is in
    use or the dataset has another name or is deleted meanwhile, PreconditionFailed when the
    revision is another.
    """
    changed = dataset.model_copy(update={**asked, "updated_at": clock.now()})
    writes: list[Write] = [_update(workspace, dataset, changed, asked, revision)]
    if changed.name != dataset.name:
        old = repository.name_key(workspace, dataset.name)
        writes += [
            inserting.lock_of(workspace, changed.name, dataset.id),
            Delete(old, "#id = :id", {"id": dataset.id}),
        ]
    try:
        table.transact(writes)
    except ConditionFailed as error:
        found = error.found.get(0)
        if 0 not in error.found and 1 in error.found:
            raise name_taken("dataset", changed.name) from error
        if found is not None and revision is not None and found.get("revision", 1) != revision:
            raise stale(int(found.get("revision", 1))) from error
        raise changed_meanwhile() from error
    return repository.get(workspace, dataset.id).dataset


def _update(
    workspace: str, dataset: Dataset, changed: Dataset, asked: Item, revision: int | None
) -> Update:
    fields = changed.model_dump(mode="json", include={*asked, "updated_at"})
    condition = "#status <> :deleting AND #name = :old_name"
    values: Item = {"deleting": "deleting", "old_name": dataset.name, "one": 1, "first": 1}
    if revision is not None:
        condition += " AND " + (
            "(attribute_not_exists(#revision) OR #revision = :expected)"
            if revision == 1  # one that was made before revisions counts as its first
            else "#revision = :expected"
        )
        values["expected"] = revision
    assignments = ", ".join(f"#{name} = :{name}" for name in fields)
    return Update(
        repository.key_of(workspace, dataset.id),
        f"SET {assignments}, #revision = if_not_exists(#revision, :first) + :one",
        values | fields,
        condition,
    )
