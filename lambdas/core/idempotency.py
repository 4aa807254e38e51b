"""The `Idempotency-Key` header: a retry answers what the first request made.

The record is written in the transaction that makes the resource, so there is never one without the
other. It holds the resource's id and the hash of the body; the answer is rendered anew.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from lambdas.core import audit, clock, stored, table
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict, NotFound, Unprocessable
from lambdas.core.stored import Sizes
from lambdas.core.table import ConditionFailed, Key, Put, Write

T = TypeVar("T")
KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Attempt:
    """One POST: who sends it, under what key (None: no promise asked for), with what body."""

    workspace: str
    key: str | None
    body_hash: str

    @classmethod
    def of(
        cls, workspace: str, key: str | None, route: str, body: BaseModel | None = None
    ) -> "Attempt":
        """Return the attempt for a validated body, if there is one, on a route."""
        # Only what was sent: a default that a deploy adds must not make a retry another request.
        text = f"{route}\n{body.model_dump_json(exclude_unset=True) if body else ''}"
        return cls(workspace, key, hashlib.sha256(text.encode()).hexdigest())

    @property
    def record_key(self) -> Key | None:
        """Return where the record of this attempt lies."""
        return None if self.key is None else Key(f"{self.workspace}#idempotency", self.key)

    def record(self, resource_id: str) -> list[Put]:
        """Return the write that remembers what this attempt made; none without a key."""
        key = self.record_key
        if key is None:
            return []
        expires = clock.epoch(clock.later(KEPT_SECONDS))
        item: Item = {
            "pk": key.pk,
            "sk": key.sk,
            "resource_id": resource_id,
            "body_hash": self.body_hash,
            "expires_at": expires,
        }
        # TTL lags by up to days, so an expired record counts as none.
        condition = "attribute_not_exists(#pk) OR #expires_at <= :now"
        return [Put(item, condition, {"now": clock.epoch(clock.now())})]

    def made_before(self) -> str | None:
        """Return the id of what an earlier attempt with this key made, None if this is the first.

        Raises Unprocessable when the key was used for another body.
        """
        key = self.record_key
        return None if key is None else self.made(table.get(key))

    def transact(
        self,
        resource_id: str,
        lock: Write,
        *others: Write,
        taken: Conflict,
        sizes: Sizes | None = None,
    ) -> str | None:
        """Carry out the writes that make a resource, and remember the attempt, as one.

        `lock` is the write of the resource's name: where its condition fails, `taken` is raised.
        `sizes` is what it counts for. Returns the id of what another attempt with this key made
        first; None: this one did. Raises LimitReached where there is no room for it.
        """
        record = self.record(resource_id)
        audit.about(resource_id)
        try:
            self._carry_out([*record, lock, *others], sizes)
        except ConditionFailed as error:
            if record and 0 in error.found:
                return self._made_first(error.found[0])
            if len(record) in error.found:
                raise taken from error
            raise
        return None

    def _carry_out(self, writes: Sequence[Write], sizes: Sizes | None) -> None:
        if sizes is None:
            table.transact(writes)
        else:
            stored.transact(writes, sizes)

    def _made_first(self, record: Item | None) -> str:
        made = self.made(record)
        if made is None:  # it expired between the two looks
            raise Conflict("The Idempotency-Key expired just now. Try again.")
        return made

    def made(self, record: Item | None) -> str | None:
        """Return the id of what an earlier attempt made, None if this is the first.

        Raises Unprocessable when the key was used for another body.
        """
        if record is None or record["expires_at"] <= clock.epoch(clock.now()):
            return None
        if record["body_hash"] != self.body_hash:
            raise Unprocessable(
                "This Idempotency-Key was used for a request with another body. "
                "Take a new key for a new request.",
                code="idempotency_key_reused",
            )
        return str(record["resource_id"])


def as_it_stands(render: Callable[[], T]) -> T:
    """Return the answer to a repeat: what the first request made, as it is now.

    Raises Conflict when that has been deleted since: making it again is not what a repeat means.
    """
    try:
        return render()
    except NotFound as error:
        raise Conflict(
            "What the first request with this Idempotency-Key made has been deleted since. "
            "Take a new key to make it anew.",
            code="made_and_deleted",
        ) from error
