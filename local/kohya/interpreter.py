"""Chooses the Python that the environment of sd-scripts is made from."""

import platform
import subprocess
import sys

from local.kohya.settings import KohyaError

FITTING = ((3, 11), (3, 12))
"""torch 2.6.0, which sd-scripts asks for, knows no 3.13 here; the hashed packages need 3.11."""

REMEDY = "set KOHYA_BASE_PYTHON to a Python 3.11 or 3.12, for example KOHYA_BASE_PYTHON=python3.12"


def choose(base_python: str | None) -> str:
    """The command of a Python that fits: the one asked for, else the running one.

    Raises KohyaError, with what to set, when it does not fit or does not run.
    """
    python = base_python or sys.executable
    version = version_of(python)
    if version not in FITTING:
        found = ".".join(map(str, version))
        raise KohyaError(f"sd-scripts cannot run on Python {found} ({python}); {REMEDY}.")
    return python


def version_of(python: str) -> tuple[int, int]:
    """Major and minor version of an interpreter; KohyaError when it cannot be started."""
    command = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as exc:
        raise KohyaError(f"{python} is no Python that can be started; {REMEDY}.") from exc
    major, minor = map(int, answer.split())
    return major, minor


def require_platform(system: str | None = None, machine: str | None = None) -> None:
    """Raises KohyaError where the hashed packages do not exist."""
    here = (system or platform.system(), machine or platform.machine())
    if here != ("Linux", "x86_64"):
        raise KohyaError(
            f"the hashed packages are for Linux on x86_64, not {here[0]} on {here[1]}; install "
            "sd-scripts' requirements yourself and set KOHYA_HOME, KOHYA_PYTHON and "
            "KOHYA_TOKENIZERS."
        )
