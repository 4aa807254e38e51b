"""Work that a thing waits for: written with the thing's status, so that none is ever forgotten.

A message to the worker is sent after the write, and a crash in between loses it. So what waits
stands in the `open` index, and a schedule sends the message again when nobody took the work on.
"""

import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from lambdas.core import clock, queue, table
from lambdas.core.queue import Kind, Task
from lambdas.core.table import ConditionFailed, Key, Update

SHARDS = 4
LOOKED_AT_AGAIN_SECONDS = 60
_SENT_AGAIN_SECONDS = 300
_AT_ONCE = 100

ATTRIBUTES = ("pending", "open_shard", "next_check_at", "lease", "lease_until", "attempts")
REMOVE = ", ".join(f"#{name}" for name in ATTRIBUTES)


def values(kind: Kind, identifier: str) -> dict[str, Any]:
    """Return the attributes to set on a thing that waits for work of this kind."""
    return {
        "pending": kind,
        "open_shard": f"pending#{zlib.crc32(identifier.encode()) % SHARDS}",
        "next_check_at": clock.text(clock.later(LOOKED_AT_AGAIN_SECONDS)),
    }


def overdue(now: datetime) -> Iterator[Key]:
    """Yield what has waited too long, without an end to the work or a sign of it."""
    for shard in range(SHARDS):
        page = table.query_due(f"pending#{shard}", clock.text(now), limit=_AT_ONCE)
        yield from (Key(str(item["pk"]), str(item["sk"])) for item in page.items)


def send_again(key: Key) -> bool:
    """Send the message for what has waited too long; say whether it still waited.

    First it is put off, so that it is not sent every minute while the queue is long.
    """
    item = table.get(key)
    if item is None or "pending" not in item:
        return False
    later = clock.text(clock.later(_SENT_AGAIN_SECONDS))
    try:
        table.write(
            Update(
                key,
                "SET #next_check_at = :later",
                {"later": later, "seen": item["next_check_at"]},
                "#next_check_at = :seen",
            )
        )
    except ConditionFailed:
        return False
    queue.send(Task(kind=item["pending"], workspace=key.pk.partition("#")[0], id=key.sk))
    return True
