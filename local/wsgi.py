"""Calling a WSGI application (moto is one) with a request of our own server."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Any

from local.http_server import Request


@dataclass(frozen=True)
class WsgiAnswer:
    """What the application said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def wsgi_environ(request: Request, body: bytes) -> dict[str, Any]:
    """The request as PEP 3333 wants it."""
    headers = {f"HTTP_{n.upper().replace('-', '_')}": v for n, v in request.headers.items()}
    return {
        **headers,
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path,
        "QUERY_STRING": request.raw_query,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def ask(application: Any, environ: dict[str, Any]) -> WsgiAnswer:
    """Call a WSGI application and collect its answer."""
    heads: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        heads.append((status, headers))

    body = b"".join(application(environ, start_response))
    status, headers = heads[-1]
    kept = {n: v for n, v in headers if n.lower() not in ("content-length", "connection")}
    return WsgiAnswer(int(status.split()[0]), kept, body)
