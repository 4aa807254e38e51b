"""The other processes of the stack: started, awaited, watched, ended."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

READY_SECONDS = 60.0
TAIL_LINES = 25


class ChildError(Exception):
    """A process of the stack failed; the text says which, and how its log ends."""


@dataclass(frozen=True)
class Program:
    """What to start: a Python module with arguments; it says `ready` and ends with its stdin."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    inherited: Sequence[int] = ()
    end_seconds: float = 5.0


@dataclass
class Child:
    """A started program."""

    program: Program
    process: asyncio.subprocess.Process
    started: float = field(default_factory=time.monotonic)
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    _draining: "asyncio.Task[None] | None" = None

    @classmethod
    async def start(cls, program: Program) -> "Child":
        """Start it in a session of its own, so that a Ctrl-C reaches the supervisor alone."""
        with program.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *program.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=dict(program.environment),
                pass_fds=program.inherited,
                start_new_session=True,
            )
        return cls(program, process)

    async def ready(self) -> float:
        """Wait until it says `ready`; gives the seconds it took. Raises ChildError."""
        assert self.process.stdout is not None
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), READY_SECONDS)
        except TimeoutError:
            line = b""
        if not line.startswith(b"ready"):
            raise self.failure("did not start", lines=None)
        self.is_ready.set()
        self._draining = asyncio.create_task(self._drain(self.process.stdout))
        return time.monotonic() - self.started

    async def _drain(self, output: asyncio.StreamReader) -> None:
        """Move what it still prints into its log; a full pipe would stop it."""
        while piece := await output.read(1 << 16):
            with self.program.log.open("ab") as log:
                log.write(piece)

    def failure(self, what: str, lines: int | None = TAIL_LINES) -> ChildError:
        """The error to raise for this process, with its log's last lines, or with all of it."""
        log = self.program.log.read_text(errors="replace").splitlines()
        tail = "\n".join(f"  | {line}" for line in (log[-lines:] if lines else log))
        return ChildError(f"{self.program.name} {what}; {self.program.log} says:\n{tail}")

    async def end(self) -> None:
        """Close its stdin, which asks it to end; insist after a while."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        for insist in (self.process.terminate, self.process.kill):
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), self.program.end_seconds)
                return
            with suppress(ProcessLookupError):
                insist()
        await self.process.wait()

    def kill(self) -> None:
        """End it and whatever it started, now."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)


async def first_to_end(children: Sequence[Child]) -> Child:
    """Wait until one of them ends, which none should do by itself."""
    waits = {asyncio.create_task(child.process.wait()): child for child in children}
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return waits[next(iter(done))]
