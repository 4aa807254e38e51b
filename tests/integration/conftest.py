"""The running local stacks that integration tests share."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from local_stack import REPOSITORY, LocalStack, running
from toy_stack import ToyStack, write_toy_stack

TEMPLATE = REPOSITORY / "cdk.out" / "LoraStack.template.json"
# As in the Makefile: every process of every stack would compile anew what it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
SOURCES = ("infrastructure", "lambdas", "openapi.yaml", "requirements", "cdk.json")


def _newest(path: Path) -> float:
    files = [path] if path.is_file() else path.rglob("*")
    times = [f.stat().st_mtime for f in files if f.is_file() and "__pycache__" not in f.parts]
    return max(times, default=0.0)


def _stale() -> bool:
    if not TEMPLATE.exists():
        return True
    return any(_newest(REPOSITORY / name) > TEMPLATE.stat().st_mtime for name in SOURCES)


@pytest.fixture(scope="session")
def cdk_out() -> Path:
    """The synthesized app, made anew when its sources are newer; `make test` has done it already."""
    with (Path(tempfile.gettempdir()) / "lorastack-synth.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest-xdist runs several sessions
        if _stale():
            environment = {**os.environ, "CDK_OUTDIR": str(TEMPLATE.parent)}
            program = [sys.executable, "infrastructure/app.py"]
            subprocess.run(program, cwd=REPOSITORY, env=environment, check=True)
            TEMPLATE.touch()
    return TEMPLATE.parent


@pytest.fixture(scope="session")
def stack(cdk_out: Path) -> Iterator[LocalStack]:
    """The whole synthesized stack, running."""
    with running(["--cdk-out", str(cdk_out), "--workspace", "tests"]) as started:
        yield started


@pytest.fixture(scope="session")
def slow_stack(cdk_out: Path) -> Iterator[LocalStack]:
    """A stack in which a step takes long enough to look on, or for something to happen.

    Its tests ask one thing after the other: more processes would only start cold more often.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LORASTACK_REHEARSAL_STEP_SECONDS", "0.08")
        arguments = ["--cdk-out", str(cdk_out), "--workspace", "tests", "--processes", "2"]
        with running(arguments) as started:
            yield started


@pytest.fixture(scope="session")
def api(stack: LocalStack) -> Iterator[httpx.Client]:
    """A client of the running stack with its first token (an admin's)."""
    with stack.client() as client:
        yield client


@pytest.fixture
def make_workspace(stack: LocalStack) -> Callable[..., str]:
    """Make a workspace and give a token for it, as the operator's command does."""

    def make(name: str, role: str = "admin") -> str:
        arguments = ["-m", "lambdas.access.bootstrap", "--workspace", name, "--role", role]
        made = subprocess.run(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            env=stack.operator_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        return str(json.loads(made.stdout)["token"])

    return make


@pytest.fixture(scope="session")
def toy() -> Iterator[ToyStack]:
    """A small stack of toy functions, running."""
    with tempfile.TemporaryDirectory(prefix="lorastack-toy-") as folder:
        cdk_out, code = write_toy_stack(Path(folder))
        arguments = ["--cdk-out", str(cdk_out), "--code", str(code)]
        with running(arguments) as started:
            yield ToyStack(Path(folder), started)
