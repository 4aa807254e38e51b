"""What both own AWS endpoints share: their settings, and a life that ends with the supervisor's."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

from local.http_server import Application, HttpServer


class Access(Protocol):
    """Says whether an access key may do something (`local.iam` reads it from the template)."""

    def allowed(
        self,
        access_key_id: str,
        action: str,
        resource_arn: str,
        context: Mapping[str, str] | None = None,
    ) -> bool:
        """Return whether the key's role allows the action; `context` holds condition keys."""


class EverythingAllowed:
    """The access of an endpoint that was started without a template."""

    def allowed(
        self,
        access_key_id: str,  # noqa: ARG002
        action: str,  # noqa: ARG002
        resource_arn: str,  # noqa: ARG002
        context: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> bool:
        """Return True."""
        return True


@dataclass(frozen=True)
class EndpointSettings:
    """What the supervisor writes into `<state>/s3.json` and `<state>/sagemaker.json`."""

    secret: str
    events_url: str | None = None
    cdk_out: str | None = None
    s3_url: str = ""
    region: str = "us-east-1"
    account: str = "000000000000"
    buckets: dict[str, dict[str, Any]] = field(default_factory=dict)
    image_environment: dict[str, str] = field(default_factory=dict)
    pythonpath: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=lambda: [sys.executable, "-m", "kohya_trainer"])
    training_role_access_key_id: str = "LOCALOPERATOR"
    sync_seconds: float = 1.0
    grace_seconds: float = 120.0
    jobs_at_once: int = 1

    @classmethod
    def load(cls, path: Path) -> "EndpointSettings":
        """Read the file; keys that this endpoint does not use are passed over."""
        content = json.loads(path.read_text("utf-8"))
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in known})

    def access(self) -> Access:
        """Return who may do what: the template's roles, or everybody everything without one."""
        if self.cdk_out is None:
            return EverythingAllowed()
        from local.iam import Access as TemplateAccess

        return TemplateAccess.load(Path(self.cdk_out))


@dataclass(frozen=True)
class Arguments:
    """The command line of an endpoint."""

    port: int
    root: Path
    config: Path

    @classmethod
    def parse(cls, program: str, argv: list[str] | None = None) -> "Arguments":
        """Read `--port --root --config`."""
        parser = argparse.ArgumentParser(prog=program)
        parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
        parser.add_argument("--root", type=Path, required=True, help="where the state lies")
        parser.add_argument("--config", type=Path, required=True, help="the supervisor's JSON file")
        found = parser.parse_args(argv)
        return cls(found.port, found.root, found.config)


def serve(application: Application, port: int, on_end: Callable[[], None]) -> None:
    """Serve until SIGTERM, SIGINT, or until stdin ends because the supervisor is gone."""
    ended = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: ended.set())
    server = HttpServer(application, port)
    server.start()
    threading.Thread(target=_follow_stdin, args=[ended], daemon=True).start()
    print(f"ready http://127.0.0.1:{server.port}", flush=True)
    ended.wait()
    server.server_close()
    on_end()
    os._exit(0)  # threads may be in the middle of a request: nothing of it has to be kept


def _follow_stdin(ended: threading.Event) -> None:
    while os.read(0, 4096):  # unbuffered: a buffer's lock would be in the way at the exit
        pass
    ended.set()
