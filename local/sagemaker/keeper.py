"""Runs a job's program and outlives the endpoint for as long as it takes to end it.

`python -I -S keeper.py PROGRAM …`; it obeys lines on stdin: `stop SECONDS` (SIGTERM to the
program's group, SIGKILL after so long), `kill`. When stdin ends, the endpoint is gone, and the
program is stopped. Its own program rather than `preexec_fn`, which is unsafe beside threads, and
rather than a parent-death signal alone, which reaches the program but not its children.
It imports nothing of ours: it must start in no time.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

GRACE_WHEN_ALONE = 5.0
PR_SET_PDEATHSIG = 1
EXIT_NOT_STARTED = 127


def main() -> int:
    """Run the program and return its exit code, 128 + n for signal n."""
    try:
        program = subprocess.Popen(
            sys.argv[1:],
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - there are no other threads yet
        )
    except OSError as exc:
        print(f"the program could not be started: {exc}", file=sys.stderr)
        return EXIT_NOT_STARTED
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)  # only stdin rules
    threading.Thread(target=_obey, args=[program], daemon=True).start()
    code = program.wait()
    _signal_group(program, signal.SIGKILL)  # what it left behind goes with the container
    return code if code >= 0 else 128 - code


def _obey(program: "subprocess.Popen[bytes]") -> None:
    for line in sys.stdin:
        order, _, seconds = line.strip().partition(" ")
        if order == "kill":
            _signal_group(program, signal.SIGKILL)
        else:
            _stop(program, float(seconds))
    _stop(program, GRACE_WHEN_ALONE)


def _stop(program: "subprocess.Popen[bytes]", grace: float) -> None:
    _signal_group(program, signal.SIGTERM)
    timer = threading.Timer(grace, _signal_group, [program, signal.SIGKILL])
    timer.daemon = True
    timer.start()


def _signal_group(program: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, number)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
