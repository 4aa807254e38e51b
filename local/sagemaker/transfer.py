"""Moving files between a job's folder and S3, with the job's role."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.credentials import secret_access_key
from local.endpoint import EndpointSettings
from local.sagemaker.uris import S3Uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PIECE = 1 << 20
IN_ONE_PIECE = 16 << 20
PARTS = TransferConfig(  # in this thread: others would each hold parts in memory
    multipart_threshold=IN_ONE_PIECE, multipart_chunksize=IN_ONE_PIECE, use_threads=False
)


class TransferError(Exception):
    """S3 refused, or a key cannot be a file; the message is for people."""


class Transfer:
    """S3 as a job's role may use it."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    @classmethod
    def with_role(cls, settings: EndpointSettings) -> "Transfer":
        """Connect to the S3 endpoint as the training role."""
        key_id = settings.training_role_access_key_id
        client = boto3.client(
            "s3",
            endpoint_url=settings.s3_url,
            region_name=settings.region,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret_access_key(settings.secret, key_id),
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"mode": "standard", "max_attempts": 4},
                proxies={},
                max_pool_connections=4,
            ),
        )
        return cls(client)

    def listed(self, prefix: S3Uri) -> Iterator[tuple[str, int]]:
        """Give key and size of every object under a prefix. Raises TransferError."""
        pages = self._client.get_paginator("list_objects_v2")
        with _told(f"list s3://{prefix.bucket}/{prefix.key}"):
            for page in pages.paginate(Bucket=prefix.bucket, Prefix=prefix.key):
                for one in page.get("Contents", []):
                    yield one["Key"], one["Size"]

    def download(self, prefix: S3Uri, folder: Path) -> int:
        """Copy every object under a prefix into a folder; return how many. Raises TransferError."""
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        for key, _ in self.listed(prefix):
            self._download_one(S3Uri(prefix.bucket, key), folder / relative(key, prefix.key))
            count += 1
        return count

    def upload(self, path: Path, target: S3Uri) -> "Signature | None":
        """Store a file and return what it was, None when it changed or went meanwhile.

        Raises TransferError.
        """
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        with file, _told(f"write {target}"):
            before = signature(os.fstat(file.fileno()))
            if before.size > IN_ONE_PIECE:
                self._client.upload_fileobj(file, target.bucket, target.key, Config=PARTS)
                return before if signature(os.fstat(file.fileno())) == before else None
            body = file.read()
            if signature(os.fstat(file.fileno())) != before:
                return None
            self._client.put_object(Bucket=target.bucket, Key=target.key, Body=body)
            return before

    def upload_folder(self, folder: Path, target: S3Uri) -> None:
        """Store every file of a folder. Raises TransferError."""
        for path in files_in(folder):
            self.upload(path, target / path.relative_to(folder).as_posix())

    def upload_archive(self, folder: Path, target: S3Uri, scratch: Path) -> None:
        """Store a folder as one .tar.gz. Raises TransferError."""
        with tarfile.open(scratch, "w:gz") as archive:
            archive.add(folder, arcname=".")
        self.upload(scratch, target)
        scratch.unlink()

    def delete(self, bucket: str, keys: list[str]) -> None:
        """Remove objects. Raises TransferError."""
        for first in range(0, len(keys), 1000):
            objects: list[Any] = [{"Key": key} for key in keys[first : first + 1000]]
            with _told(f"clear objects of s3://{bucket}"):
                answer = self._client.delete_objects(
                    Bucket=bucket, Delete={"Objects": objects, "Quiet": True}
                )
            if errors := answer.get("Errors"):
                raise TransferError(f"could not delete {errors[0].get('Key')}: AccessDenied")

    def _download_one(self, source: S3Uri, path: Path) -> None:
        if source.key.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with _told(f"read {source}"), path.open("wb") as file:
            answer = self._client.get_object(Bucket=source.bucket, Key=source.key)
            shutil.copyfileobj(answer["Body"], file, PIECE)


class _told:  # noqa: N801 - reads as a word at its uses
    """Turns boto3's errors into ours."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ClientError | BotoCoreError):
            raise TransferError(f"could not {self._what}: {error}") from error


def relative(key: str, prefix: str) -> PurePosixPath:
    """Return where an object under a prefix goes inside its folder. Raises TransferError."""
    cut = prefix if prefix.endswith("/") else prefix.rpartition("/")[0] + "/"
    rest = key.removeprefix(prefix + "/") if key.startswith(prefix + "/") else key.removeprefix(cut)
    found = PurePosixPath(rest)
    if found.is_absolute() or ".." in found.parts:
        raise TransferError(f"the key {key} cannot be a file below its channel")
    return found


def files_in(folder: Path) -> list[Path]:
    """Return every file below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


@dataclass(frozen=True)
class Signature:
    """What changes when a file does."""

    size: int
    modified: int
    inode: int


def signature(stat: os.stat_result) -> Signature:
    """Return a file's signature."""
    return Signature(stat.st_size, stat.st_mtime_ns, stat.st_ino)
