"""An Internet on loopback: a name server, a public server behind TLS, and a victim inside."""

import datetime as dt
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lambdas.models.remote_http import Network

PUBLIC = "93.184.215.14"
NAMES = ("models.example.com", "cdn.example.net", "huggingface.co")
SECRET_OF_THE_VICTIM = b"AKIAVICTIM"


@dataclass(frozen=True)
class Asked:
    """A request as the public server saw it."""

    host: str
    target: str
    headers: Mapping[str, str]


Script = Callable[[Asked, socket.socket], None]


@dataclass
class Internet:
    """What a test says and what was seen."""

    port: int
    victim_port: int
    tls: ssl.SSLContext
    answers: dict[str, Script] = field(default_factory=dict)
    dns: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)
    victim_hits: list[bytes] = field(default_factory=list)

    def network(self, **seconds: float) -> Network:
        times = {"connect_seconds": 2.0, "header_seconds": 2.0, "stall_seconds": 2.0}
        return Network(self._resolve, self._connect, self.tls, **times | seconds)

    def _resolve(self, host: str) -> list[str]:
        """Answer as scripted, the next answer each time and the last one for good."""
        answers = self.dns.get(host)
        if answers is None:
            if host in NAMES:
                return [PUBLIC]
            raise socket.gaierror(f"no such name: {host}")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _connect(self, address: str, timeout: float) -> socket.socket:
        """Lead to the public server, and to the victim from any other address."""
        self.connected.append(address)
        port = self.port if address == PUBLIC else self.victim_port
        return socket.create_connection(("127.0.0.1", port), timeout)


def answer(
    status: int = 200, body: bytes = b"", cut_at: int | None = None, **headers: str
) -> Script:
    """Return a script that sends an answer, breaking off after `cut_at` bytes of the body."""

    def run(_: Asked, sock: socket.socket) -> None:
        told = {"Content-Length": str(len(body))} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in told.items())]
        sock.sendall("\r\n".join([*lines, "", ""]).encode() + body[:cut_at])

    return run


def redirect(location: str, status: int = 302) -> Script:
    return answer(status, Location=location)


@contextmanager
def internet(folder: Path) -> Iterator[Internet]:
    certificate, key = _certificate(folder)
    victim = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Victim, bind_and_activate=True)
    public = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Public, bind_and_activate=True)
    for server in (victim, public):
        server.daemon_threads = True
    # No authority of this machine is trusted besides: to read them all takes most of a test's time.
    tls = ssl.create_default_context(cafile=certificate)
    world = Internet(public.server_address[1], victim.server_address[1], tls)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    public.world, public.context, victim.world = world, context, world
    threads = [threading.Thread(target=one.serve_forever, args=(0.01,)) for one in (victim, public)]
    for thread in threads:
        thread.start()
    try:
        yield world
    finally:
        for server in (victim, public):
            server.shutdown()
            server.server_close()


class _Victim(socketserver.BaseRequestHandler):
    """Something inside that answers whoever comes."""

    def handle(self) -> None:
        self.server.world.victim_hits.append(self.request.recv(4096))
        self.request.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + SECRET_OF_THE_VICTIM
        )


class _Public(socketserver.BaseRequestHandler):
    """Answers each path as the test says."""

    def handle(self) -> None:
        world: Internet = self.server.world
        try:
            with self.server.context.wrap_socket(self.request, server_side=True) as sock:
                asked = _read(sock)
                world.asked.append(asked)
                world.answers[asked.target](asked, sock)
        except OSError:
            return  # the client went away, which many tests want


def _read(sock: socket.socket) -> Asked:
    text = b""
    while b"\r\n\r\n" not in text:
        text += sock.recv(4096)
    first, *lines = text.decode().split("\r\n")
    headers = {
        name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)
    }
    return Asked(headers["host"], first.split(" ")[1], headers)


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    today = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(one) for one in NAMES])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
