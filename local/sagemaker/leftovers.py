"""Programs of jobs that outlived an endpoint which was killed."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

SECONDS_TO_DIE = 5.0


def end_programs_of(base: Path) -> None:
    """Kill every process that was started for the job whose /opt/ml is `base`.

    They are known by their environment, which no later process with the same number can share.
    Only Linux shows it; elsewhere the job's keeper alone ends them.
    """
    deadline = time.monotonic() + SECONDS_TO_DIE
    while (found := _processes(base)) and time.monotonic() < deadline:
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


def _processes(base: Path) -> list[int]:
    mark = f"LORASTACK_BASE={base}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue
    return found
