"""Captions accepted into the table, each held to what it replaces, with what was there kept."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lambdas.core import clock, pending, table
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict
from lambdas.core.ids import ulid
from lambdas.core.table import Check, ConditionFailed, Key, Put, Update, Write
from lambdas.datasets import caption_files, caption_text, images
from lambdas.datasets.caption_files import Place
from lambdas.datasets.images import Image
from lambdas.datasets.repository import key_of

Source = Literal["written", "edited", "proposed"]
VERSIONS_KEPT = 20
_IN_TRANSACTION = 32  # of at most three writes each, and a transaction has at most 100


@dataclass(frozen=True)
class Author:
    """Who changes captions and by what; `edit` is the change of the set that it is part of."""

    token_id: str
    source: Source
    edit: str | None = None


@dataclass(frozen=True)
class Change:
    """A new text for an image's caption as it was seen, and what else goes with it."""

    image: Image
    text: str
    also: Write | None = None


class Version(BaseModel):
    """An earlier text of a caption: who replaced it, when and by what."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(description="The newest has the highest.")
    text: str = Field(description="The text as it was.")
    etag: str = Field(description="The ETag that it had, without quotes.")
    replaced_at: datetime = Field(description="When it was replaced.")
    replaced_by: str = Field(description="The id of the token that replaced it.")
    source: Source = Field(description="By what kind of request it was replaced.")


@dataclass(frozen=True)
class Outcome:
    """What became of changes: the images that were changed, and those that others had, as they are.

    None stands for an image that is gone.
    """

    written: dict[str, Image]
    conflicts: dict[str, Image | None]


def versions_of(dataset_id: str) -> str:
    """Return the partition in which the earlier texts of a dataset's captions lie."""
    return f"{dataset_id}#caption"


def marker_key(workspace: str, dataset_id: str) -> Key:
    """Return where it stands that a dataset's captions changed since its report was made."""
    return Key(f"{workspace}#captions", dataset_id)


def write(place: Place, changes: Sequence[Change], author: Author) -> Outcome:
    """Change captions that are still what was seen, first in the table, then in the bucket.

    Raises Conflict when the dataset is not `ready` or `invalid`: nothing more is written then.
    """
    written: dict[str, Image] = {}
    conflicts: dict[str, Image | None] = {}
    for first in range(0, len(changes), _IN_TRANSACTION):
        accepted, refused = _accept(place, changes[first : first + _IN_TRANSACTION], author)
        conflicts |= refused
        written |= {image.id: image for image in caption_files.write_all(place, accepted)}
    return Outcome(written, conflicts)


def versions(dataset_id: str, image_id: str) -> list[Version]:
    """Return the earlier texts of an image's caption, newest first."""
    keys = [_version_key(dataset_id, image_id, number) for number in range(VERSIONS_KEPT)]
    found = [Version.model_validate(item) for item in table.batch_get(keys).values()]
    return sorted(found, key=lambda version: -version.number)


def _accept(
    place: Place, changes: Sequence[Change], author: Author
) -> tuple[list[Image], dict[str, Image | None]]:
    """Write what can be written as one; who is in the way is left out and it is tried again."""
    refused: dict[str, Image | None] = {}
    left = list(changes)
    while left:
        made = [_changed(place, change, author) for change in left]
        writes = list(_writes(place, left, made, author))
        try:
            table.transact([one.write for one in writes])
        except ConditionFailed as error:
            if 0 in error.found:
                raise closed() from error
            in_the_way = {writes[index].image_id for index in error.found}
            refused |= _as_they_stand(place.dataset.id, in_the_way)
            left = [change for change in left if change.image.id not in in_the_way]
        else:
            return made, refused
    return [], refused


def _as_they_stand(dataset_id: str, ids: Iterable[str]) -> dict[str, Image | None]:
    wanted = sorted(ids)
    found = images.some(dataset_id, wanted)
    return {one: found.get(one) for one in wanted}


def closed() -> Conflict:
    """Return the error for captions of a dataset that is not as it must be for a change."""
    return Conflict(
        "Captions can be changed while a dataset is ready or invalid. This one is not: complete "
        "it, or wait until it was checked, and try again.",
        code="captions_closed",
        headers={"Retry-After": "5"},
    )


@dataclass(frozen=True)
class _Write:
    """A write of a transaction and the image for which it is made, if for one."""

    write: Write
    image_id: str = ""


def _writes(
    place: Place, changes: Sequence[Change], made: Sequence[Image], author: Author
) -> Iterator[_Write]:
    dataset_id = place.dataset.id
    values = {"ready": "ready", "invalid": "invalid"}
    check = Check(key_of(place.workspace, dataset_id), "#status IN (:ready, :invalid)", values)
    yield _Write(check)
    yield _Write(mark(place.workspace, dataset_id))
    for change, new in zip(changes, made, strict=True):
        yield _Write(_update(dataset_id, change.image, new), new.id)
        if change.image.caption is not None:
            yield _Write(_version(dataset_id, change.image, new, author), new.id)
        if change.also:
            yield _Write(change.also, new.id)


def mark(workspace: str, dataset_id: str) -> Update:
    """Return the write that has the worker look after the files and the report of a dataset."""
    waits = pending.values("settle_captions", dataset_id)
    return Update(
        marker_key(workspace, dataset_id),
        "SET #pending = :pending, #open_shard = :open_shard, #change = :change, "
        "#next_check_at = if_not_exists(#next_check_at, :next_check_at)",
        waits | {"change": ulid()},
        None,
    )


def _changed(place: Place, change: Change, author: Author) -> Image:
    required = place.dataset.caption_policy == "required"
    return change.image.model_copy(
        update={
            "caption": change.text,
            "caption_findings": caption_text.findings_of(
                change.image, change.text, required=required
            ),
            "caption_changes": change.image.caption_changes + 1,
            "caption_changed_at": clock.now(),
            "caption_edit": author.edit,
            "caption_unwritten": True,
        }
    )


_CHANGING = {
    *("caption", "caption_findings", "caption_changes"),
    *("caption_changed_at", "caption_edit", "caption_unwritten"),
}


def _update(dataset_id: str, seen: Image, new: Image) -> Update:
    changes: Item = new.model_dump(mode="json", include=_CHANGING)
    changes["caption_edit"] = changes["caption_edit"] or ""
    before: Item = {"count": seen.caption_changes}
    if seen.caption is not None:
        before["seen"] = seen.caption
    text = "attribute_not_exists(#caption)" if seen.caption is None else "#caption = :seen"
    none_yet = "attribute_not_exists(#caption_changes) OR " if not seen.caption_changes else ""
    return Update(
        images.key_of(dataset_id, seen.id),
        "SET " + ", ".join(f"#{name} = :{name}" for name in changes),
        changes | before,
        f"attribute_exists(#pk) AND {text} AND ({none_yet}#caption_changes = :count)",
    )


def _version(dataset_id: str, seen: Image, new: Image, author: Author) -> Put:
    version = Version(
        number=new.caption_changes,
        text=seen.caption or "",
        etag=caption_text.etag_of(seen),
        replaced_at=new.caption_changed_at or clock.now(),
        replaced_by=author.token_id,
        source=author.source,
    )
    key = _version_key(dataset_id, seen.id, version.number)
    return Put({"pk": key.pk, "sk": key.sk} | version.model_dump(mode="json"), condition=None)


def _version_key(dataset_id: str, image_id: str, number: int) -> Key:
    # So many places for each image, of which the oldest is taken anew.
    return Key(versions_of(dataset_id), f"{image_id}#{number % VERSIONS_KEPT:02d}")
