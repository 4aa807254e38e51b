"""How many jobs may run at once: this computer is one machine, unless the settings say more."""

import threading


class Machines:
    """A number of machines, given out in the order of asking."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[str] = []
        self._lock = threading.Lock()

    def take(self, name: str) -> bool:
        """Return whether the job now has a machine; if not, it stands in the queue."""
        with self._lock:
            if name not in self._waiting:
                self._waiting.append(name)
            if not self._free or self._waiting[0] != name:
                return False
            self._waiting.pop(0)
            self._free -= 1
            return True

    def leave(self, name: str) -> None:
        """Leave the queue."""
        with self._lock:
            if name in self._waiting:
                self._waiting.remove(name)

    def give_back(self) -> None:
        """Give a machine back."""
        with self._lock:
            self._free += 1
