"""The S3 endpoint: multipart uploads."""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from endpoints import BUCKET
from s3_support import MEBI, code, complete, put_parts, start_upload


def test_parts_become_one_object_in_order(s3: Any, key: str) -> None:
    bodies = {7: b"c" * 10, 1: b"a" * 5 * MEBI, 3: b"b" * 5 * MEBI}
    upload = start_upload(s3, key, ContentType="model/x", Metadata={"a": "1"})
    parts = sorted(put_parts(s3, key, upload, bodies), key=lambda part: part["PartNumber"])
    answer = complete(s3, key, upload, parts)
    digests = b"".join(hashlib.md5(bodies[number]).digest() for number in (1, 3, 7))
    assert answer["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    head = s3.head_object(Bucket=BUCKET, Key=key)
    assert (head["ContentType"], head["Metadata"]) == ("model/x", {"a": "1"})
    assert (head["ContentLength"], head["ETag"]) == (10 * MEBI + 10, answer["ETag"])
    middle = s3.get_object(Bucket=BUCKET, Key=key, Range=f"bytes={5 * MEBI - 2}-{5 * MEBI + 1}")
    assert middle["Body"].read() == b"aabb"
    assert (
        s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=-11")["Body"].read() == b"b" + bodies[7]
    )
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == bodies[1] + bodies[3] + bodies[7]
    with pytest.raises(ClientError) as error:
        complete(s3, key, upload, parts)
    assert code(error) == (404, "NoSuchUpload")


def test_a_small_part_that_is_not_the_last_is_refused(s3: Any, key: str) -> None:
    upload = start_upload(s3, key)
    parts = put_parts(s3, key, upload, {1: b"a" * (5 * MEBI - 1), 2: b"b"})
    with pytest.raises(ClientError) as error:
        complete(s3, key, upload, parts)
    assert code(error) == (400, "EntityTooSmall")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda parts: [parts[1], parts[0]], "InvalidPartOrder"),
        (lambda parts: [{**parts[0], "ETag": '"0"'}, parts[1]], "InvalidPart"),
        (lambda parts: [*parts, {"PartNumber": 9, "ETag": '"0"'}], "InvalidPart"),
        (lambda _: [], "MalformedXML"),
    ],
)
def test_a_wrong_list_of_parts_is_refused(s3: Any, key: str, change: Any, expected: str) -> None:
    upload = start_upload(s3, key)
    parts = put_parts(s3, key, upload, {1: b"a" * 5 * MEBI, 2: b"b"})
    with pytest.raises(ClientError) as error:
        complete(s3, key, upload, change(parts))
    assert code(error) == (400, expected)
    assert complete(s3, key, upload, parts)["ETag"].endswith('-2"')


def test_a_part_can_be_sent_again_and_one_can_be_left_out(s3: Any, key: str) -> None:
    upload = start_upload(s3, key)
    put_parts(s3, key, upload, {1: b"old", 2: b"not wanted"})
    parts = put_parts(s3, key, upload, {1: b"new"})
    complete(s3, key, upload, parts)
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"new"


def test_parts_and_uploads_are_listed(s3: Any, key: str) -> None:
    upload = start_upload(s3, key)
    put_parts(s3, key, upload, {number: b"x" * number for number in range(1, 6)})
    pages = s3.get_paginator("list_parts").paginate(
        Bucket=BUCKET, Key=key, UploadId=upload, PaginationConfig={"PageSize": 2}
    )
    parts = [part for page in pages for part in page["Parts"]]
    assert [(part["PartNumber"], part["Size"]) for part in parts] == [
        (number, number) for number in range(1, 6)
    ]
    found = s3.list_multipart_uploads(Bucket=BUCKET, Prefix=key)["Uploads"]
    assert [(one["Key"], one["UploadId"]) for one in found] == [(key, upload)]


def test_an_aborted_upload_leaves_nothing(s3: Any, key: str) -> None:
    upload = start_upload(s3, key)
    put_parts(s3, key, upload, {1: b"x"})
    s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload)
    for call in (s3.abort_multipart_upload, s3.list_parts):
        with pytest.raises(ClientError) as error:
            call(Bucket=BUCKET, Key=key, UploadId=upload)
        assert code(error) == (404, "NoSuchUpload")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET, Prefix=key)


def test_completing_can_be_held_to_be_the_first(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"here")
    upload = start_upload(s3, key)
    parts = put_parts(s3, key, upload, {1: b"x"})
    with pytest.raises(ClientError) as error:
        complete(s3, key, upload, parts, IfNoneMatch="*")
    assert code(error) == (412, "PreconditionFailed")
    s3.delete_object(Bucket=BUCKET, Key=key)
    complete(s3, key, upload, parts, IfNoneMatch="*")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"x"


def test_a_part_can_be_copied_from_an_object(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"0123456789")
    upload = start_upload(s3, f"{key}2")
    answer = s3.upload_part_copy(
        Bucket=BUCKET,
        Key=f"{key}2",
        UploadId=upload,
        PartNumber=1,
        CopySource={"Bucket": BUCKET, "Key": key},
        CopySourceRange="bytes=2-5",
    )
    part = {"PartNumber": 1, "ETag": answer["CopyPartResult"]["ETag"]}
    complete(s3, f"{key}2", upload, [part])
    assert s3.get_object(Bucket=BUCKET, Key=f"{key}2")["Body"].read() == b"2345"


def test_boto3s_own_upload_and_download_of_a_large_file(s3: Any, key: str, tmp_path: Path) -> None:
    body = os.urandom(20 * MEBI + 5)
    config = TransferConfig(multipart_threshold=8 * MEBI, multipart_chunksize=5 * MEBI)
    s3.upload_fileobj(io.BytesIO(body), BUCKET, key, Config=config)
    assert s3.head_object(Bucket=BUCKET, Key=key)["ETag"].endswith('-5"')
    s3.download_file(BUCKET, key, str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == body


def test_a_copy_of_an_object_made_of_parts_has_the_etag_of_its_bytes(s3: Any, key: str) -> None:
    bodies = {1: b"a" * 5 * MEBI, 2: b"b"}
    upload = start_upload(s3, key)
    complete(s3, key, upload, put_parts(s3, key, upload, bodies))
    source = {"Bucket": BUCKET, "Key": key}
    answer = s3.copy_object(Bucket=BUCKET, Key=f"{key}2", CopySource=source)
    etag = f'"{hashlib.md5(bodies[1] + bodies[2]).hexdigest()}"'
    assert answer["CopyObjectResult"]["ETag"] == etag
    head = s3.head_object(Bucket=BUCKET, Key=f"{key}2")
    assert (head["ETag"], head["ContentLength"]) == (etag, 5 * MEBI + 1)


def test_a_download_of_many_parts_survives_deleting(s3: Any, key: str) -> None:
    bodies = {number: bytes([number]) * 5 * MEBI for number in range(1, 5)}
    upload = start_upload(s3, key)
    complete(s3, key, upload, put_parts(s3, key, upload, bodies))
    reading = s3.get_object(Bucket=BUCKET, Key=key)["Body"]
    first = reading.read(1000)
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert first + reading.read() == b"".join(bodies.values())
