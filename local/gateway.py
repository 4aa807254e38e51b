"""API Gateway's part: an ASGI application that turns HTTP requests into function calls."""

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.api_body import Api
from local.authorizer import TokenAuthorizer
from local.compression import compressed
from local.gateway_event import Exchange, media_type_matches, proxy_event
from local.gateway_responses import GatewayError, render
from local.http_exchange import HttpAnswer, HttpRequest, Receive, Send, read_request, send_answer
from local.invoker import EventTooLargeError, InvocationError, Invoker
from local.routes import Match, Router

LOG = logging.getLogger("local.gateway")

# Headers of a function's answer that API Gateway renames, from its "important notes" page.
REMAPPED = {
    "connection",
    "content-length",
    "date",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
}

Internal = Callable[[HttpRequest], Awaitable[HttpAnswer]]


@dataclass
class Gateway:
    """Serves the API's stage, and under `internal_path` what the other processes send."""

    api: Api
    invoker: Invoker
    base_url: str
    internal_path: str
    internal: Internal
    _router: Router = field(init=False)
    _authorizers: dict[str, TokenAuthorizer] = field(init=False)

    def __post_init__(self) -> None:
        self._router = Router(self.api.routes)
        self._authorizers = {
            name: TokenAuthorizer(self.api, authorizer, self.invoker)
            for name, authorizer in self.api.authorizers.items()
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one HTTP request; other ASGI scopes are not served."""
        if scope["type"] != "http":
            return
        request = await read_request(scope, receive)
        answer = await self._answer(request)
        answer = compressed(answer, request, self.api.minimum_compression_size)
        await send_answer(send, answer, head=request.method == "HEAD")

    async def _answer(self, request: HttpRequest) -> HttpAnswer:
        if request.path == self.internal_path:
            return await self.internal(request)
        stage, path = f"/{self.api.stage}", request.path
        if path != stage and not path.startswith(f"{stage}/"):
            return _no_such_stage(self.base_url)
        exchange = Exchange(request, path.removeprefix(stage) or "/")
        try:
            answer = await self._serve(exchange)
        except GatewayError as error:
            answer = render(self.api, exchange, error)
            _tell_failure(request, answer, error.__cause__)
        return answer

    async def _serve(self, exchange: Exchange) -> HttpAnswer:
        """The way of a request. Raises GatewayError when the gateway itself has to answer."""
        if exchange.request.body is None:
            raise GatewayError("REQUEST_TOO_LARGE")
        match = self._router.match(exchange.request.method, exchange.path)
        if match is None:
            raise GatewayError("MISSING_AUTHENTICATION_TOKEN")
        name = match.route.authorizer
        context = await self._authorizers[name].authorize(exchange) if name else None
        payload = await self._invoke(exchange, match, context)
        return _answer_of(self.api, exchange, payload)

    async def _invoke(
        self, exchange: Exchange, match: Match, authorizer: Mapping[str, Any] | None
    ) -> Any:
        event = proxy_event(self.api, exchange, match, authorizer)
        call = self.invoker.invoke(match.route.function, event)
        try:
            return await asyncio.wait_for(call, match.route.timeout)
        except TimeoutError:
            late = TimeoutError(f"no answer within {match.route.timeout:g} s")
            raise GatewayError("INTEGRATION_TIMEOUT") from late
        except EventTooLargeError as exc:
            raise GatewayError("REQUEST_TOO_LARGE") from exc
        except InvocationError as exc:
            raise GatewayError("DEFAULT_5XX") from exc


def _tell_failure(request: HttpRequest, answer: HttpAnswer, cause: BaseException | None) -> None:
    """Show a developer what a client is not told; the function's log has the rest."""
    if answer.status >= 500:
        LOG.warning("%s %s: %s, %s", request.method, request.path, answer.status, cause)


def _answer_of(api: Api, exchange: Exchange, payload: Any) -> HttpAnswer:
    """The HTTP answer in a function's payload. Raises GatewayError when it is malformed."""
    try:
        status = _status(payload["statusCode"])
        headers = _headers(payload)
        body = _body(api, exchange.request, payload)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as exc:
        raise GatewayError("DEFAULT_5XX") from exc
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json"))
    ids = [("x-amzn-requestid", exchange.request_id), ("x-amzn-trace-id", exchange.trace)]
    return HttpAnswer(status, [*headers, *ids], body)


def _status(value: Any) -> int:
    status = int(value)
    if not 200 <= status <= 599:
        raise ValueError(f"{status} is no final HTTP status")
    return status


def _headers(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Both kinds of headers; one that is in both has the values of `multiValueHeaders`."""
    multiple = {n.lower(): v for n, v in (payload.get("multiValueHeaders") or {}).items()}
    single = {n.lower(): [v] for n, v in (payload.get("headers") or {}).items()}
    return [
        (f"x-amzn-remapped-{name}" if name in REMAPPED else name, str(value))
        for name, values in (single | multiple).items()
        for value in values
    ]


def _body(api: Api, request: HttpRequest, payload: Mapping[str, Any]) -> bytes:
    """Base64 becomes bytes only when the client accepts one of the API's binary types."""
    body = payload.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise TypeError("a body must be text")
    accepted = (request.header("accept") or "*/*").partition(",")[0]
    if payload.get("isBase64Encoded") and media_type_matches(accepted, api.binary_types):
        return base64.b64decode(body, validate=True)
    return body.encode()


def _no_such_stage(base_url: str) -> HttpAnswer:
    """AWS says 403 Forbidden for a path outside the stage; this one also says where to go."""
    problem = {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "code": "no_such_stage",
        "detail": f"Nothing is served here; the API is at {base_url}.",
        "errors": [],
    }
    headers = [("content-type", "application/problem+json"), ("access-control-allow-origin", "*")]
    return HttpAnswer(403, headers, json.dumps(problem).encode())
