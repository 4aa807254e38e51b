"""Captions that the tagger proposed, read a page at a time from what the job left.

A dataset has one object of JSON lines, `captions/<dataset id>/captions.jsonl` in the checkpoint
folder, and one of several subsets `captions-00.jsonl` and so on: a header, then a line for each
image, at most 1 MiB long.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from lambdas.core import bucket, pages
from lambdas.trainings import repository
from lambdas.trainings.captioning_schema import TaggedCaption, TaggedCaptions
from lambdas.trainings.schema import Training

_SPAN = 1024 * 1024


@dataclass(frozen=True)
class _Place:
    """Where a page begins: the byte of an object, the dataset or subset by its number."""

    dataset: int
    byte: int = 0

    @classmethod
    def read(cls, text: str | None) -> "_Place | None":
        """Return the place that a cursor has, None when it has none."""
        if text is None:
            return cls(0)
        dataset, _, byte = text.partition("+")
        numbers = dataset.isdecimal() and byte.isdecimal() and len(text) < 30
        return cls(int(dataset), int(byte)) if numbers else None

    def __str__(self) -> str:
        return f"{self.dataset}+{self.byte}"


def page(workspace: str, training: Training, limit: int, cursor: str | None) -> TaggedCaptions:
    """Return so many captions at most and at most 1 MiB of them.

    Raises InvalidRequest when the cursor is none of this list's.
    """
    scope = f"captions:{training.id}"
    place = _Place.read(pages.from_cursor(scope, cursor))
    if place is None:
        raise pages.bad_cursor()
    found: list[TaggedCaption] = []
    # One that stands twice was tagged once.
    datasets = list({(one.id, one.subset): one for one in training.datasets}.values())
    while training.captioning and place.dataset < len(datasets) and not found:
        dataset = datasets[place.dataset]
        key = repository.captions_key(workspace, training.id, dataset)
        lines, more = _lines(key, place.byte)
        byte = place.byte
        for line in lines:
            if len(found) == limit:
                more = True
                break
            byte += len(line)
            found += _caption(dataset.id, line)
        place = _Place(place.dataset, byte) if more else _Place(place.dataset + 1)
    ended = not training.captioning or place.dataset >= len(datasets)
    return TaggedCaptions(
        data=found, next_cursor=None if ended else pages.to_cursor(scope, str(place))
    )


def _lines(key: str, byte: int) -> tuple[list[bytes], bool]:
    """Return the whole lines of a span that begins at the byte, and whether there are more."""
    span = bucket.read_span(key, byte, byte + _SPAN - 1)
    if span is None:
        return [], False
    lines = span.data.splitlines(keepends=True)
    whole = [line for line in lines if line.endswith(b"\n")]
    return whole, bool(whole) and byte + sum(map(len, whole)) < span.total_size


def _caption(dataset_id: str, line: bytes) -> Iterator[TaggedCaption]:
    told = json.loads(line)
    if "file_name" in told:  # else it is the header
        yield TaggedCaption(dataset_id=dataset_id, **told)
