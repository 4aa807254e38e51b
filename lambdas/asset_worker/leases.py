"""Leases: of several workers that a message reaches, one does the work, and goes on doing it.

A lease that is not renewed ends by itself. Whoever lost it finds out at its next write. It can be
short, since the worker's heartbeat renews it, too.
"""

from dataclasses import dataclass
from typing import Any

from lambdas.asset_worker import heartbeat
from lambdas.core import aws, clock, table
from lambdas.core.attributes import Item
from lambdas.core.errors import ServiceError
from lambdas.core.ids import ulid
from lambdas.core.observability import logger
from lambdas.core.queue import Kind
from lambdas.core.table import ConditionFailed, Key, Update

# More than four beats of the heart, and more than a request lasts, which has none.
SECONDS = 45
HELD = "#lease = :lease"
"""The condition of a write that only the holder may make; :lease is `Lease.token`."""


class Lost(Exception):
    """Another worker has taken the work over, or there is none any more."""


@dataclass(frozen=True)
class Lease:
    """The right to work on a thing.

    `item` is the thing's record when it was taken, `attempts` how many took it before since the
    last that got further.
    """

    key: Key
    token: str
    item: Item
    attempts: int


def take(key: Key, kind: Kind) -> Lease | None:
    """Take on the work that a thing waits for; None where it waits for none or another works."""
    item = table.get(key)
    if item is None or item.get("pending") != kind:
        return None
    token = ulid()
    try:
        table.write(
            Update(
                key,
                "SET #lease = :lease, #lease_until = :until, #next_check_at = :until "
                "ADD #attempts :one",
                _until(token) | {"one": 1, "kind": kind, "now": clock.text(clock.now())},
                "#pending = :kind AND (attribute_not_exists(#lease_until) OR #lease_until < :now)",
            )
        )
    except ConditionFailed:
        return None
    lease = Lease(key, token, item, int(item.get("attempts", 0)))
    heartbeat.keep(token, lambda: _beat(lease))
    return lease


def renew(lease: Lease, **found: Any) -> None:
    """Go on, after the work got further; `found` is kept with the thing. Raises Lost."""
    hold(lease, attempts=0, **found)


def hold(lease: Lease, **found: Any) -> None:
    """Go on with what would have to begin anew in other hands: this try counts. Raises Lost."""
    kept = "".join(f", #{name} = :{name}" for name in found)
    _write(
        lease,
        f"SET #lease_until = :until, #next_check_at = :until{kept}",
        _until(lease.token) | found,
    )


def give_back(lease: Lease) -> None:
    """Let another worker go on from here. Raises Lost."""
    heartbeat.let_go(lease.token)
    _write(
        lease,
        "SET #next_check_at = :soon, #attempts = :none REMOVE #lease_until",
        {"lease": lease.token, "none": 0, "soon": clock.text(clock.later(60))},
    )


def put_off(lease: Lease, seconds: float) -> None:
    """Let another worker try it later; this try counts. Raises Lost."""
    heartbeat.let_go(lease.token)
    _write(
        lease,
        "SET #next_check_at = :later REMOVE #lease_until",
        {"lease": lease.token, "later": clock.text(clock.later(seconds))},
    )


def tries(lease: Lease) -> int:
    """Return how often it was tried since the work last got further, this time too. Raises Lost."""
    item = table.get(lease.key)
    if item is None or item.get("lease") != lease.token:
        raise Lost(f"the lease on {lease.key.sk} is another's")
    return int(item.get("attempts", 0))


def _beat(lease: Lease) -> bool:
    try:
        hold(lease)
    except Lost:
        return False  # or the work has ended
    except (*aws.ERRORS, ServiceError) as error:
        logger.warning("a lease was not renewed", id=lease.key.sk, reason=repr(error))
    return True


def _until(token: str) -> Item:
    return {"lease": token, "until": clock.text(clock.later(SECONDS))}


def _write(lease: Lease, expression: str, values: Item) -> None:
    try:
        table.write(Update(lease.key, expression, values, HELD))
    except ConditionFailed as error:
        raise Lost(f"the lease on {lease.key.sk} is another's") from error
