"""What the index knows of objects, uploads and parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from local.s3.blobs import Extent


@dataclass(frozen=True)
class Checksum:
    """An additional checksum: algorithm in lower case ("crc32"), value as sent (base64)."""

    algorithm: str
    value: str
    kind: str = "FULL_OBJECT"

    @property
    def header(self) -> str:
        """The HTTP header that carries it."""
        return f"x-amz-checksum-{self.algorithm}"

    @property
    def element(self) -> str:
        """The XML element that carries it."""
        return f"Checksum{self.algorithm.upper()}"


TAGGING = "x-amz-tagging"


@dataclass(frozen=True)
class StoredObject:
    """One object; `headers` are its system and user metadata, and its tags as they were sent."""

    key: str
    extents: tuple[Extent, ...]
    etag: str
    modified: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    checksum: Checksum | None = None
    parts: int = 0

    @property
    def size(self) -> int:
        """Length in bytes."""
        return sum(extent.size for extent in self.extents)

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return dict(parse_qsl(self.headers.get(TAGGING, ""), keep_blank_values=True))

    @property
    def quoted_etag(self) -> str:
        """The ETag as HTTP writes it."""
        return f'"{self.etag}"'


@dataclass(frozen=True)
class Upload:
    """A multipart upload under way."""

    upload_id: str
    bucket: str
    key: str
    started: datetime
    headers: Mapping[str, str]
    algorithm: str | None = None
    kind: str | None = None


@dataclass(frozen=True)
class Part:
    """One uploaded part."""

    number: int
    extent: Extent
    etag: str
    modified: datetime
    checksum: Checksum | None = None


def now() -> datetime:
    """Return the time as S3 keeps it, to the second in HTTP and the millisecond in XML."""
    return datetime.now(UTC)
