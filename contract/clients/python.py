"""The Python client, made by openapi-python-client."""

import os
import shutil
import subprocess
from pathlib import Path

from contract.environment import program
from contract.source import ROOT

_SETTINGS = Path(__file__).with_name("python.yaml")


class GenerationError(Exception):
    """A generator has something to say against the document; the text is what it says."""


def generate(document: Path, target: Path) -> None:
    """Write the client's project into a folder that is not there.

    Raises GenerationError when a part of the document can't be made into one.
    """
    generator = program("client", "openapi-python-client")
    ruff = os.pathsep.join([str(generator.parent), os.environ["PATH"]])  # formats what is made
    done = subprocess.run(
        [
            *(str(generator), "generate", "--meta", "uv", "--fail-on-warning"),
            *("--path", str(document), "--config", str(_SETTINGS), "--output-path", str(target)),
        ],
        cwd=ROOT,
        env=os.environ | {"PATH": ruff},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        raise GenerationError(f"The Python client was not made:\n{done.stdout}{done.stderr}")


def interpreter() -> Path:
    """Return a Python that has what the client needs."""
    return program("client", "python")
