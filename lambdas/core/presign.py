"""Presigned S3 URLs: how bytes come and go without passing through a function."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from lambdas.core import aws, clock
from lambdas.core.settings import Settings

# They die with the role's session anyway, so an hour is the most that can be promised.
LIFE_SECONDS = 3600


class SignedUpload(BaseModel):
    """A request that puts bytes into S3: send the bytes there with exactly these headers."""

    model_config = ConfigDict(frozen=True)

    method: str = Field(default="PUT", description="The HTTP method to send.")
    url: str = Field(description="Where to send the bytes; it holds its own authorization.")
    headers: dict[str, str] = Field(description="Signed: send them as they are.")
    expires_at: datetime = Field(description="Afterwards ask for a fresh URL.")


class SignedDownload(BaseModel):
    """A URL that gives the bytes to whoever has it."""

    model_config = ConfigDict(frozen=True)

    url: str = Field(description="Where to GET the bytes; it holds its own authorization.")
    expires_at: datetime = Field(description="Afterwards ask for a fresh URL.")


def put_once(key: str, size: int) -> SignedUpload:
    """Sign a PUT of exactly `size` bytes that never replaces what is there."""
    headers = {"Content-Length": str(size), "If-None-Match": "*"}
    url, expires_at = _sign("put_object", Key=key, ContentLength=size, IfNoneMatch="*")
    return SignedUpload(url=url, headers=headers, expires_at=expires_at)


def put_part(key: str, upload_id: str, part_number: int, size: int) -> SignedUpload:
    """Sign the PUT of one part, exactly `size` bytes, of a multipart upload."""
    url, expires_at = _sign(
        "upload_part", Key=key, UploadId=upload_id, PartNumber=part_number, ContentLength=size
    )
    return SignedUpload(url=url, headers={"Content-Length": str(size)}, expires_at=expires_at)


def get(key: str, file_name: str) -> SignedDownload:
    """Sign a GET that saves under `file_name`."""
    plain = file_name.encode("ascii", "replace").decode().replace("?", "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"
    url, expires_at = _sign("get_object", Key=key, ResponseContentDisposition=disposition)
    return SignedDownload(url=url, expires_at=expires_at)


def show(key: str) -> SignedDownload:
    """Sign a GET that a browser shows rather than saves."""
    url, expires_at = _sign("get_object", Key=key, ResponseContentDisposition="inline")
    return SignedDownload(url=url, expires_at=expires_at)


def _sign(operation: str, **params: Any) -> tuple[str, datetime]:
    request: Mapping[str, Any] = {"Bucket": Settings.load().bucket_name, **params}
    url = aws.s3().generate_presigned_url(operation, Params=request, ExpiresIn=LIFE_SECONDS)
    return url, clock.later(LIFE_SECONDS)
