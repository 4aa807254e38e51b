"""POSTs that make no new thing, sent again: answered as the first was, or told that it still runs.

What makes a thing remembers its attempt in the transaction that makes it (`idempotency.py`). What
does something to a thing that exists is noted before it begins and when it is done: two calls more,
and none for a request without a key. One that broke off may be done again when nobody can be at it
any more, so it has to be of a kind that may be done twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lambdas.core import aws, clock, table
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict, ServiceError
from lambdas.core.idempotency import KEPT_SECONDS, Attempt
from lambdas.core.ids import ulid
from lambdas.core.table import ConditionFailed, Delete, Key, Put, Update

T = TypeVar("T")
# A function behind the gateway lives 29 s.
RUNS_AT_MOST_SECONDS = 30
_OURS = "#claim = :claim"


@dataclass(frozen=True)
class Done:
    """What came of a request: `kept` is remembered with its key, to answer a repeat from."""

    kept: Item


def once(attempt: Attempt, act: Callable[[], T], again: Callable[[], T]) -> T:
    """Do what is asked for, or answer by `again` what a request with this key has done before.

    Raises Conflict while that one runs, Unprocessable when it had another body.
    """
    return once_kept(attempt, act, lambda _: {}, lambda _: again())


def once_kept(
    attempt: Attempt,
    act: Callable[[], T],
    keep: Callable[[T], Item],
    again: Callable[[Item], T],
) -> T:
    """Do what is asked for, as `once`, where a repeat is answered from what `keep` told of it."""
    key = attempt.record_key
    if key is None:
        return act()
    claim = ulid()
    done = _claim(attempt, key, claim)
    if done is not None:
        return again(done.kept)
    try:
        result = act()
    except (ServiceError, *aws.ERRORS):
        # It was refused, so a repeat is another try.
        _write(Delete(key, _OURS, {"claim": claim}))
        raise
    _write(
        Update(
            key,
            "SET #kept = :kept REMOVE #running_until",
            {"kept": keep(result), "claim": claim},
            _OURS,
        )
    )
    return result


def _claim(attempt: Attempt, key: Key, claim: str) -> Done | None:
    """Note that a request runs; return what the one that had this key before has done."""
    now = clock.epoch(clock.now())
    item: Item = {
        "pk": key.pk,
        "sk": key.sk,
        "resource_id": "",
        "body_hash": attempt.body_hash,
        "claim": claim,
        "running_until": now + RUNS_AT_MOST_SECONDS,
        "expires_at": now + KEPT_SECONDS,
    }
    free = (
        "attribute_not_exists(#pk) OR #expires_at <= :now"
        " OR (#body_hash = :hash AND #running_until <= :now)"
    )
    try:
        table.write(Put(item, free, {"now": now, "hash": attempt.body_hash}))
    except ConditionFailed as error:
        return _done_before(attempt, error.found.get(0) or {}, now)
    return None


def _done_before(attempt: Attempt, record: Item, now: int) -> Done:
    if attempt.made(record or None) is None:
        raise Conflict("The Idempotency-Key expired just now. Try again.")
    if "running_until" in record:
        seconds = max(1, int(record["running_until"]) - now)
        raise Conflict(
            "The first request with this Idempotency-Key is still running. Send it again in a "
            "moment, and you get its answer.",
            code="first_request_running",
            headers={"Retry-After": str(seconds)},
        )
    return Done(record.get("kept") or {})


def _write(single: Delete | Update) -> None:
    try:
        table.write(single)
    except ConditionFailed:
        return  # it took longer than it may, and another has begun
