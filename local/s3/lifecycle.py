"""A bucket's lifecycle rules, as CloudFormation writes them: what S3 removes by itself."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.s3.buckets import MOST_KEYS
from local.s3.records import StoredObject, now
from local.s3.store import Store
from local.s3.uploads import Uploads

SECONDS_BETWEEN = 3600.0


@dataclass(frozen=True)
class LifecycleRule:
    """Removes old objects, or uploads that were never completed."""

    prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    object_days: int | None = None
    upload_days: int | None = None

    @classmethod
    def read(cls, rule: Mapping[str, Any]) -> "LifecycleRule":
        """Read one of CloudFormation's lifecycle rules; a disabled one does nothing."""
        if rule.get("Status") != "Enabled":
            return cls()
        return cls(
            prefix=rule.get("Prefix", ""),
            tags={tag["Key"]: tag["Value"] for tag in rule.get("TagFilters", ())},
            object_days=rule.get("ExpirationInDays"),
            upload_days=rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"),
        )

    def covers(self, found: StoredObject, moment: datetime) -> bool:
        """Return whether an object's time has come."""
        return (
            self.object_days is not None
            and found.key.startswith(self.prefix)
            and self.tags.items() <= found.tags.items()
            and found.modified + timedelta(days=self.object_days) < moment
        )


def sweep(
    bucket: str, rules: Sequence[LifecycleRule], store: Store, uploads: Uploads, moment: datetime
) -> None:
    """Remove what the rules say."""
    for rule in rules:
        if rule.upload_days is not None:
            for upload in uploads.of_bucket(bucket, rule.prefix):
                if upload.started + timedelta(days=rule.upload_days) < moment:
                    uploads.abort(upload)
        if rule.object_days is not None:
            _expire(bucket, rule, store, moment)


def _expire(bucket: str, rule: LifecycleRule, store: Store, moment: datetime) -> None:
    first = rule.prefix
    while batch := store.keys_from(bucket, first, None, MOST_KEYS):
        for found in batch:
            if rule.covers(found, moment):
                store.delete(bucket, found.key, lambda _: None)
        first = batch[-1].key + "\0"


def sweep_hourly(
    rules: Mapping[str, Sequence[LifecycleRule]], store: Store, uploads: Uploads
) -> threading.Event:
    """Sweep now and every hour in a thread, until the event that is returned is set."""
    ended = threading.Event()

    def run() -> None:
        while True:
            for bucket, its_rules in rules.items():
                sweep(bucket, its_rules, store, uploads, now())
            if ended.wait(SECONDS_BETWEEN):
                return

    threading.Thread(target=run, name="lifecycle", daemon=True).start()
    return ended
