"""How much may be in memory at once, shared by threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """A total of which each holder takes its part and waits until that much is free."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._changed = threading.Condition()

    @contextmanager
    def holding(self, amount: int) -> Iterator[None]:
        """Hold an amount; what is more than the total is held alone."""
        held = min(amount, self.total)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= held)
            self._free -= held
        try:
            yield
        finally:
            with self._changed:
                self._free += held
                self._changed.notify_all()
