"""DynamoDB, EventBridge, Secrets Manager, SNS, SQS by moto over HTTP: signed, authorized, kept.

`python -m local.moto_server --port P --root STATE --config STATE/moto.json`
"""

import json
import logging
import threading
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local import quick_moto
from local.aws_call import Call, read_call, refusal
from local.backends import Backends
from local.dynamo import WRITES, Tables
from local.endpoint import Arguments, serve
from local.http_server import Request, Response
from local.iam import Access
from local.intrinsics import ACCOUNT, REGION
from local.journal import Journal
from local.permissions import needed
from local.quick_moto import ON_ITEMS, ItemAnswer
from local.sigv4 import SignatureError, Verifier
from local.template import Template
from local.wsgi import WsgiAnswer, ask, wsgi_environ

LOG = logging.getLogger("local.moto_server")

BODY_LIMIT = 16 << 20
JOURNAL_NAME = "moto.journal"


@dataclass(frozen=True)
class Settings:
    """What the supervisor writes into `<state>/moto.json`."""

    secret: str
    cdk_out: str
    events_url: str

    @classmethod
    def load(cls, path: Path) -> "Settings":
        """Read the file."""
        return cls(**json.loads(path.read_text()))


def _is_on_items(call: Call) -> bool:
    """Say whether moto may be given it as it is; what could not be read is for moto to refuse."""
    return call.service == "dynamodb" and call.operation in ON_ITEMS and bool(call.parameters)


def _on_items(call: Call) -> WsgiAnswer:
    try:
        answer = quick_moto.answer(call.operation, call.parameters, ACCOUNT, REGION)
    except (
        Exception
    ):  # a fault of moto, or a request that it does not foresee: its application answers 500 too
        LOG.exception("%s broke", call.operation)
        answer = ItemAnswer(500, '{"__type": "InternalServerError"}')
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": str(uuid4())}
    return WsgiAnswer(answer.status, headers, answer.body.encode())


def _create_app(service: Any) -> Any:
    """moto's application for a service, which answers 500 to an error of moto's own."""
    app = create_backend_app(service)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app


@dataclass(frozen=True)
class MotoServer:
    """Checks who calls and whether they may, then lets moto answer, one call at a time."""

    secret: str
    access: Access
    tables: Tables
    backends: Backends
    events_url: str
    moto: DomainDispatcherApplication = field(
        default_factory=lambda: DomainDispatcherApplication(_create_app)
    )
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request) -> Response:
        """Answer one HTTP request."""
        body = request.body.read_all(BODY_LIMIT)
        call = read_call(request, body)
        if not call.key_id:
            said = "Request is missing Authentication Token"
            return refusal(call, "MissingAuthenticationTokenException", said)
        try:
            verifier = Verifier(self.secret, REGION, call.service)
            verifier.verify(request, datetime.now(UTC), sha256(body).hexdigest())
        except SignatureError as exc:
            return refusal(call, "InvalidSignatureException", exc.message)
        return self._refused(call) or self._answer(request, call)

    def _refused(self, call: Call) -> Response | None:
        for action, resource in needed(call.service, call.operation, call.parameters):
            if not self.access.allowed(call.key_id, action, resource):
                return refusal(
                    call,
                    "AccessDeniedException",
                    f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{call.key_id} is not authorized to "
                    f"perform: {action} on resource: {resource} because no identity-based policy "
                    f"allows the {action} action",
                )
        return None

    def _answer(self, request: Request, call: Call) -> Response:
        environ = {**wsgi_environ(request, call.body), "HTTP_X_MOTO_ACCOUNT_ID": ACCOUNT}
        with self.lock:
            answer = self._carry_out(call, environ)
        if call.operation == "PutEvents" and answer.status == 200:
            self._pass_on(call.parameters)
        return Response(answer.status, answer.headers, answer.body)

    def _carry_out(self, call: Call, environ: dict[str, Any]) -> WsgiAnswer:
        answers: list[WsgiAnswer] = []

        def act() -> bool:
            answers.append(_on_items(call) if _is_on_items(call) else ask(self.moto, environ))
            return answers[0].status == 200

        if call.service == "dynamodb" and call.operation in WRITES:
            self.tables.write(call.operation, call.parameters, act)
            return answers[0]
        self.backends.open(call.service)
        if act():
            self.backends.save(call.service, call.operation, answers[0].body)
        return answers[0]

    def _pass_on(self, parameters: Mapping[str, Any]) -> None:
        """Give the events to the supervisor's bus, which knows the rules of the template."""
        for entry in parameters.get("Entries", []):
            event = {
                "source": entry.get("Source"),
                "detail-type": entry.get("DetailType"),
                "resources": entry.get("Resources", []),
                "detail": json.loads(entry.get("Detail") or "{}"),
            }
            post = urllib.request.Request(self.events_url, json.dumps(event).encode())  # noqa: S310
            try:
                urllib.request.urlopen(post, timeout=10).close()  # noqa: S310 - our own loopback URL
            except OSError as exc:
                LOG.warning("an event could not be passed on: %s", exc)


def build(settings: Settings, root: Path) -> MotoServer:
    """Make the template's tables and fill them from the journal."""
    template = Template.load(Path(settings.cdk_out))
    tables = Tables(Journal(root / JOURNAL_NAME))
    for table in template.tables:
        tables.create(table.create, table.ttl_attribute)
    tables.load()
    backends = Backends(root, template.topics, template.queues)
    return MotoServer(settings.secret, Access.of(template), tables, backends, settings.events_url)


def main() -> None:
    """Serve until stdin ends."""
    arguments = Arguments.parse("local.moto_server")
    quick_moto.quicken()
    server = build(Settings.load(arguments.config), arguments.root)
    serve(server, arguments.port, on_end=lambda: None)


if __name__ == "__main__":
    main()
