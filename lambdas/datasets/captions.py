"""Reading and writing captions, one and many, so that two people do not overwrite each other."""

from collections import Counter
from collections.abc import Iterator, Mapping

from lambdas.core import queue
from lambdas.core.caller import Caller
from lambdas.core.errors import Fault, NotFound, Unprocessable, pointer
from lambdas.core.queue import Task
from lambdas.datasets import caption_files, caption_writes, images, repository
from lambdas.datasets.caption_files import Place
from lambdas.datasets.caption_schema import (
    Caption,
    CaptionOutcome,
    CaptionOutcomes,
    CaptionVersions,
    CaptionWrite,
    CaptionWrites,
    TagCount,
    TagCounts,
)
from lambdas.datasets.caption_text import NO_CAPTION, etag_of, is_empty, tags_of
from lambdas.datasets.caption_writes import Author, Change, Outcome
from lambdas.datasets.images import Image
from lambdas.datasets.preconditions import Precondition, changed_meanwhile

_OPEN = {"ready", "invalid"}
_EMPTY = (
    "needs a word in its first line: the dataset was made with caption_policy required, so that no "
    "image is trained on nothing"
)


def read(caller: Caller, dataset_id: str, image_id: str) -> Caption:
    """Return the caption of an image. Raises NotFound."""
    dataset = repository.get(caller.workspace, dataset_id).dataset
    return _shown(_image(dataset.id, image_id))


def write(caller: Caller, dataset_id: str, image_id: str, text: str, held: Precondition) -> Caption:
    """Write the caption of an image over the one that the caller has seen.

    What says the same already is success: a repeat of a request whose answer was lost is one.
    Raises PreconditionFailed, PreconditionRequired, Unprocessable, and Conflict while the dataset
    is being checked.
    """
    place = open_place(caller, dataset_id)
    image = _image(dataset_id, image_id)
    if refuses_empty(place) and is_empty(text):
        raise Unprocessable("The caption is empty.", faults=[Fault("/text", _EMPTY)])
    if not _says(image, text):
        held.hold(etag_of(image))
    elif not image.caption_unwritten:
        return _shown(image)
    else:
        return _shown(caption_files.write(place, image))
    author = Author(caller.token_id, "written")
    outcome = caption_writes.write(place, [Change(image, text)], author)
    if image_id in outcome.written:
        return _shown(outcome.written[image_id])
    now = outcome.conflicts[image_id]
    if now is None:
        raise _no_image(image_id)
    if not _says(now, text):
        raise changed_meanwhile(etag_of(now))
    return _shown(now)


def write_many(caller: Caller, dataset_id: str, request: CaptionWrites) -> CaptionOutcomes:
    """Write captions, each over the one that the caller has seen.

    Raises Unprocessable with every fault, and nothing is written then. A caption that someone else
    changed is told in its place; the others are written.
    """
    place = open_place(caller, dataset_id)
    seen = images.some(dataset_id, list({one.image_id for one in request.captions}))
    if faults := list(_faults(place, request, seen)):
        raise Unprocessable("The captions can't be written; none was.", faults=faults)
    stale = {one.image_id for one in request.captions if _is_stale(one, seen[one.image_id])}
    changes = [
        Change(seen[one.image_id], one.text)
        for one in request.captions
        if one.image_id not in stale and not _says(seen[one.image_id], one.text)
    ]
    # What a crash left between table and bucket in an earlier try of the same request.
    same = [seen[one.image_id] for one in request.captions if one.image_id not in stale]
    caption_files.write_all(
        place, [one for one in caption_files.unwritten_of(same) if one not in _images(changes)]
    )
    outcome = caption_writes.write(place, changes, Author(caller.token_id, "written"))
    if outcome.written:
        settle_soon(place)
    return _outcomes(request, seen, stale, outcome)


def versions(caller: Caller, dataset_id: str, image_id: str) -> CaptionVersions:
    """Return the caption of an image and what it was before. Raises NotFound."""
    current = read(caller, dataset_id, image_id)
    return CaptionVersions(current=current, versions=caption_writes.versions(dataset_id, image_id))


def tags(caller: Caller, dataset_id: str, limit: int) -> TagCounts:
    """Count the tags of a dataset's captions. Raises NotFound."""
    dataset = repository.get(caller.workspace, dataset_id).dataset
    counted: Counter[str] = Counter()
    all_images = captioned = 0
    for image in images.known(dataset.id):
        all_images += 1
        captioned += bool(tags_of(image.caption))
        counted.update(set(tags_of(image.caption)))
    ordered = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    return TagCounts(
        images=all_images,
        captioned=captioned,
        distinct=len(counted),
        tags=[TagCount(tag=tag, images=count) for tag, count in ordered[:limit]],
    )


def open_place(caller: Caller, dataset_id: str) -> Place:
    """Return where captions are to be changed.

    Raises NotFound, and Conflict while the dataset is not `ready` or `invalid`.
    """
    dataset = repository.get(caller.workspace, dataset_id).dataset
    if dataset.status not in _OPEN:
        raise caption_writes.closed()
    return Place(caller.workspace, dataset)


def refuses_empty(place: Place) -> bool:
    """Say whether each image of a dataset must have a caption."""
    return place.dataset.caption_policy == "required"


def settle_soon(place: Place) -> None:
    """Have the worker bring the report up to date; without it the schedule does so in a minute."""
    task = Task(kind="settle_captions", workspace=place.workspace, id=place.dataset.id)
    queue.send(task)


def _image(dataset_id: str, image_id: str) -> Image:
    image = images.find(dataset_id, image_id)
    if image is None:
        raise _no_image(image_id)
    return image


def _no_image(image_id: str) -> NotFound:
    return NotFound(
        f"The dataset has no image {image_id}, or it was not checked yet. "
        "GET /datasets/{id}/images lists them.",
        code="image_not_found",
    )


def _says(image: Image, text: str) -> bool:
    marked = any(one.code == "caption_byte_order_mark" for one in image.caption_findings)
    return image.caption == text and not marked


def _is_stale(one: CaptionWrite, image: Image) -> bool:
    return not _says(image, one.text) and one.etag not in {None, etag_of(image)}


def _faults(place: Place, request: CaptionWrites, seen: Mapping[str, Image]) -> Iterator[Fault]:
    count = Counter(one.image_id for one in request.captions)
    for index, one in enumerate(request.captions):
        image = seen.get(one.image_id)
        if image is None:
            told = "no image of this dataset: GET /datasets/{id}/images lists them"
            yield Fault(pointer("captions", index, "image_id"), told)
        elif one.etag is None and etag_of(image) != NO_CAPTION and not _says(image, one.text):
            told = f"is missing: there is a caption, whose etag is {etag_of(image)}"
            yield Fault(pointer("captions", index, "etag"), told)
        if count[one.image_id] > 1:
            told = "stands twice: give each image one caption"
            yield Fault(pointer("captions", index, "image_id"), told)
        if refuses_empty(place) and is_empty(one.text):
            yield Fault(pointer("captions", index, "text"), _EMPTY)


def _images(changes: list[Change]) -> list[Image]:
    return [change.image for change in changes]


def _outcomes(
    request: CaptionWrites, seen: Mapping[str, Image], stale: set[str], outcome: Outcome
) -> CaptionOutcomes:
    results = [_outcome(one, seen[one.image_id], stale, outcome) for one in request.captions]
    counted = Counter(result.outcome for result in results)
    return CaptionOutcomes(
        written=counted["written"],
        unchanged=counted["unchanged"],
        conflicts=counted["conflict"],
        results=results,
    )


def _outcome(one: CaptionWrite, before: Image, stale: set[str], outcome: Outcome) -> CaptionOutcome:
    now = outcome.written.get(before.id) or outcome.conflicts.get(before.id) or before
    is_conflict = before.id in stale or before.id in outcome.conflicts
    return CaptionOutcome(
        outcome="conflict"
        if is_conflict and not _says(now, one.text)
        else "written"
        if before.id in outcome.written
        else "unchanged",
        image_id=before.id,
        name=before.name,
        text=now.caption,
        etag=etag_of(now),
    )


def _shown(image: Image) -> Caption:
    return Caption(
        image_id=image.id,
        name=image.name,
        text=image.caption,
        etag=etag_of(image),
        findings=list(image.caption_findings),
    )
