"""Additional checksums of objects and parts.

CRC32, SHA-1 and SHA-256 are computed and compared; CRC32C and CRC64NVME, which the standard
library lacks, are kept as sent. Source: "Checking object integrity" in the S3 user guide.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Sequence
from typing import Protocol

from local.http_server import Request
from local.s3.errors import S3Error
from local.s3.records import Checksum, Part

ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")
PREFIX = "x-amz-checksum-"
POLYNOMIAL = 0xEDB88320


class Digest(Protocol):
    """What hashlib's objects do."""

    def update(self, data: bytes, /) -> None:
        """Take in more bytes."""

    def digest(self) -> bytes:
        """Return the digest so far."""


class Crc32:
    """zlib's CRC-32 as a digest."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        """Take in more bytes."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """Return the four bytes, the highest first."""
        return self._value.to_bytes(4, "big")


def digest_for(algorithm: str | None) -> Digest | None:
    """Return a running digest, or None when the algorithm is not ours to compute."""
    match algorithm:
        case "crc32":
            return Crc32()
        case "sha1":
            return hashlib.sha1(usedforsecurity=False)
        case "sha256":
            return hashlib.sha256()
        case _:
            return None


def md5() -> Digest:
    """Return a running MD5, which S3 uses for ETags."""
    return hashlib.md5(usedforsecurity=False)


def of(algorithm: str, digest: Digest) -> Checksum:
    """Return the checksum of what a digest has taken in."""
    return Checksum(algorithm, base64.b64encode(digest.digest()).decode())


def announced_algorithm(request: Request) -> str | None:
    """Return the algorithm whose value comes in a header or in the trailer. Raises S3Error."""
    named = [one for one in ALGORITHMS if request.value(PREFIX + one) is not None]
    trailer = request.headers.get("x-amz-trailer", "").lower().removeprefix(PREFIX)
    if trailer in ALGORITHMS:
        named.append(trailer)
    if len(named) > 1:
        raise S3Error(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    wanted = request.value("x-amz-sdk-checksum-algorithm")
    if wanted and not named:
        raise S3Error(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
            "x-amz-trailer headers were found.",
        )
    return named[0] if named else None


def check(algorithm: str, sent: str, digest: Digest | None) -> Checksum:
    """Return the checksum to keep. Raises S3Error BadDigest when it is not the bytes'."""
    if digest and of(algorithm, digest).value != sent:
        raise S3Error(
            "BadDigest",
            f"The {algorithm.upper()} you specified did not match the calculated checksum.",
        )
    return Checksum(algorithm, sent)


def composite(algorithm: str, parts: Sequence[Part]) -> Checksum | None:
    """Return the checksum of the parts' checksums, with their number, as S3 builds it."""
    values = [part.checksum.value for part in parts if part.checksum]
    digest = digest_for(algorithm)
    if digest is None or len(values) != len(parts):
        return None
    for value in values:
        digest.update(base64.b64decode(value))
    encoded = base64.b64encode(digest.digest()).decode()
    return Checksum(algorithm, f"{encoded}-{len(parts)}", "COMPOSITE")


def full_object(algorithm: str, sent: str, parts: Sequence[Part]) -> Checksum:
    """Return the checksum of the whole object. Raises S3Error BadDigest.

    CRC32 is compared when every part has its own; others are kept as sent.
    """
    values = [base64.b64decode(part.checksum.value) for part in parts if part.checksum]
    if algorithm == "crc32" and len(values) == len(parts):
        whole = 0
        for value, part in zip(values, parts, strict=True):
            whole = crc32_joined(whole, int.from_bytes(value, "big"), part.extent.size)
        if base64.b64encode(whole.to_bytes(4, "big")).decode() != sent:
            raise S3Error(
                "BadDigest", "The CRC32 you specified did not match the calculated checksum."
            )
    return Checksum(algorithm, sent)


def crc32_joined(first: int, second: int, length: int) -> int:
    """Return the CRC-32 of two byte strings put together; `length` is the second one's.

    The first is moved on by `length` zero bytes: multiplied by x^(8 * length) modulo the CRC's
    polynomial, whose bits stand in reverse order.
    """
    factor, power, exponent = 1 << 31, 1 << 30, 8 * length
    while exponent:
        if exponent & 1:
            factor = _product(factor, power)
        power = _product(power, power)
        exponent >>= 1
    return _product(first, factor) ^ second


def _product(left: int, right: int) -> int:
    """Multiply two polynomials modulo the CRC's."""
    result = 0
    for bit in range(31, -1, -1):
        if left >> bit & 1:
            result ^= right
        right = right >> 1 ^ (POLYNOMIAL if right & 1 else 0)
    return result


def content_md5(request: Request) -> bytes | None:
    """Return the 16 bytes of Content-MD5. Raises S3Error InvalidDigest."""
    sent = request.headers.get("content-md5")
    if sent is None:
        return None
    try:
        value = base64.b64decode(sent, validate=True)
    except binascii.Error:
        value = b""
    if len(value) != 16:
        raise S3Error("InvalidDigest", "The Content-MD5 you specified was invalid.")
    return value
