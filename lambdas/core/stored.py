"""How many bytes each dataset and model counts for: a row for each, so that the sum can't drift.

Row and sum change as one, in the transaction that makes, changes or removes the thing. A thing that
was made before there were rows has none and counts for nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lambdas.core import table, use
from lambdas.core.errors import LimitReached
from lambdas.core.limits import BYTES_PER_GB
from lambdas.core.table import ConditionFailed, Delete, Key, Put, Update, Write
from lambdas.core.use import Known

# The limits may be set anew between two of them.
_TRIES = 4


@dataclass(frozen=True)
class Sizes:
    """Things that are to be counted: bytes by id, as they count now and before (absent: not)."""

    workspace: str
    sizes: Mapping[str, int]
    before: Mapping[str, int]

    @property
    def added(self) -> int:
        """Return how many bytes more they are."""
        return sum(self.sizes.values()) - sum(self.before.values())

    def writes(self, known: Known) -> list[Write]:
        """Return the writes that count them, the sum first."""
        rows = [_row(self.workspace, one, size, self.before) for one, size in self.sizes.items()]
        return [use.more_bytes(self.workspace, self.added, known), *rows]


def row_key(workspace: str, identifier: str) -> Key:
    """Return where it lies how many bytes a thing counts for."""
    return Key(f"{workspace}#stored", identifier)


def new(workspace: str, sizes: Mapping[str, int]) -> Sizes:
    """Return what is to be counted for new things: bytes by id."""
    return Sizes(workspace, sizes, {})


def changed(workspace: str, identifier: str, size: int) -> Sizes:
    """Return what is to be counted for a thing whose size changes; reads how it counts so far."""
    row = table.get(row_key(workspace, identifier))
    before = {} if row is None else {identifier: int(row["bytes"])}
    return Sizes(workspace, {identifier: size}, before)


def must_have_room(workspace: str, size: int) -> None:
    """Raise LimitReached where so many bytes more have no room now; counts nothing."""
    found = table.get(use.use_key(workspace))
    used, known = int((found or {}).get("stored_bytes", 0)), Known.of(found)
    most = known.limits.stored_bytes
    if most is not None and used + size > most:
        raise _no_room(size, used, known)


def settled(workspace: str, identifier: str, size: int) -> list[Write]:
    """Return the writes that count what a thing has come to, also where that is over the limit."""
    found = changed(workspace, identifier, size)
    if found.before == found.sizes or not (found.before or size):
        return []
    return [
        use.settled_bytes(workspace, found.added),
        _row(workspace, identifier, size, found.before),
    ]


def row_of(workspace: str, identifier: str, size: int) -> Put:
    """Return the write of a new thing's row; the sum is another's."""
    key = row_key(workspace, identifier)
    return Put({"pk": key.pk, "sk": key.sk, "bytes": size}, condition=None)


def released(workspace: str, identifier: str) -> list[Write]:
    """Return the writes by which a thing counts no more; none where it does not."""
    row = table.get(row_key(workspace, identifier))
    if row is None:
        return []
    size = int(row["bytes"])
    return [
        Delete(row_key(workspace, identifier), "#bytes = :bytes", {"bytes": size}),
        use.settled_bytes(workspace, -size),
    ]


def transact(writes: Sequence[Write], sizes: Sizes) -> None:
    """Carry out writes and count what they make, as one.

    Raises LimitReached where there is no room, ConditionFailed where another of the writes failed.
    """
    known = Known.of(None)
    for _ in range(_TRIES):
        try:
            table.transact([*writes, *sizes.writes(known)])
            return
        except ConditionFailed as error:
            if len(writes) not in error.found or min(error.found) < len(writes):
                raise
            found = error.found[len(writes)]
            seen = Known.of(found)
            if seen == known:
                used = int((found or {}).get("stored_bytes", 0))
                raise _no_room(sizes.added, used, known) from error
            known = seen
    raise table.busy()


def _row(workspace: str, identifier: str, size: int, before: Mapping[str, int]) -> Write:
    key = row_key(workspace, identifier)
    if identifier not in before:
        return Put({"pk": key.pk, "sk": key.sk, "bytes": size})
    values = {"bytes": size, "before": before[identifier]}
    return Update(key, "SET #bytes = :bytes", values, "#bytes = :before")


def _no_room(added: int, used: int, known: Known) -> LimitReached:
    most = known.limits.stored_bytes or 0
    return LimitReached(
        f"This needs {_gb(added)} GB and the workspace has {_gb(max(most - used, 0))} GB left: "
        f"{_gb(used)} of {_gb(most)} GB are used by its datasets and models. Delete what is not "
        "needed any more, or ask the operator for more.",
        code="storage_limit",
    )


def _gb(count: int) -> str:
    return f"{count / BYTES_PER_GB:.3f}".rstrip("0").rstrip(".")
