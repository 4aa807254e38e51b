"""After captions were changed: files that a crash left behind, and a report that is true again."""

from lambdas.asset_worker import leases, reporting, repository
from lambdas.asset_worker.leases import HELD, Lease
from lambdas.core import pending, table
from lambdas.core.errors import NotFound
from lambdas.core.observability import logger
from lambdas.core.queue import Kind
from lambdas.core.table import ConditionFailed, Delete, Update
from lambdas.datasets import caption_files, caption_writes, images
from lambdas.datasets import repository as datasets
from lambdas.datasets.caption_files import Place
from lambdas.datasets.repository import Kept

KIND: Kind = "settle_captions"
MOST_ATTEMPTS = 5


def settle(workspace: str, dataset_id: str, _: float) -> None:
    """Bring files and report of a dataset to its captions; again where they changed meanwhile."""
    lease = leases.take(caption_writes.marker_key(workspace, dataset_id), KIND)
    if lease is None:
        return
    try:
        kept = datasets.get(workspace, dataset_id)
    except NotFound:
        table.write(Delete(lease.key))
        return
    if lease.attempts >= MOST_ATTEMPTS:
        logger.error("giving up on captions", dataset_id=dataset_id, attempts=lease.attempts)
    else:
        _settle(workspace, kept)
    _end(lease)


def _settle(workspace: str, kept: Kept) -> None:
    dataset = kept.dataset
    known = {image.id: image for image in images.known(dataset.id)}
    unwritten = caption_files.unwritten_of(list(known.values()))
    if dataset.status != "deleting":
        caption_files.write_all(Place(workspace, dataset), unwritten)
    if dataset.status in {"ready", "invalid"} and kept.report_id:
        files = datasets.declared_files(workspace, dataset.id, kept.files_id)
        objects = datasets.uploaded(workspace, dataset)
        in_record, whole = reporting.anew(dataset, files, objects, known)
        if in_record:
            repository.refresh(workspace, dataset, kept.report_id, in_record, whole)


def _end(lease: Lease) -> None:
    values = {"lease": lease.token, "change": lease.item["change"]}
    expression = f"REMOVE {pending.REMOVE}"
    try:
        table.write(Update(lease.key, expression, values, f"{HELD} AND #change = :change"))
    except ConditionFailed:
        leases.give_back(lease)
