"""The one S3 bucket, for the few bytes that functions read or write themselves."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from lambdas.core import aws
from lambdas.core.errors import Unavailable
from lambdas.core.settings import Settings

_CHUNK = 1024 * 1024
_REPLACED = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412"}
_ABSENT = {"NoSuchKey", "404", "403", "AccessDenied"}


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing tells of it; size in bytes."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True)
class StoredPart:
    """A part of a multipart upload that S3 has; size in bytes."""

    number: int
    size: int
    etag: str


@dataclass(frozen=True)
class Content:
    """An object's bytes and its ETag."""

    data: bytes
    etag: str


@dataclass(frozen=True)
class Span:
    """Some bytes of an object, and size and ETag of the whole."""

    data: bytes
    total_size: int
    etag: str = ""


def put(key: str, body: bytes, tagging: str = "", content_type: str = "application/json") -> None:
    """Write an object whole, tagged as a query string says, `a=b&c=d`."""
    tagged: Any = {"Tagging": tagging} if tagging else {}
    aws.s3().put_object(Bucket=_name(), Key=key, Body=body, ContentType=content_type, **tagged)


def put_text(key: str, body: bytes, *, replacing: str | None) -> str | None:
    """Write a text over the object of that ETag alone; None: only where there is no object.

    Returns the new ETag, None when another object lies there, or none, and nothing was written.
    """
    held: Any = {"IfMatch": f'"{replacing}"'} if replacing else {"IfNoneMatch": "*"}
    try:
        answer = aws.s3().put_object(
            Bucket=_name(), Key=key, Body=body, ContentType="text/plain; charset=utf-8", **held
        )
    except ClientError as error:
        if aws.error_code(error) in _REPLACED:
            return None
        raise
    return answer["ETag"].strip('"')


def read(key: str) -> bytes | None:
    """Return an object's bytes, None when there is none."""
    found = read_content(key)
    return None if found is None else found.data


def read_content(key: str) -> Content | None:
    """Return an object's bytes with its ETag, None when there is none."""
    try:
        answer = aws.s3().get_object(Bucket=_name(), Key=key)
        return Content(answer["Body"].read(), answer["ETag"].strip('"'))
    except ClientError as error:
        if _means_absent(error):
            return None
        raise


def read_span(key: str, first: int, last: int, of: str | None = None) -> Span | None:
    """Return the bytes `first` to `last`, both counted, as far as they exist.

    None when there is no such object. An empty object gives an empty span. `of` is another bucket.
    """
    try:
        answer = aws.s3().get_object(Bucket=of or _name(), Key=key, Range=f"bytes={first}-{last}")
    except ClientError as error:
        if aws.error_code(error) == "InvalidRange":
            return Span(b"", first)
        if _means_absent(error):
            return None
        raise
    total = int(answer["ContentRange"].rpartition("/")[2])
    return Span(answer["Body"].read(), total, answer["ETag"])


class Stream:
    """An object that is read from its beginning, once, and hashed on the way."""

    def __init__(self, body: Any, total_size: int) -> None:
        self.total_size = total_size
        self._body, self._digest = body, hashlib.sha256()

    def read(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer only at the end."""
        pieces: list[bytes] = []
        while count > 0 and (piece := self._body.read(count)):
            pieces.append(piece)
            count -= len(piece)
        data = b"".join(pieces)
        self._digest.update(data)
        return data

    def digest_of_all(self) -> str:
        """Read to the end and return the SHA-256 of the whole object, in hexadecimal digits."""
        while self.read(_CHUNK):
            pass
        return self._digest.hexdigest()


@contextmanager
def opened(key: str) -> Iterator[Stream | None]:
    """Open an object for reading; None when there is none."""
    try:
        answer = aws.s3().get_object(Bucket=_name(), Key=key)
    except ClientError as error:
        if not _means_absent(error):
            raise
        yield None
        return
    try:
        yield Stream(answer["Body"], answer["ContentLength"])
    finally:
        answer["Body"].close()


def pieces(key: str, first: int) -> Iterator[bytes]:
    """Yield an object's bytes from `first` on, at most a MiB at a time; none where it is gone."""
    try:
        answer = aws.s3().get_object(Bucket=_name(), Key=key, Range=f"bytes={first}-")
    except ClientError as error:
        if not _means_absent(error):
            raise
        return
    try:
        yield from iter(lambda: answer["Body"].read(_CHUNK), b"")
    finally:
        answer["Body"].close()


def objects_under(prefix: str, *, after: str = "", of: str = "") -> Iterator[StoredObject]:
    """Yield what lies under a prefix in the order of the keys, 1,000 to a call.

    `of` is another bucket than ours.
    """
    pages = aws.s3().get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=of or _name(), Prefix=prefix, StartAfter=after):
        for entry in page.get("Contents", []):
            yield StoredObject(entry["Key"], entry["Size"], entry["ETag"].strip('"'))


def copy(source: str, target: str, *, of: str = "", etag: str = "") -> bool:
    """Copy an object of at most 5 GB into the bucket, on S3's side and without its tags.

    `of` is another bucket than ours to copy from, `etag` what the object must still have. Returns
    False when it has not, or is gone.
    """
    still: Any = {"CopySourceIfMatch": f'"{etag}"'} if etag else {}
    try:
        aws.s3().copy_object(
            Bucket=_name(),
            Key=target,
            CopySource={"Bucket": of or _name(), "Key": source},
            TaggingDirective="REPLACE",  # reading them would take a permission more
            **still,
        )
    except ClientError as error:
        if etag and aws.error_code(error) in {"NoSuchKey", "PreconditionFailed"}:
            return False
        raise
    return True


def parts_of_upload(key: str, upload_id: str) -> list[StoredPart] | None:
    """Return the parts that have arrived, 1,000 to a call; None when there is no such upload."""
    pages = aws.s3().get_paginator("list_parts")
    try:
        listed = [
            part
            for page in pages.paginate(Bucket=_name(), Key=key, UploadId=upload_id)
            for part in page.get("Parts", [])
        ]
    except ClientError as error:
        if aws.error_code(error) == "NoSuchUpload":
            return None
        raise
    return [StoredPart(part["PartNumber"], part["Size"], part["ETag"]) for part in listed]


def abort_upload(key: str, upload_id: str) -> None:
    """End an upload and give up its parts; one that has ended is as well."""
    try:
        aws.s3().abort_multipart_upload(Bucket=_name(), Key=key, UploadId=upload_id)
    except ClientError as error:
        if aws.error_code(error) != "NoSuchUpload":
            raise


def delete(key: str) -> None:
    """Remove an object; none there is as well."""
    aws.s3().delete_object(Bucket=_name(), Key=key)


def delete_all(keys: Sequence[str]) -> None:
    """Remove objects, 1,000 to a call.

    Raises Unavailable when S3 kept one of them.
    """
    for first in range(0, len(keys), 1000):
        objects: Any = [{"Key": key} for key in keys[first : first + 1000]]
        answer = aws.s3().delete_objects(Bucket=_name(), Delete={"Objects": objects, "Quiet": True})
        if answer.get("Errors"):
            raise Unavailable("S3 did not remove every file. Try again in a moment.")


def uri(key: str) -> str:
    """Return the `s3://` address of a key or a prefix."""
    return f"s3://{_name()}/{key}"


def _means_absent(error: ClientError) -> bool:
    # Without ListBucket, S3 answers 403 for a key that does not exist.
    return aws.error_code(error) in _ABSENT


def _name() -> str:
    return Settings.load().bucket_name
