"""Captions that a tagger proposed: kept beside a dataset until a person accepts or refuses them."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from lambdas.core import table
from lambdas.core.table import Delete, Key
from lambdas.datasets.caption_text import etag_of
from lambdas.datasets.caption_writes import Change
from lambdas.datasets.images import Image

_MOST_IN_GET = 100


class Proposal(BaseModel):
    """A proposed caption; `base` is the ETag of the caption that the tagger knew, if it stood."""

    model_config = ConfigDict(frozen=True)

    image_id: str
    name: str
    text: str
    tags: tuple[str, ...]
    tagger: str
    training_id: str
    base: str | None = None
    proposed_at: datetime


def partition_of(dataset_id: str) -> str:
    """Return the partition in which a dataset's proposals lie, one for each image."""
    return f"{dataset_id}#proposal"


def pending_key(workspace: str, training_id: str) -> Key:
    """Return where it stands that a training's proposals are to be stored."""
    return Key(f"{workspace}#proposals", training_id)


def page(dataset_id: str, limit: int, after: str | None) -> table.Page:
    """Return one page of a dataset's proposals, in the order of its images."""
    return table.query(partition_of(dataset_id), limit=limit, after=after, newest_first=False)


def from_page(found: table.Page) -> list[Proposal]:
    """Turn the items of a page into proposals."""
    return [Proposal.model_validate(item) for item in found.items]


def some(dataset_id: str, image_ids: Sequence[str]) -> dict[str, Proposal]:
    """Return the proposals for images, by image; where there is none it is absent."""
    keys = [Key(partition_of(dataset_id), one) for one in image_ids]
    found: dict[str, Proposal] = {}
    for first in range(0, len(keys), _MOST_IN_GET):
        items = table.batch_get(keys[first : first + _MOST_IN_GET])
        found |= {key.sk: Proposal.model_validate(item) for key, item in items.items()}
    return found


def keep(dataset_id: str, proposals: Sequence[Proposal]) -> None:
    """Keep proposals, over earlier ones for the same images."""
    pk = partition_of(dataset_id)
    table.put_all(
        [{"pk": pk, "sk": one.image_id} | one.model_dump(mode="json") for one in proposals]
    )


def is_outdated(proposal: Proposal, image: Image) -> bool:
    """Say whether the caption is no longer the one that the tagger knew."""
    return proposal.base != etag_of(image) and image.caption != proposal.text


def acceptance(dataset_id: str, proposal: Proposal, image: Image) -> Change:
    """Return the change that makes a proposal the caption, and takes it off the list, as one."""
    return Change(image, proposal.text, _removal(dataset_id, proposal))


def refuse(dataset_id: str, proposals: Sequence[Proposal]) -> None:
    """Take proposals off the list; one that a later training replaced stays."""
    for one in proposals:
        try:
            table.write(_removal(dataset_id, one))
        except table.ConditionFailed:
            continue


def _removal(dataset_id: str, proposal: Proposal) -> Delete:
    return Delete(
        Key(partition_of(dataset_id), proposal.image_id),
        "attribute_not_exists(#pk) OR #training_id = :training",
        {"training": proposal.training_id},
    )
