"""The writes that change a model's item, shared by all that happens to it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lambdas.core import clock, notices
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict
from lambdas.core.notices import EventType, Notice
from lambdas.core.table import Update
from lambdas.models import repository
from lambdas.models.schema import Model

# What a model has as long as something of it is to be cleared away: it stands in the open index.
OPEN = "#open_shard, #next_check_at"
_CHECK_EVERY = timedelta(minutes=5)


def update_of(
    workspace: str,
    model_id: str,
    fields: Mapping[str, Any],
    condition: str,
    values: Mapping[str, Any],
    remove: str = "",
) -> Update:
    """Return the write that sets fields of a model, its revision one up."""
    expression, filled = assignments(fields)
    # A model that was made before there were revisions has none.
    expression += ", #revision = if_not_exists(#revision, :first) + :one"
    return Update(
        repository.key_of(workspace, model_id),
        expression + (f" REMOVE {remove}" if remove else ""),
        {**values, **filled, "first": 1, "one": 1},
        condition,
    )


def notices_of(workspace: str, model: Model) -> list[Notice]:
    """Return what is to be told of a model that was settled: nothing while it is being checked."""
    told: dict[str, EventType] = {"ready": "model.ready", "invalid": "model.invalid"}
    if model.status not in told:
        return []
    return [notices.of(workspace, told[model.status], model.id)]


def still_open() -> Item:
    """Return the fields by which the schedule finds a model in a while."""
    return {
        "open_shard": repository.OPEN_SHARD,
        "next_check_at": clock.text(clock.now() + _CHECK_EVERY),
    }


def assignments(fields: Mapping[str, Any]) -> tuple[str, Item]:
    """Return the update expression that sets fields, and its values."""
    return "SET " + ", ".join(f"#{name} = :{name}" for name in fields), dict(fields)


def changed_meanwhile() -> Conflict:
    """Return the error for a write that another request came before."""
    return Conflict(
        "Another request changed this model at the same moment. Read it and go on.",
        code="changed_meanwhile",
    )
