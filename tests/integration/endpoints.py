"""Starts the own AWS endpoints alone, as the supervisor would, for the tests of each."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.credentials import OPERATOR, secret_access_key

REPOSITORY = Path(__file__).parents[2]
SECRET = "5e" * 32
REGION = "us-east-1"
BUCKET = "assets"


@dataclass
class Endpoint:
    """A running endpoint."""

    process: subprocess.Popen[bytes]
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """End it as a power cut would end it for the programs around it."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End it as the supervisor does by going away."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(20)


def start(service: str, root: Path, settings: dict[str, Any], port: int = 0) -> Endpoint:
    """Start `local.s3` or `local.sagemaker` and wait until it is ready."""
    config = root.with_suffix(".json")
    config.write_text(json.dumps({"secret": SECRET, "region": REGION, **settings}))
    arguments = ["--port", str(port), "--root", str(root), "--config", str(config)]
    process = subprocess.Popen(
        [sys.executable, "-m", f"local.{service}", *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    ready = process.stdout.readline().decode().split()
    assert ready[:1] == ["ready"], f"local.{service} did not start"
    return Endpoint(process, ready[1])


@contextmanager
def running(service: str, root: Path, settings: dict[str, Any]) -> Iterator[Endpoint]:
    """Start an endpoint and end it afterwards."""
    endpoint = start(service, root, settings)
    try:
        yield endpoint
    finally:
        endpoint.end()


def client(service: str, endpoint: Endpoint, key_id: str = OPERATOR, **config: Any) -> Any:
    """Return a real boto3 client of an endpoint."""
    return boto3.client(
        service,
        endpoint_url=endpoint.url,
        region_name=REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret_access_key(SECRET, key_id),
        config=Config(signature_version="s3v4" if service == "s3" else "v4", **config),
    )


@dataclass
class EventBus:
    """Stands where the supervisor takes in events."""

    url: str
    events: list[dict[str, Any]] = field(default_factory=list)
    refusals: int = 0
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, holds: Callable[[list[dict[str, Any]]], bool], seconds: float = 10.0) -> None:
        """Wait until the events so far are as wanted."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: holds(self.events), seconds), self.events

    def take(self, event: dict[str, Any]) -> bool:
        with self.arrived:
            if self.refusals:
                self.refusals -= 1
                return False
            self.events.append(event)
            self.arrived.notify_all()
            return True


@contextmanager
def event_bus() -> Iterator[EventBus]:
    """Take in events over HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204 if bus.take(json.loads(body)) else 503)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    bus = EventBus(f"http://127.0.0.1:{server.server_port}/events")
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    try:
        yield bus
    finally:
        server.shutdown()
        server.server_close()
