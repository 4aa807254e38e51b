"""Captions that a training's tagger left in its checkpoint folder, stored to be reviewed."""

import json
from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lambdas.asset_worker import leases, repository
from lambdas.asset_worker.leases import HELD, Lost
from lambdas.core import clock, pending, table
from lambdas.core.errors import NotFound
from lambdas.core.observability import logger
from lambdas.core.queue import Kind
from lambdas.core.table import ConditionFailed, Update
from lambdas.datasets import images, proposals
from lambdas.datasets import repository as datasets
from lambdas.datasets.caption_text import CaptionText, etag_of, is_empty
from lambdas.datasets.images import Image
from lambdas.datasets.proposals import Proposal
from lambdas.datasets.schema import MOST_FILES
from lambdas.trainings import repository as trainings
from lambdas.trainings.schema import Training

KIND: Kind = "store_proposals"
MOST_ATTEMPTS = 5
MOST_BYTES = 64 * 1024**2
_KEPT_AT_ONCE = 100
_VERSION = 1


class _Line(BaseModel):
    """What the tagger wrote about an image; the file comes out of a job, so nothing is believed."""

    model_config = ConfigDict(frozen=True)

    file_name: str = Field(max_length=400)
    tags: tuple[Annotated[str, Field(max_length=100)], ...] = Field(default=(), max_length=200)
    caption: CaptionText
    tagger: str = Field(default="", max_length=200)


def store(workspace: str, training_id: str, _: float) -> None:
    """Store what a training proposed for each of its datasets, once."""
    lease = leases.take(proposals.pending_key(workspace, training_id), KIND)
    if lease is None:
        return
    kept = trainings.find(workspace, training_id)
    if lease.attempts >= MOST_ATTEMPTS:
        logger.error("giving up on proposals", training_id=training_id)
    elif kept is not None:
        for dataset_id in dict.fromkeys(used.id for used in kept.training.datasets):
            _store(workspace, kept.training, dataset_id)
            leases.renew(lease)
    # What is done is remembered, so that what a person refused does not come back.
    done = Update(
        lease.key,
        f"SET #expires_at = :expires REMOVE {pending.REMOVE}",
        {"lease": lease.token, "expires": clock.epoch(clock.later(30 * 24 * 3600))},
        HELD,
    )
    try:
        table.write(done)
    except ConditionFailed as error:
        raise Lost(f"the proposals of {training_id} are another's") from error


def _store(workspace: str, training: Training, dataset_id: str) -> None:
    by_name: dict[str, Image] | None = None
    for used in {one.subset: one for one in training.datasets if one.id == dataset_id}.values():
        key = trainings.captions_key(workspace, training.id, used)
        span = repository.read_first(key, MOST_BYTES)
        if span is None:
            continue
        if by_name is None:
            by_name = _images_of(workspace, dataset_id)
        _keep(training, dataset_id, span.data, by_name)


def _images_of(workspace: str, dataset_id: str) -> dict[str, Image]:
    """Return the images of a dataset by name, none of one that is gone."""
    try:
        datasets.get(workspace, dataset_id)
    except NotFound:
        return {}
    return {image.name: image for image in images.known(dataset_id)}


def _keep(training: Training, dataset_id: str, data: bytes, by_name: dict[str, Image]) -> None:
    batch: list[Proposal] = []
    for line in _lines(data, dataset_id):
        image = by_name.get(line.file_name)
        if image is None or image.caption == line.caption or is_empty(line.caption):
            continue
        batch.append(_proposal(training, line, image))
        by_name.pop(line.file_name)
        if len(batch) == _KEPT_AT_ONCE:
            proposals.keep(dataset_id, batch)
            batch = []
    proposals.keep(dataset_id, batch)


def _lines(data: bytes, dataset_id: str) -> Iterator[_Line]:
    header, *lines = data.splitlines()[: MOST_FILES + 1] or [b""]
    if not _is_ours(header, dataset_id):
        logger.warning("proposals that can't be read", dataset_id=dataset_id)
        return
    for number, line in enumerate(lines, start=2):
        try:
            yield _Line.model_validate_json(line)
        except ValidationError as error:
            reason = error.errors()[0]["type"]
            logger.warning("passing over a proposal", line=number, reason=reason)


def _is_ours(header: bytes, dataset_id: str) -> bool:
    try:
        told = json.loads(header)
    except ValueError:
        return False
    return (
        isinstance(told, dict)
        and told.get("version") == _VERSION
        and told.get("dataset_id") == dataset_id
    )


def _proposal(training: Training, line: _Line, image: Image) -> Proposal:
    changed = image.caption_changed_at
    # The tagger read the captions as they were when the training was made, or a little later.
    stood = changed is None or changed <= training.created_at
    return Proposal(
        image_id=image.id,
        name=image.name,
        text=line.caption,
        tags=line.tags,
        tagger=line.tagger,
        training_id=training.id,
        base=etag_of(image) if stood else None,
        proposed_at=clock.now(),
    )
