"""Starts `python -m local` as a user would, and ends it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 60
# A training tells what it does more often than `make run` has it, so that tests wait less.
PACE = {"LORASTACK_REPORT_SECONDS": "0.25"}


@dataclass
class LocalStack:
    """A running stack: its addresses are what it wrote into endpoints.json."""

    process: subprocess.Popen[str]
    state: Path
    endpoints: dict[str, Any]
    output: Path
    _clients: dict[tuple[str, str | None, str], Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.endpoints["url"])

    def client(self, token: str | None = None) -> httpx.Client:
        """An HTTP client of the API, with the first token or another."""
        bearer = f"Bearer {token or self.endpoints['token']}"
        headers = {"Authorization": bearer}
        # No certificates are read: all is http, and to read them takes longer than most requests.
        return httpx.Client(base_url=self.url, headers=headers, timeout=40, verify=False)

    def aws(self, service: str, access_key_id: str | None = None, secret: str = "") -> Any:
        """A boto3 client of one endpoint, as the operator or as the holder of another key."""
        wanted = (service, access_key_id, secret)
        if wanted not in self._clients:  # to make one takes as long as several calls
            self._clients[wanted] = self._new_client(*wanted)
        return self._clients[wanted]

    def _new_client(self, service: str, access_key_id: str | None, secret: str) -> Any:
        address = self.endpoints.get(service, self.endpoints["dynamodb"])
        return boto3.client(
            service,
            endpoint_url=address,
            region_name=self.endpoints["region"],
            aws_access_key_id=access_key_id or self.endpoints["access_key_id"],
            aws_secret_access_key=secret or self.endpoints["secret_access_key"],
            config=Config(signature_version="s3v4") if service == "s3" else None,
        )

    def operator_environment(self) -> dict[str, str]:
        """The environment of a command that acts as the operator, such as the bootstrap."""
        found = self.endpoints
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **kept,
            "TABLE_NAME": found["table"],
            "BUCKET_NAME": found["bucket"] or "",
            "AWS_REGION": found["region"],
            "AWS_DEFAULT_REGION": found["region"],
            "AWS_ACCESS_KEY_ID": found["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": found["secret_access_key"],
            "AWS_ENDPOINT_URL": found["dynamodb"],
            "AWS_ENDPOINT_URL_S3": found["s3"],
            "AWS_ENDPOINT_URL_SAGEMAKER": found["sagemaker"],
        }

    def log(self, name: str) -> str:
        return (self.state / "logs" / f"{name}.log").read_text()

    def interrupt(self) -> int:
        """Ctrl-C in the terminal: SIGINT to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(30)

    def children(self) -> list[int]:
        """The processes of the stack, however deep, that are alive now (Linux)."""
        return [p for p in _descendants(self.process.pid) if p != self.process.pid]


def launch(arguments: Sequence[str], output: Path) -> subprocess.Popen[str]:
    """Start `python -m local` in a process group of its own, as a shell does."""
    with output.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "local", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, **PACE},
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )


def start(arguments: Sequence[str], state: Path, output: Path) -> LocalStack:
    """Start a stack and wait until it is ready; fails with what it said."""
    (state / "endpoints.json").unlink(missing_ok=True)
    process = launch(["--state", str(state), *arguments], output)
    deadline = time.monotonic() + START_SECONDS
    while not (state / "endpoints.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"the stack did not start:\n{output.read_text()}")
        time.sleep(0.05)
    endpoints = json.loads((state / "endpoints.json").read_text())
    return LocalStack(process, state, endpoints, output)


@contextmanager
def running(arguments: Sequence[str] = ()) -> Iterator[LocalStack]:
    """A stack with a state folder of its own that ends with the block."""
    # Not pytest's tmp_path: its length would leave no room for the names of Unix sockets.
    folder = Path(tempfile.mkdtemp(prefix="lorastack-test-"))
    try:
        stack = start(["--port", "0", *arguments], folder / "state", folder / "output")
        try:
            yield stack
        finally:
            if stack.process.poll() is None:
                stack.interrupt()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _descendants(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children")
    found = children.read_text().split() if children.exists() else []
    return [process, *(deeper for child in found for deeper in _descendants(int(child)))]


def alive(process: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def await_that(condition: Any, seconds: float = 10.0) -> Any:
    """What the condition returns as soon as it is true; fails when it takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found
