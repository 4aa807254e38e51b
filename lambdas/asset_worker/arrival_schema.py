"""S3's event of a file that arrived in an inbox, and what the file is called as a model."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict

from lambdas.core.ids import looks_like_id, ulid

_KEY = re.compile(r"([a-z0-9]{1,20})/inbox/((?:.+/)?[^/]+\.safetensors)", re.DOTALL)
_MOST_OF_NAME = 50
_NUMBERED = 9
_SEQUENCER_DIGITS = 64


@dataclass(frozen=True)
class Arrived:
    """A model file in a workspace's inbox; `path` is what comes behind `inbox/` in its key.

    `order` is S3's sequencer, of which the later is the greater as text.
    """

    bucket: str
    key: str
    etag: str
    workspace: str
    path: str
    order: str

    @property
    def names(self) -> Iterator[str]:
        """The names that it may have, the file's own first, those behind it numbered."""
        name = _name_of(PurePosixPath(self.path).stem)
        yield name
        yield from (f"{name}-{number}" for number in range(2, _NUMBERED + 1))
        yield f"{name[: _MOST_OF_NAME - 20]}-{ulid()}"


class _Bucket(BaseModel):
    name: str


class _Object(BaseModel):
    key: str
    etag: str
    sequencer: str


class _Detail(BaseModel):
    bucket: _Bucket
    object: _Object


class Arrival(BaseModel):
    """`Object Created` as EventBridge puts it into the queue.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """

    model_config = ConfigDict(frozen=True)

    detail: _Detail

    @staticmethod
    def is_one(message: Any) -> bool:
        """Say whether a message of the queue is such an event and no task of ours."""
        return isinstance(message, dict) and message.get("detail-type") == "Object Created"

    @property
    def arrived(self) -> Arrived | None:
        """The model file of which it tells; None where it is no file of an inbox."""
        told = self.detail.object
        found = _KEY.fullmatch(told.key)
        if found is None:
            return None
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
        order = told.sequencer.upper().ljust(_SEQUENCER_DIGITS, "0")
        bucket, etag = self.detail.bucket.name, told.etag
        return Arrived(bucket, told.key, etag, found[1], found[2], order)


def _name_of(stem: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:_MOST_OF_NAME]
    return plain if plain and not looks_like_id(plain) else f"model-{plain}".rstrip("-")
