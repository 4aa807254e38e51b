"""The event that a REST API's Lambda proxy integration passes (payload format 1.0).

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
and https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html. `path` stays as the
client sent it, percent-encoding included; path parameters and the query are decoded.
"""

import base64
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from local.api_body import Api
from local.http_exchange import HttpRequest
from local.intrinsics import ACCOUNT, REGION
from local.invoker import trace_id
from local.routes import Match

IDENTITY_KEYS = (
    "cognitoIdentityPoolId",
    "accountId",
    "cognitoIdentityId",
    "caller",
    "principalOrgId",
    "accessKey",
    "cognitoAuthenticationType",
    "cognitoAuthenticationProvider",
    "userArn",
    "user",
)


@dataclass(frozen=True)
class Exchange:
    """One request on its way through the gateway: `path` is without the stage."""

    request: HttpRequest
    path: str
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    trace: str = field(default_factory=trace_id)
    time: float = field(default_factory=time.time)


def proxy_event(
    api: Api, exchange: Exchange, match: Match, authorizer: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The event for the function behind the matched route."""
    request = exchange.request
    headers = multi_values(_headers(exchange))
    query = multi_values(parse_qsl(request.query, keep_blank_values=True))
    body, encoded = _body(api, request)
    return {
        "resource": match.route.path,
        "path": exchange.path,
        "httpMethod": request.method,
        "headers": last_values(headers),
        "multiValueHeaders": headers or None,
        "queryStringParameters": last_values(query),
        "multiValueQueryStringParameters": query or None,
        "pathParameters": match.parameters,
        "stageVariables": None,
        "requestContext": _context(api, exchange, match, authorizer),
        "body": body,
        "isBase64Encoded": encoded,
    }


def method_arn(api: Api, method: str, path: str) -> str:
    """The ARN of a method as execute-api policies name it."""
    gateway = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.api_id}"
    return f"{gateway}/{api.stage}/{method}{path}"


def multi_values(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Every value of every name, in order."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def last_values(values: Mapping[str, list[str]]) -> dict[str, str] | None:
    """The last value of every name; null rather than an empty object, as AWS has it."""
    return {name: found[-1] for name, found in values.items()} or None


def _headers(exchange: Exchange) -> list[tuple[str, str]]:
    """The client's headers in lower case, as HTTP/2 brings them, and those the gateway adds."""
    host = exchange.request.header("host") or ""
    sent = [(n, v) for n, v in exchange.request.headers if n.lower() != "host"]
    return [
        *sent,
        ("Host", host),
        ("X-Amzn-Trace-Id", exchange.trace),
        ("X-Forwarded-For", exchange.request.client),
        ("X-Forwarded-Port", host.rpartition(":")[2] if ":" in host else "80"),
        ("X-Forwarded-Proto", "http"),
    ]


def _body(api: Api, request: HttpRequest) -> tuple[str | None, bool]:
    """The body as text, or in base64 when its type is one of the API's binary ones."""
    if not request.body:
        return None, False
    if media_type_matches(request.header("content-type"), api.binary_types):
        return base64.b64encode(request.body).decode(), True
    return request.body.decode("utf-8", "replace"), False


def media_type_matches(media_type: str | None, patterns: Iterable[str]) -> bool:
    """Whether the type is one of the patterns; `*/*` and `image/*` work as in API Gateway."""
    plain = (media_type or "").partition(";")[0].strip().lower()
    group = plain.partition("/")[0]
    return any(pattern.lower() in (plain, f"{group}/*", "*/*") for pattern in patterns)


def _context(
    api: Api, exchange: Exchange, match: Match, authorizer: Mapping[str, Any] | None
) -> dict[str, Any]:
    request = exchange.request
    moment = datetime.fromtimestamp(exchange.time, UTC)
    context = {
        "resourceId": "local",
        "resourcePath": match.route.path,
        "httpMethod": request.method,
        "extendedRequestId": exchange.request_id.replace("-", "")[:16],
        "requestTime": moment.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "path": f"/{api.stage}{exchange.path}",
        "accountId": ACCOUNT,
        "protocol": request.protocol,
        "stage": api.stage,
        "domainPrefix": api.api_id,
        "domainName": request.header("host"),
        "requestTimeEpoch": int(exchange.time * 1000),
        "requestId": exchange.request_id,
        "identity": {
            **dict.fromkeys(IDENTITY_KEYS),
            "sourceIp": request.client,
            "userAgent": request.header("user-agent"),
        },
        "deploymentId": "local",
        "apiId": api.api_id,
    }
    return context if authorizer is None else {**context, "authorizer": dict(authorizer)}
