"""HTTPS to the public Internet in the name of a caller, and to nowhere else.

A name is resolved here, every address of the answer must be public, and the connection goes to the
very address that was looked at; TLS still holds the server to its name. Each redirect begins anew.
"""

import http.client
import io
import math
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from lambdas.core.errors import Unavailable, Unprocessable
from lambdas.core.public_address import is_public
from lambdas.models import remote_url
from lambdas.models.remote_url import RemoteUrl, refused

MOST_REDIRECTS = 5
MOST_HEADER_BYTES = 64 * 1024
_MOST_ADDRESSES = 4
_CHUNK = 256 * 1024
_REDIRECTS = {301, 302, 303, 307, 308}
_SHA_256 = re.compile(r"[0-9a-f]{64}")
# What a connection that breaks off raises.
BREAKS = (OSError, http.client.HTTPException)


def resolve(host: str) -> list[str]:
    """Return the addresses of a name, as the system's resolver gives them. Raises OSError."""
    found = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect(address: str, timeout: float) -> socket.socket:
    """Connect to port 443 of an address, which is no name. Raises OSError."""
    return socket.create_connection((address, 443), timeout)


@dataclass(frozen=True)
class Network:
    """How names are resolved and connections made; tests put others in. Times in seconds."""

    resolve: Callable[[str], list[str]] = resolve
    connect: Callable[[str, float], socket.socket] = connect
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    connect_seconds: float = 10
    # For all headers of one answer, and for the next bytes of a body.
    header_seconds: float = 30
    stall_seconds: float = 30
    # For all that a look takes, a header of megabytes too.
    look_seconds: float = 60


@dataclass(frozen=True)
class Secret:
    """A bearer token for one host; it goes to no other, whatever redirects say."""

    host: str
    token: str = field(repr=False)


class Answer:
    """The answer to one request, its connection open until it is left."""

    def __init__(self, response: http.client.HTTPResponse, wire: "Wire") -> None:
        self.status = response.status
        self.headers = response.headers
        self.linked_sha256: str | None = None
        self._response, self._wire = response, wire

    def pieces(self, stall_seconds: float, whole_seconds: float = math.inf) -> Iterator[bytes]:
        """Yield the body as it comes, for `whole_seconds` at most.

        Raises OSError or HTTPException where it breaks off.
        """
        end = time.monotonic() + whole_seconds
        while True:
            self._wire.deadline = min(time.monotonic() + stall_seconds, end)
            piece = self._response.read1(_CHUNK)
            if not piece:
                break
            yield piece
        if self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)


class Wire(io.RawIOBase):
    """The reading side of a socket, whose every read has to come before a deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self.deadline = sock, deadline
        self.header_bytes_left: int | None = MOST_HEADER_BYTES

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, at most as much as the headers may still have."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("too slow")
        self._sock.settimeout(left)
        if self.header_bytes_left is None:
            return self._sock.recv_into(buffer)
        if self.header_bytes_left <= 0:
            raise http.client.HTTPException("the headers have no end")
        count = self._sock.recv_into(buffer, min(len(buffer), self.header_bytes_left))
        self.header_bytes_left -= count
        return count

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """Return what http.client reads from."""
        return io.BufferedReader(self, 16 * 1024)


@contextmanager
def following(
    url: RemoteUrl, network: Network, secret: Secret | None, headers: Mapping[str, str]
) -> Iterator[Answer]:
    """Send a GET and follow its redirects, each one checked as the first address was."""
    linked: str | None = None
    for _ in range(MOST_REDIRECTS + 1):
        with _exchanged(url, network, secret, headers) as answer:
            answer.linked_sha256 = linked = _linked_sha256(url, answer) or linked
            if answer.status not in _REDIRECTS:
                _must_be_a_file(url, answer)
                yield answer
                return
            url = _redirected(url, answer.headers.get("Location") or "")
    raise refused(f"redirects more than {MOST_REDIRECTS} times")


def _linked_sha256(url: RemoteUrl, answer: Answer) -> str | None:
    """Return the SHA-256 of a file in LFS, which Hugging Face tells on the way to its bytes.

    See https://github.com/huggingface/huggingface_hub, HUGGINGFACE_HEADER_X_LINKED_ETAG.
    """
    told = (answer.headers.get("X-Linked-ETag") or "").strip('"').lower()
    known = url.host == "huggingface.co" and _SHA_256.fullmatch(told)
    return told if known else None


def _redirected(url: RemoteUrl, location: str) -> RemoteUrl:
    try:
        return remote_url.parse(urljoin(str(url), location))
    except ValueError as error:
        raise refused("redirects to what can't be read as an address") from error
    except Unprocessable as error:
        (fault,) = error.faults
        raise refused(f"redirects to an address that {fault.message}") from error


@contextmanager
def _exchanged(
    url: RemoteUrl, network: Network, secret: Secret | None, headers: Mapping[str, str]
) -> Iterator[Answer]:
    with told_as_unavailable(url):
        sock = connected(url.host, network)
    with sock:
        with told_as_unavailable(url):
            answer = _asked(sock, url, network, _headers_for(url, secret, headers))
        yield answer


def connected(host: str, network: Network) -> ssl.SSLSocket:
    try:
        addresses = network.resolve(host)
    except (OSError, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            raise  # the resolver has no answer for now
        raise refused(f"names {host}, which can't be found") from error
    if not addresses or not all(map(is_public, addresses)):
        raise refused(f"leads into a private network: {host} is no public server")
    plain = _first_that_answers(addresses, network)
    try:
        sock = network.tls.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        sock.settimeout(network.connect_seconds)  # for the handshake as a whole
        sock.do_handshake()
        return sock
    except BaseException:
        plain.close()
        raise


def _first_that_answers(addresses: list[str], network: Network) -> socket.socket:
    *others, last = addresses[:_MOST_ADDRESSES]
    for address in others:
        with suppress(OSError):
            return network.connect(address, network.connect_seconds)
    return network.connect(last, network.connect_seconds)


def _asked(
    sock: ssl.SSLSocket, url: RemoteUrl, network: Network, headers: Mapping[str, str]
) -> Answer:
    lines = [f"GET {url.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    sock.settimeout(network.header_seconds)
    sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
    wire = Wire(sock, time.monotonic() + network.header_seconds)
    response = http.client.HTTPResponse(wire, method="GET")  # type: ignore[arg-type]
    response.begin()
    wire.header_bytes_left = None
    return Answer(response, wire)


def _headers_for(
    url: RemoteUrl, secret: Secret | None, headers: Mapping[str, str]
) -> dict[str, str]:
    own = {
        "Host": url.host,
        "User-Agent": "lorastack",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if secret and secret.host == url.host:
        own["Authorization"] = f"Bearer {secret.token}"
    return own | dict(headers)


def _must_be_a_file(url: RemoteUrl, answer: Answer) -> None:
    kind = answer.headers.get_content_type() if answer.headers.get("Content-Type") else ""
    if answer.status in {401, 403}:
        raise no_file(
            f"{url.host} wants a login or a licence accepted (status {answer.status}): give a "
            "secret that may download it",
            "url_needs_secret",
        )
    if answer.status in {404, 410}:
        raise no_file(f"{url.shown} does not exist (status {answer.status})", "url_not_found")
    if answer.status == 429 or answer.status >= 500:
        raise not_to_be_had(url)
    if answer.status not in {200, 206}:
        raise no_file(f"{url.host} answered with status {answer.status}", "url_not_found")
    if kind == "text/html":
        raise no_file(
            f"{url.shown} is a web page and no file: copy the link of the download button",
            "url_is_a_page",
        )
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise no_file(f"{url.host} sends the file compressed, which is not read", "url_refused")


@contextmanager
def told_as_unavailable(url: RemoteUrl) -> Iterator[None]:
    """Turn a connection that breaks off into an error for the caller."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise refused(f"names {url.host}, whose certificate is not its own") from error
    except BREAKS as error:
        raise not_to_be_had(url) from error


def not_to_be_had(url: RemoteUrl) -> Unavailable:
    """Return the error for a server that may answer later."""
    return Unavailable(
        f"{url.host} does not answer as it should. Try again later.", code="url_unavailable"
    )


def no_file(why: str, code: str) -> Unprocessable:
    """Return the error for an address that gives no file that we take."""
    error = refused(why)
    return Unprocessable(f"The file can't be fetched: {why}.", code=code, faults=error.faults)
