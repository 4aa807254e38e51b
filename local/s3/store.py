"""The index of objects: which key has which blobs, in SQLite."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from local.database import Database
from local.s3.blobs import Blobs, Extent
from local.s3.records import Checksum, StoredObject

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, key TEXT NOT NULL, extents TEXT NOT NULL, etag TEXT NOT NULL,
    modified REAL NOT NULL, headers TEXT NOT NULL, checksum TEXT, parts INTEGER NOT NULL,
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    upload_id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, started REAL NOT NULL,
    headers TEXT NOT NULL, algorithm TEXT, kind TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
    upload_id TEXT NOT NULL, number INTEGER NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified REAL NOT NULL, checksum TEXT,
    PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;
"""
Check = Callable[[StoredObject | None], None]
Announce = Callable[[StoredObject], None]


class Store:
    """Objects by bucket and key. Keys sort by their UTF-8 bytes, as SQLite compares text."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self.database, self.blobs = database, blobs

    def sweep(self) -> None:
        """Remove blobs that an interrupted process wrote and never committed."""
        rows = self.database.all("SELECT extents FROM objects")
        used = {blob for row in rows for blob, _ in json.loads(row["extents"])}
        used.update(row["blob"] for row in self.database.all("SELECT blob FROM parts"))
        self.blobs.sweep(used)

    def get(self, bucket: str, key: str) -> StoredObject | None:
        """Return an object's record, or None."""
        row = self.database.one("SELECT * FROM objects WHERE bucket = ? AND key = ?", [bucket, key])
        return _object(row) if row else None

    @contextmanager
    def held(self, bucket: str, key: str) -> Iterator[StoredObject | None]:
        """Give an object whose bytes stay while the block runs, whatever happens to the key."""
        found = self.hold(bucket, key)
        try:
            yield found
        finally:
            self.let_go(found)

    def let_go(self, found: StoredObject | None) -> None:
        """End a hold."""
        self.blobs.let_go(extent.blob for extent in (found.extents if found else ()))

    def hold(self, bucket: str, key: str) -> StoredObject | None:
        """Return an object and keep its bytes until `let_go`."""
        with self.database.steady():
            found = self.get(bucket, key)
            self.blobs.hold(extent.blob for extent in (found.extents if found else ()))
        return found

    def put(self, bucket: str, new: StoredObject, check: Check, announce: Announce) -> None:
        """Make an object current. `check` sees the one before and may raise: nothing changes then.

        `announce` runs inside the transaction, so that its event is kept with the object.
        """
        with self.database.steady():
            with self.database.transaction():
                before = self.get(bucket, new.key)
                check(before)
                self._insert(bucket, new)
                announce(new)
            self.blobs.remove(extent.blob for extent in (before.extents if before else ()))

    def delete(self, bucket: str, key: str, announce: Announce) -> None:
        """Remove an object; one that is not there is no error."""
        with self.database.steady():
            with self.database.transaction():
                before = self.get(bucket, key)
                if before is None:
                    return
                self.database.execute(
                    "DELETE FROM objects WHERE bucket = ? AND key = ?", [bucket, key]
                )
                announce(before)
            self.blobs.remove(extent.blob for extent in before.extents)

    def keys_from(self, bucket: str, first: str, end: str | None, limit: int) -> list[StoredObject]:
        """Return objects with first <= key < end in order, at most `limit`."""
        bound, values = ("AND key < ?", [end]) if end is not None else ("", [])
        rows = self.database.all(
            f"SELECT * FROM objects WHERE bucket = ? AND key >= ? {bound} ORDER BY key LIMIT ?",  # noqa: S608
            [bucket, first, *values, limit],
        )
        return [_object(row) for row in rows]

    def _insert(self, bucket: str, new: StoredObject) -> None:
        extents = [[extent.blob, extent.size] for extent in new.extents]
        self.database.execute(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                bucket,
                new.key,
                json.dumps(extents),
                new.etag,
                new.modified.timestamp(),
                json.dumps(dict(new.headers)),
                checksum_text(new.checksum),
                new.parts,
            ],
        )


def checksum_text(checksum: Checksum | None) -> str | None:
    """Return a checksum as the index keeps it."""
    return json.dumps(asdict(checksum)) if checksum else None


def checksum_of(text: str | None) -> Checksum | None:
    """Return a checksum that the index kept."""
    return Checksum(**json.loads(text)) if text else None


def moment(seconds: float) -> datetime:
    """Return a time that the index kept."""
    return datetime.fromtimestamp(seconds, UTC)


def headers_of(text: str) -> Mapping[str, str]:
    """Return metadata that the index kept."""
    found: dict[str, str] = json.loads(text)
    return found


def _object(row: sqlite3.Row | dict[str, Any]) -> StoredObject:
    return StoredObject(
        key=row["key"],
        extents=tuple(Extent(blob, size) for blob, size in json.loads(row["extents"])),
        etag=row["etag"],
        modified=moment(row["modified"]),
        headers=headers_of(row["headers"]),
        checksum=checksum_of(row["checksum"]),
        parts=row["parts"],
    )
