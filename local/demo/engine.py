"""Which training engine the demo's jobs run with, and the local stack that runs them."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_KOHYA = ROOT / ".kohya"
_READY_SECONDS = 90


class CannotStart(Exception):
    """The demo can't begin; the text says why and what would do."""


def environment(engine: str) -> dict[str, str]:
    """Return the environment in which local mode runs its jobs with an engine.

    Raises CannotStart when the real sd-scripts is asked for and is not there.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("KOHYA_")}
    return ours if engine == "rehearsal" else ours | _kohya(os.environ)


def _kohya(given: Mapping[str, str]) -> dict[str, str]:
    settings = {
        "KOHYA_HOME": given.get("KOHYA_HOME") or str(_KOHYA / "sd-scripts"),
        "KOHYA_PYTHON": given.get("KOHYA_PYTHON") or str(_KOHYA / "venv" / "bin" / "python"),
        "KOHYA_TOKENIZERS": given.get("KOHYA_TOKENIZERS") or str(_KOHYA / "tokenizers"),
    }
    for name in ("KOHYA_HOME", "KOHYA_PYTHON"):
        if not Path(settings[name]).exists():
            raise CannotStart(
                f"{settings[name]} is not there: `make kohya` brings the real sd-scripts, or set "
                f"{name} to yours."
            )
    if given.get("KOHYA_CPU") or not shutil.which("nvidia-smi"):
        settings["KOHYA_CPU"] = "1"
    return settings


@contextmanager
def local_stack(
    state: Path, env: Mapping[str, str], processes: int, cdk_out: Path = ROOT / "cdk.out"
) -> Iterator[dict[str, Any]]:
    """Run local mode on a free port with a fresh state folder; yield where it is.

    Raises CannotStart when it does not come up.
    """
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    log = state.parent / "local-mode.log"
    with log.open("wb") as output:
        stack = subprocess.Popen(
            [
                *(sys.executable, "-m", "local", "--port", "0", "--state", str(state)),
                *("--processes", str(processes), "--workspace", "demo"),
                *("--cdk-out", str(cdk_out)),
            ],
            cwd=ROOT,
            env=dict(env),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _endpoints(stack, state / "endpoints.json", log)
    finally:
        stack.terminate()
        stack.wait(timeout=30)


def _endpoints(stack: subprocess.Popen[bytes], file: Path, log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _READY_SECONDS
    while not file.exists():
        if stack.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:]
            raise CannotStart(f"Local mode did not come up. The end of {log}:\n{tail}")
        time.sleep(0.05)
    endpoints: dict[str, Any] = json.loads(file.read_text())
    return endpoints
