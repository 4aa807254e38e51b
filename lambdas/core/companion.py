"""Writes that go along with the first transaction of a request, whichever that is."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.core.table import Write


@dataclass
class Companion:
    """What goes along: `writes` makes them when the time has come; `gone` once they are written."""

    writes: "Callable[[], Sequence[Write]]"
    gone: bool = False


_COMPANION: ContextVar[Companion | None] = ContextVar("companion", default=None)


@contextmanager
def going_along(writes: "Callable[[], Sequence[Write]]") -> Iterator[Companion]:
    """Have the first transaction that is carried out within carry these writes as well.

    They may have no condition, and there may be two at most, as a transaction has 100 writes.
    """
    companion = Companion(writes)
    before = _COMPANION.set(companion)
    try:
        yield companion
    finally:
        _COMPANION.reset(before)


def waiting() -> Companion | None:
    """Return what is to go along with the next transaction."""
    companion = _COMPANION.get()
    return None if companion is None or companion.gone else companion
