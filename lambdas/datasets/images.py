"""The images of a dataset: what is known of each, from when it was checked."""

from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from lambdas.core import table
from lambdas.core.attributes import Item
from lambdas.core.table import Key
from lambdas.datasets.report_schema import Finding


class Image(BaseModel):
    """An image as it was checked, and its caption.

    `etag` and `caption_etag` are those of the objects that were looked at, so that what has not
    changed need not be looked at again. `width` and `height` are what sd-scripts reads; None, like
    `kind` and `mode`, where they can't be told. `fingerprint` is equal for what looks alike.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    size: int
    etag: str
    sha256: str | None = None
    kind: str | None = None
    mode: str | None = None
    width: int | None = None
    height: int | None = None
    fingerprint: str | None = None
    findings: tuple[Finding, ...] = ()
    caption: str | None = None
    caption_etag: str | None = None
    caption_findings: tuple[Finding, ...] = ()


def partition_of(dataset_id: str) -> str:
    """Return the partition in which a dataset's images lie."""
    return f"{dataset_id}#image"


def known(dataset_id: str) -> Iterator[Image]:
    """Yield what is known of a dataset's images, in the order of their ids."""
    return map(from_item, table.query_all(partition_of(dataset_id)))


def page(dataset_id: str, limit: int, after: str | None) -> table.Page:
    """Return one page of a dataset's images, in the order in which they were declared."""
    return table.query(partition_of(dataset_id), limit=limit, after=after, newest_first=False)


def keep(dataset_id: str, images: Sequence[Image]) -> None:
    """Write what is known of images, over what was known of them."""
    pk = partition_of(dataset_id)
    table.put_all([{"pk": pk, "sk": one.id} | one.model_dump(mode="json") for one in images])


def forget(dataset_id: str, ids: Iterable[str]) -> None:
    """Drop what is known of images that a dataset no longer has."""
    table.delete_all([Key(partition_of(dataset_id), one) for one in ids])


def from_item(item: Item) -> Image:
    """Turn an image's item into an image."""
    return Image.model_validate(item)
