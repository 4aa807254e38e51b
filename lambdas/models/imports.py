"""Imports in the table: begun as one write with the model, and waiting for the worker."""

from lambdas.core import pending
from lambdas.core.attributes import Item
from lambdas.core.idempotency import Attempt
from lambdas.core.names import name_taken
from lambdas.core.queue import Kind
from lambdas.core.table import Put
from lambdas.models import repository
from lambdas.models.import_schema import Source
from lambdas.models.schema import Model, check_file_name

KIND: Kind = "import_model"


def put_of(workspace: str, model: Model, source: Source) -> Put:
    """Return the write that keeps a model which is to be imported."""
    made: Item = repository.put_of(workspace, model).item
    waiting = pending.values(KIND, model.id)
    return Put(made | {"source": source.model_dump(mode="json")} | waiting)


def insert(workspace: str, model: Model, source: Source, attempt: Attempt) -> str | None:
    """Keep a model to import, its name and the idempotency record as one.

    Returns the id of the model that another attempt with the same key made first. Raises Conflict
    when the name is in use.
    """
    return attempt.transact(
        model.id,
        repository.lock_of(workspace, model.name, model.id),
        put_of(workspace, model, source),
        taken=name_taken("model", model.name),
    )


def file_name_of(path: str) -> str | None:
    """Return the name of a file by its path, None where that is none for a model's file."""
    try:
        return check_file_name(path.rpartition("/")[2])
    except ValueError:
        return None
