"""Environments of their own for programs that nothing here imports: build/<name>-venv.

What is in one is what requirements/<name>.txt names, by its hashes; the network is needed once.
"""

import subprocess
import sys
from pathlib import Path

from contract.source import ROOT


class EnvironmentMissing(Exception):
    """An environment can't be made; the text says what would do."""


def program(name: str, command: str, build: Path = ROOT / "build") -> Path:
    """Return a program of the environment `name`, made when it is not as its requirements say.

    Raises EnvironmentMissing when packages can't be brought.
    """
    requirements = ROOT / "requirements" / f"{name}.txt"
    folder = build / f"{name}-venv"
    ready = folder / ".ready"
    wanted = requirements.read_text(encoding="utf-8")
    if not ready.exists() or ready.read_text(encoding="utf-8") != wanted:
        _run("venv", "--clear", "--python", sys.executable, str(folder))
        python = str(folder / "bin" / "python")
        _run("pip", "sync", "--python", python, "--require-hashes", str(requirements))
        ready.write_text(wanted, encoding="utf-8")
    return folder / "bin" / command


def _run(*arguments: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run([str(uv), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EnvironmentMissing(
            "The packages could not be brought; check the network to the package index, then run "
            f"again (uv: {' '.join(done.stderr.split())})."
        )
