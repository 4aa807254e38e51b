"""The `aws-chunked` content encoding: chunks with optional signatures, then trailing headers.

Source: "Signature calculations for the Authorization header: transferring payload in multiple
chunks" in the S3 API reference.
"""

import hashlib
import hmac
from dataclasses import dataclass

from local.request_body import PIECE, RequestBody
from local.s3.errors import S3Error
from local.sigv4 import Identity, sign

EMPTY = hashlib.sha256(b"").hexdigest()
MAX_LINE = 8192


@dataclass
class ChunkSignatures:
    """The chain of chunk signatures, which starts with the request's own."""

    identity: Identity
    previous: str

    def check(self, kind: str, digests: list[str], signature: str) -> None:
        """Check the next link. Raises S3Error SignatureDoesNotMatch."""
        identity = self.identity
        lines = [f"AWS4-HMAC-SHA256-{kind}", identity.timestamp, identity.scope, self.previous]
        expected = sign(identity.signing_key, "\n".join([*lines, *digests]))
        if not hmac.compare_digest(expected, signature):
            raise S3Error("SignatureDoesNotMatch", "A chunk's signature does not match its bytes.")
        self.previous = signature


class AwsChunkedBody:
    """Reads the bytes inside the chunks; `trailers` are complete when `read` has returned b""."""

    def __init__(self, body: RequestBody, identity: Identity) -> None:
        signed = identity.payload.startswith("STREAMING-AWS4-HMAC-SHA256")
        self._body = body
        self._signatures = ChunkSignatures(identity, identity.signature) if signed else None
        self._buffer = b""
        self._left = 0
        self._digest, self._signature = hashlib.sha256(), ""
        self._finished = False
        self.trailers: dict[str, str] = {}

    def read(self, size: int = PIECE) -> bytes:
        """Return up to `size` bytes, b"" at the end. Raises S3Error."""
        if self._finished or (not self._left and not self._next_chunk()):
            return b""
        piece = self._take(min(size, self._left))
        self._left -= len(piece)
        if self._signatures:
            self._digest.update(piece)
        if not self._left:
            self._line()
            self._check_chunk()
        return piece

    def _next_chunk(self) -> bool:
        size, _, extension = self._line().partition(";")
        try:
            self._left = int(size, 16)
        except ValueError as exc:
            raise _malformed() from exc
        self._digest, self._signature = hashlib.sha256(), extension.partition("=")[2]
        if not self._left:
            self._check_chunk()
            self._read_trailers()
            self._finished = True
        return not self._finished

    def _check_chunk(self) -> None:
        if self._signatures:
            digests = [EMPTY, self._digest.hexdigest()]
            self._signatures.check("PAYLOAD", digests, self._signature)

    def _read_trailers(self) -> None:
        raw = ""
        while line := self._line(at_end=True):
            name, _, value = line.partition(":")
            self.trailers[name.strip().lower()] = value.strip()
            if name.strip().lower() != "x-amz-trailer-signature":
                raw += f"{name.strip().lower()}:{value.strip()}\n"
        if self._signatures and raw:
            signature = self.trailers.get("x-amz-trailer-signature", "")
            digest = hashlib.sha256(raw.encode()).hexdigest()
            self._signatures.check("TRAILER", [digest], signature)

    def _take(self, size: int) -> bytes:
        if not self._buffer:
            self._fill(size)
        piece, self._buffer = self._buffer[:size], self._buffer[size:]
        return piece

    def _line(self, *, at_end: bool = False) -> str:
        while b"\r\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE:
                raise _malformed()
            if not self._fill(MAX_LINE, may_end=at_end):
                return ""
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line.decode("latin-1")

    def _fill(self, size: int, *, may_end: bool = False) -> bool:
        more = self._body.read(size)
        if not more and not may_end:
            raise S3Error("IncompleteBody", "The request body terminated unexpectedly")
        self._buffer += more
        return bool(more)


def _malformed() -> S3Error:
    return S3Error("InvalidRequest", "The aws-chunked body is malformed")
