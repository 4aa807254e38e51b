"""Taking in the bytes of an object or a part: decoded, hashed, checked, in a blob."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from local.http_server import Request
from local.request_body import ChunkedBody
from local.s3 import checksums
from local.s3.aws_chunked import AwsChunkedBody
from local.s3.blobs import Blobs, Extent
from local.s3.errors import S3Error
from local.s3.records import Checksum
from local.sigv4 import UNSIGNED, Identity

MAX_PUT = 5 << 30
MAX_DOCUMENT = 4 << 20
STREAMING = "STREAMING-"


class Readable(Protocol):
    """Anything with bytes in it."""

    def read(self) -> bytes:
        """Return some bytes, b"" at the end."""


@dataclass(frozen=True)
class Received:
    """A blob that holds what the client sent."""

    extent: Extent
    etag: str
    checksum: Checksum | None


def receive(request: Request, identity: Identity, blobs: Blobs) -> Received:
    """Write the request's body to a blob. Raises S3Error; then no blob is left."""
    length = expected_length(request, identity)
    algorithm = checksums.announced_algorithm(request)
    md5 = checksums.content_md5(request)
    source, trailers = _source(request, identity)
    with blobs.writing() as (blob, file):
        digests = Digests(identity.payload, algorithm)
        size = digests.copy(source, file)
        if size != length:
            raise S3Error("IncompleteBody", "The number of bytes differs from what was announced")
        digests.check_body(md5)
        checksum = digests.checksum(request, trailers)
    return Received(Extent(blob, size), digests.md5.digest().hex(), checksum)


def receive_document(request: Request, identity: Identity, *, checksum: bool = True) -> bytes:
    """Return a body that is an XML document. Raises S3Error.

    Without `checksum` the additional checksum of the request is not this body's.
    """
    if expected_length(request, identity) > MAX_DOCUMENT:
        raise S3Error("MalformedXML", "The XML you provided is too large")
    algorithm = checksums.announced_algorithm(request) if checksum else None
    source, trailers = _source(request, identity)
    digests, document = Digests(identity.payload, algorithm), io.BytesIO()
    digests.copy(source, document)
    digests.check_body(checksums.content_md5(request))
    digests.checksum(request, trailers)
    return document.getvalue()


def expected_length(request: Request, identity: Identity) -> int:
    """Return how many bytes the object will have. Raises S3Error."""
    length = request.body.length
    if identity.payload.startswith(STREAMING):
        decoded = request.headers.get("x-amz-decoded-content-length", "")
        length = int(decoded) if decoded.isdecimal() else None
    elif isinstance(request.body, ChunkedBody):
        raise S3Error(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
            Header="Transfer-Encoding",
        )
    if length is None:
        raise S3Error("MissingContentLength", "You must provide the length of the body.")
    if length > MAX_PUT:
        raise S3Error(
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size",
            ProposedSize=str(length),
            MaxSizeAllowed=str(MAX_PUT),
        )
    return length


class Digests:
    """All the hashes of one body, taken in one pass."""

    def __init__(self, payload: str, algorithm: str | None) -> None:
        hexadecimal = payload != UNSIGNED and not payload.startswith(STREAMING)
        self.md5 = checksums.md5()
        self._payload = payload if hexadecimal else None
        self._sha256 = hashlib.sha256() if hexadecimal else None
        self._algorithm = algorithm
        self._additional = checksums.digest_for(algorithm)

    def copy(self, source: Readable, file: BinaryIO) -> int:
        """Move everything from the source to the file and return the number of bytes."""
        running = [one for one in (self.md5, self._sha256, self._additional) if one]
        size = 0
        while piece := source.read():
            file.write(piece)
            for digest in running:
                digest.update(piece)
            size += len(piece)
        return size

    def check_body(self, md5: bytes | None) -> None:
        """Compare with the signed hash and with Content-MD5. Raises S3Error."""
        if self._sha256 and self._sha256.hexdigest() != self._payload:
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
        if md5 is not None and md5 != self.md5.digest():
            raise S3Error(
                "BadDigest", "The Content-MD5 you specified did not match what we received."
            )

    def checksum(self, request: Request, trailers: Mapping[str, str]) -> Checksum | None:
        """Compare with the additional checksum, if one was announced. Raises S3Error."""
        if self._algorithm is None:
            return None
        name = checksums.PREFIX + self._algorithm
        sent = request.value(name) or trailers.get(name)
        if sent is None:
            raise S3Error("InvalidRequest", f"The trailer {name} is missing")
        return checksums.check(self._algorithm, sent, self._additional)


def _source(request: Request, identity: Identity) -> tuple[Readable, Mapping[str, str]]:
    if not identity.payload.startswith(STREAMING):
        return request.body, {}
    chunked = AwsChunkedBody(request.body, identity)
    return chunked, chunked.trailers
