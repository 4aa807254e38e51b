"""The file of a caption, which trainings read, brought to what the table says.

The table is the record: what it says was accepted, and this is done until the file says the same,
by whoever wrote it or, after a crash, by the worker. A file is replaced only where it is the one
that was seen, and the record is looked at between, so that the last to write is the last accepted.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lambdas.core import bucket, table
from lambdas.core.errors import Unavailable
from lambdas.core.table import ConditionFailed, Update
from lambdas.datasets import images
from lambdas.datasets.images import Image
from lambdas.datasets.repository import upload_key
from lambdas.datasets.schema import Dataset, caption_of

_THREADS = 16
_ATTEMPTS = 8


@dataclass(frozen=True)
class Place:
    """Where captions are: a dataset of a workspace."""

    workspace: str
    dataset: Dataset


def write_all(place: Place, unwritten: Iterable[Image]) -> list[Image]:
    """Bring the files of several captions to the record; the images as they stand then."""
    waiting = list(unwritten)
    if not waiting:
        return []
    with ThreadPoolExecutor(min(_THREADS, len(waiting))) as threads:
        return list(threads.map(lambda image: write(place, image), waiting))


def write(place: Place, image: Image) -> Image:
    """Bring the file of a caption to the record.

    Raises Unavailable where others keep changing it.
    """
    standing = image
    key = upload_key(place.workspace, place.dataset, caption_of(image.name))
    for _ in range(_ATTEMPTS):
        if standing.caption is None:
            return standing
        seen = standing.caption_etag
        etag = bucket.put_text(key, standing.caption.encode(), replacing=seen)
        if etag is None:
            found = bucket.read_content(key)
            seen = found.etag if found else None
            etag = seen if found and found.data == standing.caption.encode() else None
        if etag is not None and _noted(place.dataset.id, standing, etag):
            return standing.model_copy(update={"caption_etag": etag, "caption_unwritten": False})
        # After the file was looked at: what is accepted later finds the file changed, too.
        now = images.find(place.dataset.id, image.id)
        if now is None or (etag is None and not now.caption_unwritten):
            return now or standing
        standing = now.model_copy(update={"caption_etag": etag or seen})
    raise Unavailable(
        "The caption is being changed by others. It is kept; its file follows in a minute.",
        headers={"Retry-After": "2"},
    )


def unwritten_of(found: Sequence[Image]) -> list[Image]:
    """Return the images whose caption file a crash has left behind the record."""
    return [image for image in found if image.caption_unwritten]


def _noted(dataset_id: str, image: Image, etag: str) -> bool:
    """Note that the file says what the record says; say whether it still says so."""
    try:
        table.write(
            Update(
                images.key_of(dataset_id, image.id),
                "SET #caption_etag = :etag, #caption_unwritten = :no",
                {"etag": etag, "no": False, "text": image.caption},
                "#caption = :text",
            )
        )
    except ConditionFailed:
        return False
    return True
