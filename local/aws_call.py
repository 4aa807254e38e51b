"""A call of an AWS API as it comes over HTTP, and how it is refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from local.http_server import Request, Response
from local.sigv4 import AUTHORIZATION

# What the JSON protocol's errors are called in the query protocol (SNS).
QUERY_CODES = {"AccessDeniedException": "AuthorizationError"}


@dataclass(frozen=True)
class Call:
    """Who calls, the service's signing name, the operation and its parameters."""

    key_id: str
    service: str
    operation: str
    parameters: Mapping[str, Any]
    body: bytes
    json_protocol: bool


def read_call(request: Request, body: bytes) -> Call:
    """Read the JSON protocol's target and body, or the query protocol's form.

    Who is empty when the request is not signed. A body that cannot be read has no parameters;
    moto then says what is wrong with it.
    """
    signed = AUTHORIZATION.match(request.headers.get("authorization", ""))
    key_id, _, _, service, *_ = (signed[1] if signed else "").split("/") + [""] * 4
    target = request.headers.get("x-amz-target", "")
    if not target:
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        return Call(key_id, service, form.get("Action", ""), form, body, json_protocol=False)
    operation = target.rpartition(".")[2]
    return Call(key_id, service, operation, _json_object(body), body, json_protocol=True)


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def refusal(call: Call, code: str, message: str) -> Response:
    """The error in the protocol of the call."""
    if call.json_protocol:
        error = {"__type": f"com.amazon.coral.service#{code}", "Message": message}
        body = json.dumps({**error, "message": message})
        return Response(400, {"Content-Type": "application/x-amz-json-1.0"}, body.encode())
    text = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{QUERY_CODES.get(code, code)}</Code>"
        f"<Message>{escape(message)}</Message></Error></ErrorResponse>"
    )
    return Response(403, {"Content-Type": "text/xml"}, text.encode())
