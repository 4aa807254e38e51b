"""Workspaces: made by their operator, with limits and with counters of what they use."""

from collections.abc import Mapping
from typing import Any

from lambdas.access.workspace_schema import Counted, Used, Workspace
from lambdas.core import clock, table, use
from lambdas.core.attributes import Item
from lambdas.core.errors import NotFound
from lambdas.core.limits import limits_of
from lambdas.core.table import ConditionFailed, Key, Put, Update

_HOUR = 3600
_MICROS = 10**6
_TRIES = 4


def make(workspace: str) -> None:
    """Keep a workspace; one that exists stays as it is."""
    key = _key(workspace)
    item: Item = {"pk": key.pk, "sk": key.sk, "created_at": clock.text(clock.now())}
    try:
        table.write(Put(item))
    except ConditionFailed:
        return


def read(workspace: str) -> Workspace:
    """Return what a workspace uses and may use, in one call.

    Raises NotFound.
    """
    month = use.month_of(clock.now())
    keys = [_key(workspace), use.use_key(workspace), use.month_key(workspace, month)]
    found = table.batch_get(keys)
    made, counted, of_month = (found.get(key) for key in keys)
    if made is None:
        raise NotFound(f"There is no workspace {workspace}.")
    limits, counted, of_month = limits_of(counted), counted or {}, of_month or {}
    return Workspace(
        name=workspace,
        created_at=made["created_at"],
        month=month,
        resets_at=use.month_after(month),
        active_trainings=_counted(counted.get("active_trainings", 0), limits.active_trainings),
        gpu_hours=_used(of_month.get("gpu_seconds", 0) / _HOUR, limits.gpu_hours),
        usd=_used(of_month.get("usd_micros", 0) / _MICROS, limits.usd),
        stored_bytes=_counted(counted.get("stored_bytes", 0), limits.stored_bytes),
    )


def set_limits(workspace: str, changes: Mapping[str, Any]) -> Item:
    """Set limits of a workspace and return those that are set; `default` unsets one.

    Raises NotFound.
    """
    if table.get(_key(workspace)) is None:
        raise NotFound(f"There is no workspace {workspace}.")
    for _ in range(_TRIES):
        before = table.get(use.use_key(workspace)) or {}
        limits: Item = before.get("limits", {}) | changes
        kept = {name: most for name, most in limits.items() if most != "default"}
        try:
            table.transact([_setting(workspace, kept, before.get("limits_set_at"))])
            return kept
        except ConditionFailed:
            continue
    raise table.busy()


def _setting(workspace: str, limits: Item, set_before: str | None) -> Update:
    values: Item = {"limits": limits, "now": clock.text(clock.now())}
    condition = "attribute_not_exists(#limits_set_at)"
    if set_before:
        values["before"] = set_before
        condition = "#limits_set_at = :before"
    return Update(
        use.use_key(workspace), "SET #limits = :limits, #limits_set_at = :now", values, condition
    )


def _counted(used: int, most: int | None) -> Counted:
    return Counted(used=used, limit=most, left=None if most is None else max(most - used, 0))


def _used(used: float, most: float | None) -> Used:
    left = None if most is None else max(most - used, 0)
    return Used(used=round(used, 6), limit=most, left=None if left is None else round(left, 6))


def _key(workspace: str) -> Key:
    return Key(f"{workspace}#workspace", "workspace")
