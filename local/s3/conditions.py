"""If-… headers and Range.

Source: "Conditional requests" in the S3 user guide; RFC 9110 sections 13 and 14.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from local.s3.errors import NotModified, S3Error, no_such_key, precondition_failed
from local.s3.records import StoredObject

RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class ByteRange:
    """A range of an object, both ends included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.last - self.first + 1


def check_read(headers: Mapping[str, str], found: StoredObject, prefix: str = "") -> None:
    """Hold a read to its conditions. Raises S3Error PreconditionFailed, or NotModified.

    `prefix` is "x-amz-copy-source-" for the source of a copy.
    """
    match, none_match = headers.get(f"{prefix}if-match"), headers.get(f"{prefix}if-none-match")
    since = _date(headers.get(f"{prefix}if-modified-since"))
    until = _date(headers.get(f"{prefix}if-unmodified-since"))
    modified = found.modified.replace(microsecond=0)
    if match is not None and not _names(match, found.etag):
        raise precondition_failed("If-Match")
    if match is None and until and modified > until:
        raise precondition_failed("If-Unmodified-Since")
    if none_match is not None and _names(none_match, found.etag):
        raise precondition_failed("If-None-Match") if prefix else NotModified(found.quoted_etag)
    if none_match is None and since and modified <= since:
        raise precondition_failed("If-Modified-Since") if prefix else NotModified(found.quoted_etag)


def check_write(headers: Mapping[str, str], key: str, before: StoredObject | None) -> None:
    """Hold a write to its conditions on the object that it would replace. Raises S3Error."""
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if none_match is not None and none_match.strip() != "*":
        raise S3Error(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
            Header="If-None-Match",
        )
    if none_match is not None and before is not None:
        raise precondition_failed("If-None-Match")
    if match is None:
        return
    if before is None:
        raise no_such_key(key)
    if not _names(match, before.etag):
        raise precondition_failed("If-Match")


def byte_range(headers: Mapping[str, str], found: StoredObject) -> ByteRange | None:
    """Return the range that is asked for, None for all of it. Raises S3Error InvalidRange."""
    wanted = RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    if not wanted or not (wanted[1] or wanted[2]) or _outdated(headers, found):
        return None
    size = found.size
    first = int(wanted[1]) if wanted[1] else max(0, size - int(wanted[2]))
    last = int(wanted[2]) if wanted[1] and wanted[2] else size - 1
    if wanted[1] and wanted[2] and last < first:
        return None  # not a range by its syntax, so it is passed over
    if first >= size:
        raise S3Error(
            "InvalidRange",
            "The requested range is not satisfiable",
            RangeRequested=headers["range"],
            ActualObjectSize=str(size),
        )
    return ByteRange(first, min(last, size - 1))


def _outdated(headers: Mapping[str, str], found: StoredObject) -> bool:
    wanted = headers.get("if-range")
    return wanted is not None and not _names(wanted, found.etag)


def _names(header: str, etag: str) -> bool:
    tags = [one.strip().removeprefix("W/").strip('"') for one in header.split(",")]
    return "*" in tags or etag in tags


def _date(header: str | None) -> datetime | None:
    if header is None:
        return None
    try:
        found = parsedate_to_datetime(header)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
