"""A small Internet without a socket of the network: TLS servers at the other end of socket pairs."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lambdas.models.remote_http import Network

PUBLIC = "93.184.215.14"
HOSTS = ("models.example.com", "huggingface.co", "civitai.com", "cdn.example.net")


@dataclass(frozen=True)
class Asked:
    """A request as a server saw it."""

    host: str
    target: str
    headers: Mapping[str, str]


@dataclass
class Page:
    """What a server answers to a path: the bytes asked for, until the line is cut."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    told_size: bool = True
    # How many bytes of the body come before the line breaks off, one entry an answer.
    cuts: list[int] = field(default_factory=list)

    def answer(self, asked: Asked) -> tuple[bytes, bytes]:
        """Return head and body of an answer."""
        body, status, told = self.body, self.status, dict(self.headers)
        span = asked.headers.get("range", "").removeprefix("bytes=")
        if self.ranges and status == 200 and span:
            first, _, last = span.partition("-")
            end = min(int(last) + 1 if last else len(body), len(body))
            told["Content-Range"] = f"bytes {first}-{end - 1}/{len(body)}"
            status, body = 206, body[int(first) : end]
        if self.told_size:
            told["Content-Length"] = str(len(body))
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in told.items())]
        looked_at = span and not span.endswith("-")
        cut = self.cuts.pop(0) if self.cuts and not looked_at else None
        return "\r\n".join([*lines, "", ""]).encode(), body[:cut]


@dataclass
class Web:
    """The pages by address, the names, and what was asked for."""

    certificate: Path
    key: Path
    pages: dict[str, Page] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=lambda: dict.fromkeys(HOSTS, PUBLIC))
    asked: list[Asked] = field(default_factory=list)
    on_asked: Callable[[Asked], None] = lambda _: None

    def network(self) -> Network:
        """Return the way there, for who would otherwise go to the Internet."""
        trusted = ssl.create_default_context(cafile=self.certificate)
        return Network(self._resolve, self._connect, trusted, 5, 5, 5)

    def body_requests(self) -> list[str]:
        """Return the spans that were asked for without an end: those of the bytes themselves."""
        spans = [one.headers.get("range", "bytes=0-") for one in self.asked]
        return [span for span in spans if span.endswith("-")]

    def _resolve(self, host: str) -> list[str]:
        if host not in self.names:
            raise socket.gaierror(f"no such name: {host}")
        return [self.names[host]]

    def _connect(self, address: str, _: float) -> socket.socket:
        assert address == PUBLIC
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._serve, args=[theirs], daemon=True).start()
        return ours

    def _serve(self, plain: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        try:
            with context.wrap_socket(plain, server_side=True) as sock:
                asked = _read(sock)
                self.asked.append(asked)
                self.on_asked(asked)
                page = self.pages.get(f"https://{asked.host}{asked.target}", Page(status=404))
                for piece in page.answer(asked):
                    sock.sendall(piece)
        except OSError:
            return  # the client went away


def _read(sock: socket.socket) -> Asked:
    text = b""
    while b"\r\n\r\n" not in text:
        text += sock.recv(4096)
    first, *lines = text.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    headers = {
        name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)
    }
    return Asked(headers["host"], first.split(" ")[1], headers)


def make_web(folder: Path) -> Web:
    """Make a web whose servers have a certificate of their own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a web of tests")])
    today = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in HOSTS]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    web = Web(folder / "certificate.pem", folder / "key.pem")
    web.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    web.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return web
