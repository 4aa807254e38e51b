"""The S3 endpoint, as boto3 sees it: objects."""

import concurrent.futures
import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from endpoints import BUCKET, Endpoint
from s3_support import MEBI, NAMES, code, fetched, presigned, signed, xml_code


@pytest.mark.parametrize("name", NAMES)
def test_any_unicode_key_comes_back_as_it_was_put(s3: Any, name: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"names/{name}", Body=name.encode())
    assert s3.get_object(Bucket=BUCKET, Key=f"names/{name}")["Body"].read() == name.encode()
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"names/{name}")["Contents"]
    assert [one["Key"] for one in listed] == [f"names/{name}"]
    s3.copy_object(
        Bucket=BUCKET, Key=f"copies/{name}", CopySource={"Bucket": BUCKET, "Key": f"names/{name}"}
    )
    assert s3.get_object(Bucket=BUCKET, Key=f"copies/{name}")["Body"].read() == name.encode()
    assert fetched(presigned(s3, "get_object", f"names/{name}")) == (200, name.encode())


def test_metadata_and_etag_are_kept(s3: Any, key: str) -> None:
    put = s3.put_object(
        Bucket=BUCKET,
        Key=key,
        Body=b"pixels",
        ContentType="image/png",
        CacheControl="no-store",
        ContentEncoding="identity",
        Metadata={"training": "trn_1"},
    )
    head = s3.head_object(Bucket=BUCKET, Key=key)
    assert put["ETag"] == head["ETag"] == f'"{hashlib.md5(b"pixels").hexdigest()}"'
    assert (head["ContentType"], head["CacheControl"]) == ("image/png", "no-store")
    assert head["ContentEncoding"] == "identity"
    assert head["Metadata"] == {"training": "trn_1"}
    assert head["ContentLength"] == 6
    assert abs(head["LastModified"] - datetime.now(UTC)) < timedelta(seconds=5)


def test_an_empty_object_is_an_object(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b""
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=0-0")
    assert code(error) == (416, "InvalidRange")


@pytest.mark.parametrize(
    ("wanted", "expected", "content_range"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-99", b"0123456789", "bytes 0-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ],
)
def test_ranges(s3: Any, wanted: str, expected: bytes, content_range: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="digits", Body=b"0123456789")
    answer = s3.get_object(Bucket=BUCKET, Key="digits", Range=wanted)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["Body"].read() == expected
    assert answer["ContentRange"] == content_range
    assert answer["ContentLength"] == len(expected)


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5"])
def test_what_is_no_single_range_gets_everything(s3: Any, wanted: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="digits", Body=b"0123456789")
    answer = s3.get_object(Bucket=BUCKET, Key="digits", Range=wanted)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["Body"].read() == b"0123456789"


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(s3: Any, wanted: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="digits", Body=b"0123456789")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=BUCKET, Key="digits", Range=wanted)
    assert code(error) == (416, "InvalidRange")


def test_conditional_reads(s3: Any, key: str) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")["ETag"]
    assert s3.get_object(Bucket=BUCKET, Key=key, IfMatch=etag)["ETag"] == etag
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=BUCKET, Key=key, IfMatch='"other"')
    assert code(error) == (412, "PreconditionFailed")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=BUCKET, Key=key, IfNoneMatch=etag)
    assert code(error)[0] == 304
    with pytest.raises(ClientError) as error:
        s3.head_object(Bucket=BUCKET, Key=key, IfModifiedSince=datetime.now(UTC))
    assert code(error)[0] == 304
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=BUCKET, Key=key, IfUnmodifiedSince=datetime(2020, 1, 1, tzinfo=UTC))
    assert code(error)[0] == 412


def test_a_put_that_must_be_the_first_is_412_the_second_time(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"2", IfNoneMatch="*")
    assert code(error) == (412, "PreconditionFailed")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"1"


def test_of_many_first_puts_at_once_one_wins(s3: Any, key: str) -> None:
    def put(number: int) -> bool:
        try:
            s3.put_object(Bucket=BUCKET, Key=key, Body=str(number) * 9999, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] == "PreconditionFailed":
                return False
            raise
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, range(8))) == 1


def test_a_put_over_a_known_object_needs_its_etag(s3: Any, key: str) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")["ETag"]
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"2", IfMatch=etag)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"3", IfMatch=etag)
    assert code(error) == (412, "PreconditionFailed")
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=BUCKET, Key=f"{key}/none", Body=b"3", IfMatch=etag)
    assert code(error) == (404, "NoSuchKey")


def test_deleting_is_no_error_when_nothing_is_there(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    for _ in range(2):
        assert s3.delete_object(Bucket=BUCKET, Key=key)["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=BUCKET, Key=key)
    assert code(error) == (404, "NoSuchKey")


def test_many_objects_are_deleted_at_once(s3: Any, key: str) -> None:
    keys = [f"{key}/{number} & <ä>" for number in range(5)]
    for one in keys:
        s3.put_object(Bucket=BUCKET, Key=one, Body=b"1")
    wanted = [{"Key": one} for one in [*keys, f"{key}/none"]]
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": wanted})
    assert {one["Key"] for one in answer["Deleted"]} == {*keys, f"{key}/none"}
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=key)


def test_a_copy_keeps_metadata_or_replaces_it(s3: Any, key: str) -> None:
    source = {"Bucket": BUCKET, "Key": key}
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"1", ContentType="image/png", Metadata={"a": "1"})
    s3.copy_object(Bucket=BUCKET, Key=f"{key}2", CopySource=source)
    assert s3.head_object(Bucket=BUCKET, Key=f"{key}2")["Metadata"] == {"a": "1"}
    s3.copy_object(
        Bucket=BUCKET,
        Key=f"{key}2",
        CopySource=source,
        MetadataDirective="REPLACE",
        Metadata={"b": "2"},
    )
    assert s3.head_object(Bucket=BUCKET, Key=f"{key}2")["Metadata"] == {"b": "2"}
    with pytest.raises(ClientError) as error:
        s3.copy_object(Bucket=BUCKET, Key=key, CopySource=source)
    assert code(error) == (400, "InvalidRequest")
    with pytest.raises(ClientError) as error:
        s3.copy_object(Bucket=BUCKET, Key="x", CopySource={"Bucket": BUCKET, "Key": f"{key}none"})
    assert code(error) == (404, "NoSuchKey")


def test_a_copy_lives_on_when_its_source_is_gone(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"bytes")
    s3.copy_object(Bucket="quiet", Key=key, CopySource={"Bucket": BUCKET, "Key": key})
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert s3.get_object(Bucket="quiet", Key=key)["Body"].read() == b"bytes"


def test_a_download_under_way_survives_replacing_and_deleting(s3: Any, key: str) -> None:
    body = os.urandom(24 * MEBI)
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    reading = s3.get_object(Bucket=BUCKET, Key=key)["Body"]
    first = reading.read(1000)
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"new")
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert first + reading.read() == body


def test_a_key_may_have_1024_bytes_and_not_one_more(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="ä" * 512, Body=b"")
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=BUCKET, Key="ä" * 512 + "x", Body=b"")
    assert code(error) == (400, "KeyTooLongError")


def test_an_unknown_bucket_is_404(s3: Any) -> None:
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="nobody", Key="x", Body=b"")
    assert code(error) == (404, "NoSuchBucket")


def test_buckets_can_be_looked_at(s3: Any) -> None:
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == [BUCKET, "quiet"]
    assert s3.head_bucket(Bucket=BUCKET)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    with pytest.raises(ClientError) as error:
        s3.get_bucket_acl(Bucket=BUCKET)
    assert code(error) == (501, "NotImplemented")


def test_head_tells_of_a_range_what_get_would(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"0123456789")
    head = s3.head_object(Bucket=BUCKET, Key=key, Range="bytes=2-4")
    assert head["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert (head["ContentLength"], head["ContentRange"]) == (3, "bytes 2-4/10")


def test_a_resumed_download_of_a_changed_object_starts_over(s3: Any, key: str) -> None:
    old = s3.put_object(Bucket=BUCKET, Key=key, Body=b"old old")["ETag"]
    new = s3.put_object(Bucket=BUCKET, Key=key, Body=b"new new")["ETag"]
    url = presigned(s3, "get_object", key)
    assert httpx.get(url, headers={"Range": "bytes=4-", "If-Range": new}).text == "new"
    assert httpx.get(url, headers={"Range": "bytes=4-", "If-Range": old}).text == "new new"


def test_what_is_not_offered_says_so(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    calls: list[tuple[Any, dict[str, Any]]] = [
        (s3.get_object_tagging, {}),
        (s3.get_object_acl, {}),
        (s3.get_object, {"PartNumber": 1}),
    ]
    for call, more in calls:
        with pytest.raises(ClientError) as error:
            call(Bucket=BUCKET, Key=key, **more)
        assert code(error) == (501, "NotImplemented")


def test_a_list_of_deletions_that_is_not_the_signed_one_deletes_nothing(
    endpoint: Endpoint, s3: Any, key: str
) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    right, wrong = f"<Delete><Object><Key>{key}</Key></Object></Delete>", b"<Delete"
    entity = b'<!DOCTYPE Delete [<!ENTITY a "x">]><Delete>&a;</Delete>'
    other = hashlib.sha256(b"other").hexdigest()
    for body, payload, expected in (
        (right.encode(), other, "XAmzContentSHA256Mismatch"),
        (wrong, None, "MalformedXML"),
        (entity, None, "MalformedXML"),
    ):
        answer = signed(endpoint, "POST", f"/{BUCKET}", body, payload=payload, query="delete=")
        assert xml_code(answer) == (400, expected)
    assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == 1
    assert (
        signed(endpoint, "POST", f"/{BUCKET}", right.encode(), query="delete=").status_code == 200
    )
    with pytest.raises(ClientError):
        s3.head_object(Bucket=BUCKET, Key=key)
