"""One POST of a notice: to a public address that was looked at, or to this machine in local mode.

Redirects are not followed: what is signed goes where the webhook says, and nowhere else.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from lambdas.core.errors import Unprocessable
from lambdas.models import remote_http
from lambdas.models.remote_http import BREAKS, Network, Wire
from lambdas.webhooks import address
from lambdas.webhooks.address import Address

ANSWER_SECONDS = 10
_CONNECT_SECONDS = 3  # to each of four addresses at most


@dataclass(frozen=True)
class Outcome:
    """What a POST came to; it went well when there is no error."""

    status_code: int | None
    milliseconds: int
    error: str | None


@cache
def network() -> Network:
    """Return the way to the Internet: system resolver, port 443, public addresses only."""
    return Network(connect_seconds=_CONNECT_SECONDS, header_seconds=ANSWER_SECONDS)


def post(url: str, headers: Mapping[str, str], body: str) -> Outcome:
    """Post a notice once and say what came of it; never raises for what a receiver does."""
    began = time.monotonic()
    status, error = _answer(url, headers, body.encode())
    milliseconds = round((time.monotonic() - began) * 1000)
    return Outcome(status, milliseconds, error if status is None else _fault_of(status))


def _answer(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int | None, str | None]:
    try:
        target = address.parse(url)
        with _connected(target) as sock:
            return _asked(sock, target, headers, body), None
    except Unprocessable as refused:
        return None, f"the address {refused.faults[0].message}"
    except ssl.SSLCertVerificationError as error:
        return None, f"the certificate is not the receiver's own: {error.verify_message}"
    except TimeoutError:
        return None, f"no answer within {ANSWER_SECONDS} s"
    except ConnectionRefusedError:
        return None, "the connection was refused"
    except BREAKS as error:
        return None, f"the connection broke off ({type(error).__name__})"


def _connected(target: Address) -> socket.socket:
    if target.plain:
        return socket.create_connection((target.host, target.port), _CONNECT_SECONDS)
    return remote_http.connected(target.host, network())


def _asked(sock: socket.socket, target: Address, headers: Mapping[str, str], body: bytes) -> int:
    sent = {
        "Host": target.authority,
        "User-Agent": "lorastack-webhooks",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    lines = [
        f"POST {target.target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in sent.items()),
    ]
    deadline = time.monotonic() + ANSWER_SECONDS
    sock.settimeout(ANSWER_SECONDS)
    sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii") + body)
    # What is answered besides the status is not read: nobody wants it, and it may have no end.
    response = http.client.HTTPResponse(Wire(sock, deadline), method="POST")  # type: ignore[arg-type]
    response.begin()
    return response.status


def _fault_of(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"answered {status}, and redirects are not followed: give the address itself"
    return f"answered {status}"
