"""Multipart uploads that functions do themselves: what came is S3's to tell, so they can go on."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from lambdas.core import aws
from lambdas.core.settings import Settings

# What S3 says of an object that is gone, that may not be read, and that is another by now.
_NOT_THERE = {"NoSuchKey", "NoSuchBucket", "404", "403", "AccessDenied", "PreconditionFailed"}


class UploadGone(Exception):
    """The upload has ended: another joined its parts or gave them up."""


class SourceGone(Exception):
    """What is to be copied is not there any more, or is another object by now."""


@dataclass(frozen=True)
class Place:
    """An object of our bucket or another one, as it stood: its ETag is its state."""

    bucket: str
    key: str
    etag: str


def begin(key: str) -> str:
    """Begin an upload, or go on with one of this key that nobody knows of; return its id."""
    known = uploads_under(key)
    if known:
        return known[0][1]
    answer = aws.s3().create_multipart_upload(
        Bucket=_name(), Key=key, ContentType="application/octet-stream"
    )
    return answer["UploadId"]


def uploads_under(prefix: str) -> list[tuple[str, str]]:
    """Return key and id of the uploads under way below a prefix, 1,000 at most."""
    answer = aws.s3().list_multipart_uploads(Bucket=_name(), Prefix=prefix)
    return [(one["Key"], one["UploadId"]) for one in answer.get("Uploads", [])]


def put_part(key: str, upload_id: str, number: int, data: bytes) -> str:
    """Send a part and return its ETag.

    Raises UploadGone.
    """
    return str(_part(aws.s3().upload_part, key, upload_id, number, Body=data)["ETag"])


def copy_part(place: Place, key: str, upload_id: str, number: int, span: tuple[int, int]) -> str:
    """Make a part of the bytes `span`, both counted, of another object, and return its ETag.

    No byte comes here. Raises UploadGone and SourceGone.
    """
    answer = _part(
        aws.s3().upload_part_copy,
        key,
        upload_id,
        number,
        CopySource={"Bucket": place.bucket, "Key": place.key},
        CopySourceIfMatch=place.etag,
        CopySourceRange=f"bytes={span[0]}-{span[1]}",
    )
    return str(answer["CopyPartResult"]["ETag"])


def _part(call: Any, key: str, upload_id: str, number: int, **more: Any) -> Any:
    try:
        return call(Bucket=_name(), Key=key, UploadId=upload_id, PartNumber=number, **more)
    except ClientError as error:
        code = aws.error_code(error)
        if code == "NoSuchUpload":
            raise UploadGone(f"the upload of {key} has ended") from error
        if "CopySource" in more and code in _NOT_THERE:
            raise SourceGone(more["CopySource"]["Key"]) from error
        raise


def _name() -> str:
    return Settings.load().bucket_name
