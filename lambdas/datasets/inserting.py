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
    files_id = repository.put_files(workspace, dataset.id, files)
    taken = name_taken("dataset", dataset.name)
    counted = dataset.total_bytes if most_bytes is None else most_bytes
    try:
        made_first = attempt.transact(
            dataset.id,
            lock_of(workspace, dataset.name, dataset.id),
            put_of(workspace, dataset, files_id, waits_for),
            *others,
            taken=taken,
            sizes=stored.new(workspace, {dataset.id: counted}),
        )
    except (ServiceError, ConditionFailed) as error:
        repository.delete_files(workspace, dataset.id, files_id)
        if isinstance(error, ConditionFailed) and len(attempt.record("")) in error.found:
            raise taken from error
        raise
    if made_first is not None:
        repository.delete_files(workspace, dataset.id, files_id)
    return made_first
