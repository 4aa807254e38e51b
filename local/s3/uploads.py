"""The index of multipart uploads under way."""

import json
import sqlite3
from uuid import uuid4

from local.database import Database
from local.s3.blobs import Blobs, Extent
from local.s3.errors import no_such_upload
from local.s3.records import Part, Upload
from local.s3.store import checksum_of, checksum_text, headers_of, moment


class Uploads:
    """Uploads and their parts; a part is a blob, and stays it when the upload is completed."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs

    def create(self, new: Upload) -> None:
        """Keep a new upload."""
        self._database.execute(
            "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                new.upload_id,
                new.bucket,
                new.key,
                new.started.timestamp(),
                json.dumps(dict(new.headers)),
                new.algorithm,
                new.kind,
            ],
        )

    def get(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Return an upload. Raises S3Error NoSuchUpload."""
        row = self._database.one(
            "SELECT * FROM uploads WHERE upload_id = ? AND bucket = ? AND key = ?",
            [upload_id, bucket, key],
        )
        if row is None:
            raise no_such_upload(upload_id)
        return _upload(row)

    def of_bucket(self, bucket: str, prefix: str) -> list[Upload]:
        """Return the uploads of a bucket by key, then by their start."""
        rows = self._database.all(
            "SELECT * FROM uploads WHERE bucket = ? ORDER BY key, started", [bucket]
        )
        return [_upload(row) for row in rows if row["key"].startswith(prefix)]

    def put_part(self, upload: Upload, part: Part) -> None:
        """Keep a part; an earlier one of that number goes. Raises S3Error NoSuchUpload."""
        with self._database.steady():
            with self._database.transaction():
                self.get(upload.bucket, upload.key, upload.upload_id)
                before = self._database.one(
                    "SELECT blob FROM parts WHERE upload_id = ? AND number = ?",
                    [upload.upload_id, part.number],
                )
                self._insert(upload, part)
            self._blobs.remove([before["blob"]] if before else [])

    def parts(self, upload_id: str) -> list[Part]:
        """Return the parts of an upload by number."""
        rows = self._database.all(
            "SELECT * FROM parts WHERE upload_id = ? ORDER BY number", [upload_id]
        )
        return [_part(row) for row in rows]

    def forget(self, upload_id: str) -> None:
        """Remove an upload from the index, not the blobs of its parts."""
        self._database.execute("DELETE FROM parts WHERE upload_id = ?", [upload_id])
        self._database.execute("DELETE FROM uploads WHERE upload_id = ?", [upload_id])

    def abort(self, upload: Upload) -> None:
        """Remove an upload and the bytes of its parts."""
        with self._database.steady():
            blobs = [part.extent.blob for part in self.parts(upload.upload_id)]
            with self._database.transaction():
                self.forget(upload.upload_id)
            self._blobs.remove(blobs)

    def _insert(self, upload: Upload, part: Part) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                upload.upload_id,
                part.number,
                part.extent.blob,
                part.extent.size,
                part.etag,
                part.modified.timestamp(),
                checksum_text(part.checksum),
            ],
        )


def new_upload_id() -> str:
    """Return an id for an upload."""
    return uuid4().hex + uuid4().hex


def _upload(row: sqlite3.Row) -> Upload:
    return Upload(
        upload_id=row["upload_id"],
        bucket=row["bucket"],
        key=row["key"],
        started=moment(row["started"]),
        headers=headers_of(row["headers"]),
        algorithm=row["algorithm"],
        kind=row["kind"],
    )


def _part(row: sqlite3.Row) -> Part:
    return Part(
        number=row["number"],
        extent=Extent(row["blob"], row["size"]),
        etag=row["etag"],
        modified=moment(row["modified"]),
        checksum=checksum_of(row["checksum"]),
    )
