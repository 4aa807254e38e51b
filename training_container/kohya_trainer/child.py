"""The engine as a child process: its own group, its output followed, ended for certain."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from kohya_trainer.log import pass_on
from kohya_trainer.progress import OutputReader, Position

TAIL_LINES = 200
LINGER_SECONDS = 2.0
BAR_SECONDS = 10.0
"""A bar is passed on this often, as a line: CloudWatch keeps lines, and a bar has no end."""


class Child:
    """A running engine. stdout and stderr share one pipe, so their order is kept."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._reader = OutputReader(self._on_line, self._on_bar)
        self._bar_passed_on = 0.0
        self._ended = False
        self._left_at: float | None = None
        self._process = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        self.silent = threading.Event()
        """Set when nobody in the child's group can print any more."""
        threading.Thread(target=self._follow, daemon=True).start()

    @property
    def position(self) -> Position:
        return self._reader.position

    @property
    def part(self) -> float:
        """How much is done by the last bar without a name, from 0 to 1."""
        return self._reader.part

    @property
    def tail(self) -> list[str]:
        """The last lines that were printed, without the bars."""
        return list(self._tail)

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; True when the child has ended and all its output was read.

        A process that it left behind may hold the pipe open: then a moment after its end counts.
        """
        if self.silent.wait(seconds):
            self._process.wait()
            return True
        if self.returncode is None:
            return False
        self._left_at = self._left_at or time.monotonic()
        return time.monotonic() - self._left_at > LINGER_SECONDS

    def stop(self, grace: float) -> None:
        """SIGTERM to the whole group, SIGKILL when the grace (seconds) is over."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + grace
        while not self.wait(0.1) and time.monotonic() < deadline:
            pass
        self.end()

    def end(self) -> None:
        """Kill whatever is left of the group, once, and read what it still said."""
        if not self._ended:
            self._ended = True
            self._signal(signal.SIGKILL)
            self._process.wait()
            self.silent.wait(5)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _follow(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        while data := os.read(pipe.fileno(), 65536):
            self._reader.feed(data)
        self._reader.feed(b"", final=True)
        self.silent.set()

    def _on_line(self, line: str) -> None:
        self._tail.append(line)
        pass_on(line)

    def _on_bar(self, line: str) -> None:
        if time.monotonic() - self._bar_passed_on >= BAR_SECONDS:
            self._bar_passed_on = time.monotonic()
            pass_on(line)
