"""The check of a dataset: every image decoded, every caption read, in slices that can be killed.

What was found out about an image is kept with the ETags of its files, so that a check which was
cut off, and one after a correction, goes on with what is new.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lambdas.asset_worker import leases, reporting
from lambdas.asset_worker.checking import Check, Work, check
from lambdas.asset_worker.leases import Lease
from lambdas.core import queue
from lambdas.core.bucket import StoredObject
from lambdas.core.observability import logger
from lambdas.core.queue import Kind, Task
from lambdas.datasets import images
from lambdas.datasets import repository as datasets
from lambdas.datasets.images import Image
from lambdas.datasets.schema import Dataset, DeclaredFile, caption_of, is_image

KIND: Kind = "validate_dataset"
MOST_ATTEMPTS = 5
THREADS = 8
KEPT_AT_ONCE = 25
KEPT_EVERY_SECONDS = 10.0


@dataclass(frozen=True)
class Scene:
    """All that a check is about: what was declared, what lies in the bucket."""

    workspace: str
    dataset: Dataset
    lease: Lease
    files: Sequence[DeclaredFile]
    objects: Mapping[str, StoredObject]


def validate(workspace: str, dataset_id: str, deadline: float) -> None:
    """Check a dataset, or go on with it, until `deadline` (monotonic seconds).

    Nothing happens where another worker is at it or it is done.
    """
    lease = leases.take(datasets.key_of(workspace, dataset_id), KIND)
    if lease is None:
        logger.info("nothing to do", dataset_id=dataset_id)
        return
    scene = _scene(workspace, lease)
    if lease.attempts >= MOST_ATTEMPTS:
        logger.error("giving up", dataset_id=dataset_id, attempts=lease.attempts)
        reporting.give_up(scene.workspace, scene.dataset, lease, scene.files)
        return
    known = {image.id: image for image in images.known(dataset_id)}
    images.forget(dataset_id, known.keys() - {file.id for file in scene.files})
    work = list(_work(scene, known))
    logger.info("checking", dataset_id=dataset_id, files=len(scene.files), to_do=len(work))
    new = {image.id: image for image in _checked(scene, work, deadline)}
    if len(new) < len(work):
        leases.give_back(lease)
        queue.send(Task(kind=KIND, workspace=workspace, id=dataset_id))
        return
    reporting.settle(scene.workspace, scene.dataset, lease, scene.files, scene.objects, known | new)


def _scene(workspace: str, lease: Lease) -> Scene:
    dataset = datasets.from_item(lease.item)
    files = datasets.declared_files(workspace, dataset.id, str(lease.item["files_id"]))
    return Scene(workspace, dataset, lease, files, datasets.uploaded(workspace, dataset))


def _work(scene: Scene, known: Mapping[str, Image]) -> Iterator[Work]:
    """Yield the images of which image or caption is not what was last looked at."""
    for file in scene.files:
        if not is_image(file.name):
            continue
        stored, caption = scene.objects.get(file.name), scene.objects.get(caption_of(file.name))
        before = known.get(file.id)
        work = Work(file, stored, caption, before)
        if stored is not None and not work.is_done:
            yield work


def _checked(scene: Scene, work: Sequence[Work], deadline: float) -> Iterator[Image]:
    """Yield images as they are checked and kept; stop when the time is over."""
    one_check = Check(scene.workspace, scene.dataset)
    with ThreadPoolExecutor(THREADS) as threads:
        found = threads.map(lambda one: check(one_check, one), work)
        try:
            yield from _kept(scene, found, deadline)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _kept(scene: Scene, found: Iterable[Image], deadline: float) -> Iterator[Image]:
    batch: list[Image] = []
    since = time.monotonic()
    for image in found:
        batch.append(image)
        now = time.monotonic()
        if len(batch) == KEPT_AT_ONCE or now - since > KEPT_EVERY_SECONDS or now > deadline:
            yield from _keep(scene, batch)
            batch, since = [], now
            if now > deadline:
                return
    yield from _keep(scene, batch)


def _keep(scene: Scene, batch: Sequence[Image]) -> Sequence[Image]:
    if batch:
        images.keep(scene.dataset.id, batch)
        leases.renew(scene.lease)
    return batch
