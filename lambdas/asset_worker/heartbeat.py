"""The heartbeat of a worker: as long as its process lives and works, its lease does not end.

So a lease can be short, and what a worker left that died is soon taken up by another, however long
the steps of the work are.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

EVERY_SECONDS = 10.0

Renewal = Callable[[], bool]
"""Renews a lease; says whether it is still ours."""


class Heartbeat:
    """Renews, from a thread of its own, the leases that are kept."""

    def __init__(self) -> None:
        self._kept: dict[str, Renewal] = {}
        self._lock, self._over = threading.Lock(), threading.Event()

    def beat_until_over(self) -> None:
        """Renew what is kept every few seconds."""
        while not self._over.wait(EVERY_SECONDS):
            with self._lock:
                self._kept = {token: renew for token, renew in self._kept.items() if renew()}

    def keep(self, token: str, renew: Renewal) -> None:
        """Renew a lease from now on."""
        with self._lock:
            self._kept[token] = renew

    def let_go(self, token: str) -> None:
        """Renew a lease no more; one renewal that is on its way has come to its end then."""
        with self._lock:
            self._kept.pop(token, None)

    def end(self) -> None:
        """Renew nothing any more."""
        self._over.set()


_CURRENT: ContextVar[Heartbeat | None] = ContextVar("heartbeat", default=None)


@contextmanager
def beating() -> Iterator[None]:
    """Keep each lease that is taken meanwhile, until it is given back or this ends."""
    heart = Heartbeat()
    thread = threading.Thread(target=heart.beat_until_over, name="heartbeat", daemon=True)
    before = _CURRENT.set(heart)
    thread.start()
    try:
        yield
    finally:
        heart.end()
        thread.join()
        _CURRENT.reset(before)


def keep(token: str, renew: Renewal) -> None:
    """Keep a lease, where a heart beats: a request has none, and ends before its lease does."""
    if heart := _CURRENT.get():
        heart.keep(token, renew)


def let_go(token: str) -> None:
    """Keep a lease no more."""
    if heart := _CURRENT.get():
        heart.let_go(token)
