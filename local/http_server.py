"""A small threaded HTTP/1.1 server for the own endpoints.

Threads and blocking sockets rather than ASGI: nearly all the work is moving bytes between a
socket and a file (recv, hash, write, sendfile), which release the interpreter's lock, and an
upload of gigabytes then needs neither queues nor hand-overs between loop and threads.
"""

import contextlib
import io
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Protocol
from urllib.parse import unquote

from local.request_body import ChunkedBody, LengthBody, RequestBody

LOG = logging.getLogger("local.http")
IDLE_SECONDS = 120.0
LINGER_SECONDS = 20.0
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names are in lower case, repeated ones joined by commas."""

    method: str
    raw_path: str
    raw_query: str
    headers: Mapping[str, str]
    body: RequestBody
    client: str
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The decoded path. Raises UnicodeDecodeError when it is not UTF-8."""
        return unquote(self.raw_path, errors="strict")

    def value(self, name: str) -> str | None:
        """Return a header, or the query parameter of that name (presigned URLs carry either)."""
        return self.headers.get(name, self.query.get(name))


class Content(Protocol):
    """A body that is sent from files; `close` is always called."""

    length: int

    def send(self, connection: socket.socket) -> None:
        """Write `length` bytes to the socket."""

    def close(self) -> None:
        """Let go of the files."""


@dataclass(frozen=True)
class Response:
    """An HTTP answer; a `content` goes out in place of `body`."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content: Content | None = None


Application = Callable[[Request], Response]


class HttpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens on the loopback interface, one thread per connection."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, application: Application, port: int) -> None:
        self.application = application
        super().__init__(("127.0.0.1", port), _Connection)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Serve in a thread until `shutdown`."""
        loop = threading.Thread(target=self.serve_forever, args=[POLL_SECONDS], daemon=True)
        loop.start()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Log what no application caught."""
        LOG.exception("connection from %s failed", client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: HttpServer

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def handle_expect_100(self) -> bool:
        return True  # sent when the body is first read, so that a refused upload is never sent

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        LOG.debug(format, *args)

    def serve(self) -> None:
        """Answer one request."""
        body = self._body()
        raw_path, _, raw_query = self.path.partition("?")
        request = Request(
            method=self.command,
            raw_path=raw_path,
            raw_query=raw_query,
            headers=self._headers(),
            body=body,
            client=str(self.client_address[0]),
            query=dict(query_pairs(raw_query)),
        )
        self._send(self.server.application(request), body)
        self._finish(body)

    def _headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in self.headers.items():
            lower = name.lower()
            found[lower] = f"{found[lower]},{value}" if lower in found else value
        return found

    def _body(self) -> RequestBody:
        before = self._continue if self._expects_continue() else None
        reader = self.rfile
        assert isinstance(reader, io.BufferedReader)
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return ChunkedBody(reader, before)
        length = self.headers.get("Content-Length", "")
        return LengthBody(reader, int(length) if length.isdecimal() else None, before)

    def _expects_continue(self) -> bool:
        return self.headers.get("Expect", "").lower() == "100-continue"

    def _continue(self) -> None:
        self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _send(self, response: Response, body: RequestBody) -> None:
        body.settle()
        content = response.content
        with contextlib.closing(content) if content else contextlib.nullcontext():
            length = content.length if content else len(response.body)
            head = self._head(response, length, keep=body.finished)
            silent = self.command == "HEAD" or response.status in (204, 304)
            self.connection.sendall(head if silent or content else head + response.body)
            if content and not silent:
                content.send(self.connection)

    def _head(self, response: Response, length: int, *, keep: bool) -> bytes:
        lines = [f"HTTP/1.1 {response.status} {self.responses.get(response.status, ('',))[0]}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if response.status != 204 and "Content-Length" not in response.headers:
            lines.append(f"Content-Length: {length}")
        if not keep:
            lines.append("Connection: close")
            self.close_connection = True
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _finish(self, body: RequestBody) -> None:
        """Read what a refused client still sends, so that it sees the answer and no reset."""
        if body.finished:
            return
        self.connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + LINGER_SECONDS
        self.connection.settimeout(2.0)
        while time.monotonic() < deadline and self.rfile.read1(1 << 16):
            pass


for _method in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"):
    setattr(_Connection, f"do_{_method}", _Connection.serve)


def query_pairs(raw_query: str) -> list[tuple[str, str]]:
    """Return the decoded query parameters in order; a plus sign stays one, as S3 signs it."""
    pairs = (part.partition("=") for part in raw_query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]
