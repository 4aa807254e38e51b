"""What a workspace uses: counters that change in the transactions that make and end things.

`<workspace>#workspace` has an item `use` (trainings under way, bytes stored, the limits set for the
workspace) and one for each month, `use#2026-11` (GPU seconds, millionths of a dollar). A limit is a
condition on the counter in the very write that adds to it, so nothing is read and then written. It
also holds that the limits are those that were looked at; if they are not, whoever writes finds the
new ones in what the failed condition tells, and tries again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lambdas.core import clock
from lambdas.core.attributes import Item
from lambdas.core.limits import Limits, limits_of
from lambdas.core.table import Key, Update

# A month's item is of use until its last training has ended, and to look back a year.
_MONTH_KEPT_SECONDS = 400 * 24 * 3600


@dataclass(frozen=True)
class Known:
    """The limits of a workspace as they were last seen; `set_at` is None for the deployment's."""

    limits: Limits
    set_at: str | None = None

    @classmethod
    def of(cls, use: Item | None) -> "Known":
        """Read them from the item of counters."""
        return cls(limits_of(use), (use or {}).get("limits_set_at"))

    def holds(self) -> tuple[str, dict[str, Any]]:
        """Return the condition that they are still those, and its values."""
        if self.set_at is None:
            return "attribute_not_exists(#limits_set_at)", {}
        return "#limits_set_at = :limits_set_at", {"limits_set_at": self.set_at}


def use_key(workspace: str) -> Key:
    """Return where the counters and limits of a workspace lie."""
    return Key(f"{workspace}#workspace", "use")


def month_key(workspace: str, month: str) -> Key:
    """Return where the counters of a month lie; the month is `2026-11` say."""
    return Key(f"{workspace}#workspace", f"use#{month}")


def month_of(moment: datetime) -> str:
    """Return the month of a time, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m")


def month_after(month: str) -> datetime:
    """Return when the next month begins, and its counters at 0."""
    year, number = map(int, month.split("-"))
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def one_more_training(workspace: str, known: Known) -> Update:
    """Return the write that counts a training, where there may be one more."""
    return _more_of_use(workspace, "active_trainings", 1, known.limits.active_trainings, known)


def one_training_less(workspace: str, lora_bytes: int) -> Update:
    """Return the write that counts a training no more, and the LoRA that came out of it."""
    values = {"less": -1, "added": lora_bytes}
    return Update(
        use_key(workspace), "ADD #active_trainings :less, #stored_bytes :added", values, None
    )


def more_of_month(
    workspace: str, month: str, added: Mapping[str, int], most: Mapping[str, int | None]
) -> Update:
    """Return the write that adds to a month's counters, where none gets over its limit."""
    values: dict[str, Any] = {
        "expires_at": clock.epoch(month_after(month)) + _MONTH_KEPT_SECONDS,
        **added,
    }
    conditions = []
    for name, amount in added.items():
        condition, room = _room(name, amount, most[name])
        conditions += [condition] if condition else []
        values |= room
    return Update(
        month_key(workspace, month),
        f"SET #expires_at = :expires_at ADD {', '.join(f'#{name} :{name}' for name in added)}",
        values,
        " AND ".join(conditions) or None,
    )


def settled_of_month(workspace: str, month: str, added: Mapping[str, int]) -> Update:
    """Return the write that puts right what was added to a month."""
    names = ", ".join(f"#{name} :{name}" for name in added)
    return Update(month_key(workspace, month), f"ADD {names}", dict(added), None)


def more_bytes(workspace: str, added: int, known: Known) -> Update:
    """Return the write that counts bytes, where there is room for them."""
    return _more_of_use(workspace, "stored_bytes", added, known.limits.stored_bytes, known)


def settled_bytes(workspace: str, added: int) -> Update:
    """Return the write that puts the count of bytes right."""
    return Update(use_key(workspace), "ADD #stored_bytes :added", {"added": added}, None)


def _more_of_use(workspace: str, name: str, added: int, most: int | None, known: Known) -> Update:
    condition, values = known.holds()
    room, of_room = _room(name, added, most)
    return Update(
        use_key(workspace),
        f"ADD #{name} :{name}",
        {name: added} | values | of_room,
        f"{condition} AND {room}" if room else condition,
    )


def _room(name: str, added: int, most: int | None) -> tuple[str, dict[str, int]]:
    """Return the condition that a counter stays within its limit, and its values."""
    if most is None or added <= 0:
        return "", {}
    # What was never counted is 0; a counter that is absent compares with nothing.
    none_yet = f"attribute_not_exists(#{name}) OR " if added <= most else ""
    return f"({none_yet}#{name} <= :room_{name})", {f"room_{name}": most - added}
