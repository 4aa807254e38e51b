"""Removing all that a thing has, in slices, until there is none or the time is over."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from lambdas.asset_worker import leases
from lambdas.asset_worker.leases import Lease, Lost
from lambdas.core import bucket, queue, table
from lambdas.core.queue import Task
from lambdas.core.table import ConditionFailed, Key, Write

AT_ONCE = 1000
_One = TypeVar("_One")


def emptied(
    lease: Lease, task: Task, folder: str, partitions: Sequence[str], deadline: float
) -> bool:
    """Remove what lies under `folder` in the bucket and in partitions of the table.

    Says whether there was time for all (`deadline` in monotonic seconds), else `task` is sent and
    goes on. Raises Lost.
    """
    for _ in _removed(folder, partitions):
        leases.renew(lease)
        if time.monotonic() > deadline:
            leases.give_back(lease)
            queue.send(task)
            return False
    return True


def _removed(folder: str, partitions: Sequence[str]) -> Iterator[None]:
    """Remove all, and yield at each slice."""
    for keys in _slices(found.key for found in bucket.objects_under(folder)):
        bucket.delete_all(keys)
        yield
    rows = (Key(pk, str(item["sk"])) for pk in partitions for item in table.query_all(pk))
    for some in _slices(rows):
        table.delete_all(some)
        yield


def _slices(found: Iterable[_One]) -> Iterator[list[_One]]:
    rest = iter(found)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def write(lease: Lease, *writes: Write) -> None:
    """Carry out writes as one, the first of them held to the lease. Raises Lost."""
    try:
        table.transact(writes)
    except ConditionFailed as error:
        if 0 not in error.found:
            raise
        raise Lost(f"the deletion of {lease.key.sk} is another's") from error
