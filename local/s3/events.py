"""What a bucket tells EventBridge.

Source: "EventBridge event message structure" in the S3 user guide.
"""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.outbox import Envelope, Outbox
from local.s3.records import StoredObject, now

_COUNTER = itertools.count()


@dataclass(frozen=True)
class Origin:
    """Where a change came from."""

    bucket: str
    client: str
    request_id: str


@dataclass(frozen=True)
class Announcer:
    """Puts the events of the buckets that have EventBridge switched on into the outbox."""

    outbox: Outbox
    envelope: Envelope
    buckets: frozenset[str]

    def created(self, origin: Origin, new: StoredObject, reason: str) -> None:
        """Tell of a new object; reason is PutObject, CompleteMultipartUpload or CopyObject."""
        described = {"key": new.key, "size": new.size, "etag": new.etag, "sequencer": _sequencer()}
        self._put("Object Created", origin, {"object": described, "reason": reason})

    def deleted(self, origin: Origin, key: str) -> None:
        """Tell of an object that is gone."""
        described = {"key": key, "sequencer": _sequencer()}
        detail = {"object": described, "reason": "DeleteObject"}
        self._put("Object Deleted", origin, detail | {"deletion-type": "Permanently Deleted"})

    def _put(self, detail_type: str, origin: Origin, what: Mapping[str, Any]) -> None:
        if origin.bucket not in self.buckets:
            return
        detail = {
            "version": "0",
            "bucket": {"name": origin.bucket},
            "object": what["object"],
            "request-id": origin.request_id,
            "requester": self.envelope.account,
            "source-ip-address": origin.client,
            **what,
        }
        resources = [f"arn:aws:s3:::{origin.bucket}"]
        self.outbox.put(self.envelope.around(detail_type, resources, detail, now()))


def _sequencer() -> str:
    return f"{time.time_ns() // 1000:014X}{next(_COUNTER) & 0xFFFF:04X}"
