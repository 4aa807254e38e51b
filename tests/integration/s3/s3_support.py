"""What the tests of the S3 endpoint share."""

import atexit
import hashlib
import hmac
import http.client
import re
import socket
import tempfile
import time
import urllib.parse
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import endpoints
import httpx
import pytest
from botocore.exceptions import ClientError
from endpoints import BUCKET, REGION, SECRET, Endpoint, EventBus

from local.credentials import OPERATOR, secret_access_key
from local.sigv4 import sign

MEBI = 1 << 20
RULES = [
    {
        "AllowedOrigins": ["https://console.example", "http://127.0.0.1:*"],
        "AllowedMethods": ["GET", "PUT", "HEAD"],
        "AllowedHeaders": ["content-*", "if-none-match"],
        "ExposedHeaders": ["ETag"],
        "MaxAge": 600,
    }
]
BUCKETS: dict[str, Any] = {
    BUCKET: {"cors": RULES, "event_bridge": True},
    "quiet": {"cors": [], "event_bridge": False},
}
NAMES = [
    "a b+c&d=e.txt",
    "图像/10_猫/ねこ 1.png",
    "ü%41~!*'().txt",
    "a//b",
    "./x/../y",
    "日本",
    "🎨",
]


@dataclass(frozen=True)
class Shared:
    """The endpoint that all tests of this process use, and the bus it tells."""

    bus: EventBus
    endpoint: Endpoint


@cache
def shared() -> Shared:
    """Start it once; it ends with the process."""
    stack = ExitStack()
    atexit.register(stack.close)
    root = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "s3"
    bus = stack.enter_context(endpoints.event_bus())
    settings = {"buckets": BUCKETS, "events_url": bus.url}
    return Shared(bus, stack.enter_context(endpoints.running("s3", root, settings)))


def code(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def xml_code(answer: httpx.Response) -> tuple[int, str]:
    found = re.search(r"<Code>(\w+)</Code>", answer.text)
    return answer.status_code, found[1] if found else ""


def presigned(s3: Any, operation: str, key: str, seconds: int = 60, **more: Any) -> str:
    parameters = {"Bucket": BUCKET, "Key": key, **more}
    return str(s3.generate_presigned_url(operation, Params=parameters, ExpiresIn=seconds))


def fetched(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Fetch a URL without the tidying that httpx and browsers do to its path."""
    sent = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(sent.netloc)
    connection.request(method, f"{sent.path}?{sent.query}", headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def start_upload(s3: Any, key: str, **more: Any) -> str:
    return str(s3.create_multipart_upload(Bucket=BUCKET, Key=key, **more)["UploadId"])


def put_parts(s3: Any, key: str, upload: str, bodies: dict[int, bytes]) -> list[dict[str, Any]]:
    """Upload parts the way a browser does: by presigned URLs, without additional checksums."""
    parts = []
    for number, body in bodies.items():
        url = presigned(s3, "upload_part", key, UploadId=upload, PartNumber=number)
        answer = httpx.put(url, content=body)
        assert answer.status_code == 200, answer.text
        parts.append({"PartNumber": number, "ETag": answer.headers["etag"]})
    return parts


def complete(s3: Any, key: str, upload: str, parts: list[dict[str, Any]], **more: Any) -> Any:
    return s3.complete_multipart_upload(
        Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **more
    )


def signed(
    endpoint: Endpoint,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    secret: str = SECRET,
    service: str = "s3",
    region: str = REGION,
    headers: dict[str, str] | None = None,
    payload: str | None = None,
    moment: datetime | None = None,
    query: str = "",
) -> httpx.Response:
    """Send a request that is signed here step by step, independently of local.sigv4's canon."""
    when = f"{moment or datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    payload = payload or hashlib.sha256(body).hexdigest()
    sent = {"host": f"127.0.0.1:{endpoint.port}", "x-amz-date": when} | (headers or {})
    sent["x-amz-content-sha256"] = payload
    scope = f"{when[:8]}/{region}/{service}/aws4_request"
    names = sorted(sent)
    canonical = "\n".join(
        [
            method,
            urllib.parse.quote(path),
            query,
            *(f"{name}:{sent[name]}" for name in names),
            "",
            ";".join(names),
            payload,
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{digest}"
    signature = sign(signing_key(secret, scope), text)
    credential = f"Credential={OPERATOR}/{scope}, SignedHeaders={';'.join(names)}"
    sent["authorization"] = f"AWS4-HMAC-SHA256 {credential}, Signature={signature}"
    return httpx.request(method, f"{endpoint.url}{path}?{query}", content=body, headers=sent)


def signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret_access_key(secret, OPERATOR)}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def exchange(endpoint: Endpoint, text: str, *, wait: float = 5.0) -> bytes:
    """Send raw bytes and return what comes until the other side closes or falls silent."""
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=wait) as connection:
        connection.sendall(text.encode())
        found = b""
        try:
            while piece := connection.recv(65_536):
                found += piece
        except TimeoutError:
            pass
        return found


def request_line(url: str, method: str) -> str:
    sent = urllib.parse.urlsplit(url)
    return f"{method} {sent.path}?{sent.query} HTTP/1.1\r\nHost: {sent.netloc}\r\n"


def events_of(bus: EventBus, key: str) -> list[dict[str, Any]]:
    return [event for event in bus.events if event["detail"]["object"]["key"] == key]


def blobs_in(root: Path) -> list[Path]:
    return [path for path in (root / "blobs").rglob("*") if path.is_file()]


def wait_until(holds: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
