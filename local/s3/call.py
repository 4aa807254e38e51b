"""One authenticated S3 call and what it may touch."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from local.endpoint import Access
from local.http_server import Request
from local.s3.conditions import check_write
from local.s3.cors import CorsRule
from local.s3.errors import S3Error, access_denied, no_such_key
from local.s3.events import Announcer, Origin
from local.s3.records import StoredObject
from local.s3.store import Store
from local.s3.uploads import Uploads
from local.sigv4 import Identity


@dataclass(frozen=True)
class Bucket:
    """A bucket of the template."""

    name: str
    cors: tuple[CorsRule, ...]


@dataclass(frozen=True)
class Service:
    """All that the operations work with."""

    store: Store
    uploads: Uploads
    access: Access
    announcer: Announcer
    buckets: Mapping[str, Bucket]
    region: str


@dataclass(frozen=True)
class Call:
    """A request whose signature has been verified."""

    service: Service
    request: Request
    identity: Identity
    bucket: str
    key: str
    request_id: str

    @property
    def origin(self) -> Origin:
        """What an event says of this call."""
        return Origin(self.bucket, self.request.client, self.request_id)

    def may(self, action: str, bucket: str, key: str = "") -> bool:
        """Return whether the caller may do that, e.g. "s3:GetObject"."""
        resource = f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
        return self.service.access.allowed(self.identity.access_key_id, action, resource)

    def require(self, action: str, bucket: str, key: str = "") -> None:
        """Raise S3Error AccessDenied when the caller may not do that."""
        if not self.may(action, bucket, key):
            raise access_denied()

    def missing(self, bucket: str, key: str) -> S3Error:
        """Return the error for a key that is not there: without ListBucket S3 does not tell."""
        return no_such_key(key) if self.may("s3:ListBucket", bucket) else access_denied()

    @contextmanager
    def readable(self, bucket: str, key: str) -> Iterator[StoredObject]:
        """Give an object whose bytes stay meanwhile. Raises S3Error NoSuchKey or AccessDenied."""
        with self.service.store.held(bucket, key) as found:
            if found is None:
                raise self.missing(bucket, key)
            yield found

    def keep(self, new: StoredObject, reason: str, also: Callable[[], None] | None = None) -> None:
        """Make an object current if the call's conditions hold, and tell of it. Raises S3Error.

        `also` runs in the same transaction.
        """

        def announce(kept: StoredObject) -> None:
            self.service.announcer.created(self.origin, kept, reason)
            if also:
                also()

        self.service.store.put(self.bucket, new, self.check_write, announce)

    def check_write(self, before: StoredObject | None) -> None:
        """Hold the call to its If-… headers on the object that it replaces. Raises S3Error."""
        if "if-match" in self.request.headers:
            self.require("s3:GetObject", self.bucket, self.key)
        check_write(self.request.headers, self.key, before)
