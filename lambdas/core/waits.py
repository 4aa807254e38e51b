"""How many requests of a workspace may wait at once, each in one of a few slots of the table.

Each waiting request holds a process of its own, in Lambda as in local mode, so a count kept in the
process would always be one. A slot that a crash left taken is free again when its time is over.
"""

import time
import uuid
from dataclasses import dataclass

from lambdas.core import clock, table
from lambdas.core.errors import Unavailable
from lambdas.core.table import ConditionFailed, Key, Update


@dataclass(frozen=True)
class Slot:
    """A taken slot of a workspace."""

    key: Key
    number: int
    holder: str


def take(workspace: str, most: int, seconds: float) -> Slot | None:
    """Take a free slot for so long at most, None where all are taken: a read and a write."""
    key = Key(f"{workspace}#workspace", "waits")
    item, now = table.get(key) or {}, time.time()
    for number in range(most):
        if item.get(f"until_{number}", 0) > now:
            continue
        return _taken(key, number, seconds)
    return None


def _taken(key: Key, number: int, seconds: float) -> Slot | None:
    slot = Slot(key, number, uuid.uuid4().hex)
    now = time.time()
    try:
        table.write(
            Update(
                key,
                f"SET #until_{number} = :until, #holder_{number} = :holder, #expires_at = :expires",
                {
                    "until": now + seconds,
                    "holder": slot.holder,
                    "now": now,
                    "expires": clock.epoch(clock.later(24 * 3600)),
                },
                f"attribute_not_exists(#until_{number}) OR #until_{number} <= :now",
            )
        )
    except (ConditionFailed, Unavailable):
        return None  # another took it at the same moment: not to wait does as well
    return slot


def give_back(slot: Slot) -> None:
    """Free a slot, unless its time was over and it is another's."""
    number = slot.number
    try:
        table.write(
            Update(
                slot.key,
                f"REMOVE #until_{number}, #holder_{number}",
                {"holder": slot.holder},
                f"#holder_{number} = :holder",
            )
        )
    except (ConditionFailed, Unavailable):
        return
