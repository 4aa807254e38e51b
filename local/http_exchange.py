"""A request and an answer of the gateway, and how they pass over ASGI."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Headers = Sequence[tuple[str, str]]

# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
BODY_LIMIT = 10 * 1024 * 1024
DRAIN_LIMIT = 256 * 1024 * 1024


@dataclass(frozen=True)
class HttpRequest:
    """What came in; the path is undecoded and without the query, `body` None when too large."""

    method: str
    path: str
    query: str
    headers: Headers
    client: str
    protocol: str
    body: bytes | None

    def header(self, name: str) -> str | None:
        """The last value of a header, whose name is compared without case."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[-1] if found else None


@dataclass(frozen=True)
class HttpAnswer:
    """What goes out."""

    status: int
    headers: Headers
    body: bytes


async def read_request(scope: Mapping[str, Any], receive: Receive) -> HttpRequest:
    """Read a request whole; of a body over the limit nothing is kept."""
    client = scope.get("client") or ("127.0.0.1", 0)
    return HttpRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=[(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]],
        client=client[0],
        protocol=f"HTTP/{scope['http_version']}",
        body=await _read_body(receive),
    )


async def _read_body(receive: Receive) -> bytes | None:
    """The body, or None when it is over the limit.

    What is over the limit is read and dropped, so that the client is done sending and reads the
    answer; closing the connection earlier would reset it in the client's hands.
    """
    pieces: list[bytes] = []
    length = 0
    while length <= DRAIN_LIMIT:
        message = await receive()
        piece = message.get("body", b"")
        length += len(piece)
        if length <= BODY_LIMIT:
            pieces.append(piece)
        if not message.get("more_body", False):
            break
    return b"".join(pieces) if length <= BODY_LIMIT else None


async def send_answer(send: Send, answer: HttpAnswer, *, head: bool) -> None:
    """Send an answer; one to HEAD has the headers of its body only."""
    bodiless = answer.status in (204, 304)
    length = [] if bodiless else [("content-length", str(len(answer.body)))]
    headers = [*answer.headers, *length]
    encoded = [(n.lower().encode("latin-1"), _header_value(v)) for n, v in headers]
    start = {"type": "http.response.start", "status": answer.status, "headers": encoded}
    await send(start)
    body = b"" if head or bodiless else answer.body
    await send({"type": "http.response.body", "body": body})


def _header_value(value: str) -> bytes:
    return value.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace")
