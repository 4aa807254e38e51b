"""The S3 endpoint: what survives, what is swept, and how little memory it takes."""

import concurrent.futures
import os
import re
import socket
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import endpoints
import pytest
from botocore.exceptions import ClientError
from endpoints import BUCKET, Endpoint
from s3_support import (
    BUCKETS,
    MEBI,
    blobs_in,
    complete,
    presigned,
    put_parts,
    request_line,
    start_upload,
    wait_until,
)


def test_what_was_answered_survives_kill_9_and_what_was_cut_off_is_not_there(
    tmp_path: Path,
) -> None:
    root, settings = tmp_path / "s3", {"buckets": BUCKETS}
    endpoint = endpoints.start("s3", root, settings)
    s3 = endpoints.client("s3", endpoint)
    s3.put_object(Bucket=BUCKET, Key="whole", Body=b"x" * MEBI)
    upload = start_upload(s3, "parts")
    parts = put_parts(s3, "parts", upload, {1: b"p"})
    line = request_line(presigned(s3, "put_object", "torn"), "PUT")
    with socket.create_connection(("127.0.0.1", endpoint.port)) as connection:
        connection.sendall(f"{line}Content-Length: 10000000\r\n\r\n".encode() + b"x" * 5_000_000)
        wait_until(lambda: sum(p.stat().st_size for p in (root / "incoming").iterdir()) > MEBI)
        endpoint.kill()
    with endpoints.running("s3", root, settings) as endpoint:
        s3 = endpoints.client("s3", endpoint)
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
        assert keys == ["whole"]
        assert s3.get_object(Bucket=BUCKET, Key="whole")["Body"].read() == b"x" * MEBI
        assert list((root / "incoming").iterdir()) == []
        complete(s3, "parts", upload, parts)
        assert s3.get_object(Bucket=BUCKET, Key="parts")["Body"].read() == b"p"
        assert len(blobs_in(root)) == 2


def test_an_upload_that_the_client_cuts_off_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "s3"
    with endpoints.running("s3", root, {"buckets": BUCKETS}) as endpoint:
        s3 = endpoints.client("s3", endpoint)
        line = request_line(presigned(s3, "put_object", "torn"), "PUT")
        with socket.create_connection(("127.0.0.1", endpoint.port)) as connection:
            connection.sendall(f"{line}Content-Length: 1000\r\n\r\n".encode() + b"x" * 500)
        wait_until(lambda: not list((root / "incoming").iterdir()))
        assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)
        assert blobs_in(root) == []


def test_blobs_go_with_their_objects(tmp_path: Path) -> None:
    root = tmp_path / "s3"
    with endpoints.running("s3", root, {"buckets": BUCKETS}) as endpoint:
        s3 = endpoints.client("s3", endpoint)
        for body in (b"1", b"2"):
            s3.put_object(Bucket=BUCKET, Key="k", Body=body)
        assert len(blobs_in(root)) == 1
        with pytest.raises(ClientError):
            s3.put_object(Bucket=BUCKET, Key="k", Body=b"3", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
        upload = start_upload(s3, "k")
        put_parts(s3, "k", upload, {1: b"x", 2: b"y"})
        s3.abort_multipart_upload(Bucket=BUCKET, Key="k", UploadId=upload)
        assert len(blobs_in(root)) == 1
        s3.delete_object(Bucket=BUCKET, Key="k")
        assert blobs_in(root) == []


def test_a_blob_that_was_never_committed_is_swept_at_the_start(tmp_path: Path) -> None:
    root = tmp_path / "s3"
    with endpoints.running("s3", root, {"buckets": BUCKETS}):
        pass
    stray = root / "blobs" / "ab" / ("ab" * 16)
    stray.write_bytes(b"renamed, then killed")
    with endpoints.running("s3", root, {"buckets": BUCKETS}):
        assert not stray.exists()
    assert sqlite3.connect(root / "index.sqlite").execute("PRAGMA integrity_check").fetchone() == (
        "ok",
    )


@pytest.mark.parametrize("how", ["stdin", "terminate"])
def test_the_endpoint_ends_with_the_supervisor(tmp_path: Path, how: str) -> None:
    endpoint = endpoints.start("s3", tmp_path / "s3", {"buckets": BUCKETS})
    if how == "stdin":
        assert endpoint.process.stdin
        endpoint.process.stdin.close()
    else:
        endpoint.process.terminate()
    assert endpoint.process.wait(5) == 0


def test_a_large_multipart_upload_takes_little_memory(tmp_path: Path) -> None:
    with endpoints.running("s3", tmp_path / "s3", {"buckets": BUCKETS}) as endpoint:
        s3, piece = endpoints.client("s3", endpoint), os.urandom(32 * MEBI)
        upload = start_upload(s3, "large")
        put = threading.Barrier(3)

        def send(number: int) -> dict[str, Any]:
            put.wait()
            return put_parts(s3, "large", upload, {number: piece})[0]

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            parts = list(pool.map(send, range(1, 7)))
        began = time.monotonic()
        complete(s3, "large", upload, parts)
        assert time.monotonic() - began < 0.5
        assert peak_memory(endpoint) < 60 * MEBI


def peak_memory(endpoint: Endpoint) -> int:
    status = Path(f"/proc/{endpoint.process.pid}/status")
    if not status.exists():
        pytest.skip("only Linux tells the peak")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    assert found
    return int(found[1]) * 1024
