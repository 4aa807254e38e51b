"""The S3 endpoint: bodies in the aws-chunked encoding."""

import base64
import hashlib
import os
import zlib
from datetime import UTC, datetime
from typing import Any

import botocore.httpchecksum
import endpoints
import httpx
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from endpoints import BUCKET, REGION, SECRET, Endpoint
from s3_support import MEBI, signed, signing_key, xml_code

from local.credentials import OPERATOR, secret_access_key
from local.sigv4 import sign


def chunk(body: bytes, extension: str = "") -> bytes:
    return f"{len(body):x}{extension}\r\n".encode() + body + b"\r\n"


def test_an_unsigned_chunked_body_with_a_trailing_checksum(
    endpoint: Endpoint, s3: Any, key: str
) -> None:
    body = os.urandom(300_000)
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    for checksum, expected in ((crc, (200, "")), ("AAAAAA==", (400, "BadDigest"))):
        sent = chunk(body[:65_536]) + chunk(body[65_536:]) + b"0\r\n"
        sent += f"x-amz-checksum-crc32:{checksum}\r\n\r\n".encode()
        answer = signed(
            endpoint,
            "PUT",
            f"/{BUCKET}/{key}",
            sent,
            payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            headers={
                "content-encoding": "aws-chunked",
                "x-amz-decoded-content-length": str(len(body)),
                "x-amz-trailer": "x-amz-checksum-crc32",
            },
        )
        assert xml_code(answer) == expected
    found = s3.get_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    assert found["Body"].read() == body
    assert found["ChecksumCRC32"] == crc
    assert "ContentEncoding" not in found


def test_chunked_bodies_as_boto3_sends_them_over_tls(
    endpoint: Endpoint, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Secure:
        scheme = "https"

    monkeypatch.setattr(botocore.httpchecksum, "urlparse", lambda _: Secure)
    s3, body, seen = endpoints.client("s3", endpoint), os.urandom(2 * MEBI + 17), []
    s3.meta.events.register("before-send.s3.PutObject", lambda request, **_: seen.append(request))
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert seen[0].headers["X-Amz-Trailer"] == b"x-amz-checksum-crc32"
    assert seen[0].headers["Transfer-Encoding"] == b"chunked"
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body


def test_a_chunked_body_whose_chunks_are_signed(endpoint: Endpoint, s3: Any, key: str) -> None:
    body = os.urandom(100_000)
    moment = datetime.now(UTC)
    good = signed_chunks(endpoint, key, [body[:65_536], body[65_536:], b""], moment)
    assert good.status_code == 200, good.text
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body
    bad = signed_chunks(endpoint, key, [body[:65_536], body[65_536:], b""], moment, flip=True)
    assert xml_code(bad) == (403, "SignatureDoesNotMatch")


class ChunkSigner(S3SigV4Auth):
    """Signs the head of a request whose chunks are signed one by one."""

    def payload(self, request: AWSRequest) -> str:
        return "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


def signed_chunks(
    endpoint: Endpoint, key: str, pieces: list[bytes], moment: datetime, *, flip: bool = False
) -> httpx.Response:
    size = sum(map(len, pieces))
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(size)}
    request = AWSRequest(
        "PUT",
        f"{endpoint.url}/{BUCKET}/{key}",
        headers={**headers, "x-amz-content-sha256": payload},
    )
    credentials = Credentials(OPERATOR, secret_access_key(SECRET, OPERATOR))
    ChunkSigner(credentials, "s3", REGION).add_auth(request)
    when = request.headers["X-Amz-Date"]
    scope = f"{when[:8]}/{REGION}/s3/aws4_request"
    previous = request.headers["Authorization"].rpartition("=")[2]
    empty, sent = hashlib.sha256(b"").hexdigest(), b""
    for piece in pieces:
        digest = hashlib.sha256(piece).hexdigest()
        lines = ["AWS4-HMAC-SHA256-PAYLOAD", when, scope, previous, empty, digest]
        previous = sign(signing_key(SECRET, scope), "\n".join(lines))
        shown = bytes([piece[0] ^ 1]) + piece[1:] if flip and piece else piece
        sent += chunk(shown, f";chunk-signature={previous}")
    return httpx.put(request.url, content=sent, headers=dict(request.headers))


def test_a_chunked_body_of_another_length_than_announced_is_refused(
    endpoint: Endpoint, key: str
) -> None:
    for length in ("4", "6"):
        answer = signed(
            endpoint,
            "PUT",
            f"/{BUCKET}/{key}",
            chunk(b"12345") + b"0\r\n\r\n",
            payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            headers={"content-encoding": "aws-chunked", "x-amz-decoded-content-length": length},
        )
        assert xml_code(answer) == (400, "IncompleteBody")
