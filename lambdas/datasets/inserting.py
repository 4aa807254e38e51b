"""New datasets: their files first, then all that is known of them as one."""

from collections.abc import Sequence

from lambdas.core import pending, stored
from lambdas.core.errors import ServiceError
from lambdas.core.idempotency import Attempt
from lambdas.core.names import name_taken
from lambdas.core.queue import Kind
from lambdas.core.table import ConditionFailed, Put, Write
from lambdas.datasets import repository
from lambdas.datasets.schema import Dataset, DeclaredFile


def lock_of(workspace: str, name: str, dataset_id: str) -> Put:
    """Return the write that takes a name."""
    lock = repository.name_key(workspace, name)
    return Put({"pk": lock.pk, "sk": lock.sk, "id": dataset_id})


def put_of(workspace: str, dataset: Dataset, files_id: str, waits_for: Kind | None = None) -> Put:
    """Return the write of a new dataset; `waits_for` is what the worker is to do first."""
    key = repository.key_of(workspace, dataset.id)
    item = {"pk": key.pk, "sk": key.sk, "files_id": files_id} | dataset.model_dump(mode="json")
    return Put(item | (pending.values(waits_for, dataset.id) if waits_for else {}))


def insert(
    workspace: str,
    dataset: Dataset,
    files: Sequence[DeclaredFile],
    attempt: Attempt,
    *others: Write,
    waits_for: Kind | None = None,
    most_bytes: int | None = None,
) -> str | None:
    """Keep a new dataset: its files first, then the record, name and idempotency as one.

    `most_bytes` is what it counts for until it is known how large it is.

    Returns the id of the dataset that another attempt with the same key made first. Raises Conflict
    when the name is in use, ConditionFailed when one of the others can't be written. Of this one
    nothing is left then; where the answer of the database was lost, all stays, since it may have
    been kept.
    """
    made = [(dataset, files)]
    return insert_all(workspace, made, attempt, *others, waits_for=waits_for, most_bytes=most_bytes)


def insert_all(
    workspace: str,
    made: Sequence[tuple[Dataset, Sequence[DeclaredFile]]],
    attempt: Attempt,
    *others: Write,
    waits_for: Kind | None = None,
    most_bytes: int | None = None,
) -> str | None:
    """Keep new datasets as `insert` does, all or none.

    Returns the ids of those that another attempt with the same key made first, a blank between.
    """
    lists = [(one.id, repository.put_files(workspace, one.id, files)) for one, files in made]
    locks = [lock_of(workspace, one.name, one.id) for one, _ in made]
    puts = [
        put_of(workspace, one, files_id, waits_for)
        for (one, _), (_, files_id) in zip(made, lists, strict=True)
    ]
    try:
        made_first = attempt.transact(
            " ".join(one.id for one, _ in made),
            *locks,
            *puts,
            *others,
            taken=name_taken("dataset", made[0][0].name),
            sizes=stored.new(
                workspace,
                {one.id: one.total_bytes if most_bytes is None else most_bytes for one, _ in made},
            ),
        )
    except (ServiceError, ConditionFailed) as error:
        _delete_lists(workspace, lists)
        if isinstance(error, ConditionFailed):
            _raise_if_taken(error, made, len(attempt.record("")))
        raise
    if made_first is not None:
        _delete_lists(workspace, lists)
    return made_first


def _delete_lists(workspace: str, lists: Sequence[tuple[str, str]]) -> None:
    for dataset_id, files_id in lists:
        repository.delete_files(workspace, dataset_id, files_id)


def _raise_if_taken(
    error: ConditionFailed, made: Sequence[tuple[Dataset, Sequence[DeclaredFile]]], first: int
) -> None:
    for index, (dataset, _) in enumerate(made, first):
        if index in error.found:
            raise name_taken("dataset", dataset.name) from error
