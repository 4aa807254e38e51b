"""The check of a large model: its bytes read from the first to the last, and held to its digest.

What SHA-256 has reckoned can't be carried from one process to the next, so that each try begins
anew, and one that broke off too often is given up.
"""

import hashlib
import time

from lambdas.asset_worker import leases, model_ends
from lambdas.asset_worker.leases import Lease
from lambdas.asset_worker.model_imports import Progress, TimeIsOver
from lambdas.core import aws, bucket
from lambdas.core.observability import logger
from lambdas.models import checks, repository, verdict
from lambdas.models.progress_schema import CheckProgress
from lambdas.models.schema import Model

MOST_ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 30
# A connection may break off in the 12 minutes that 50 GiB take; the same try goes on behind it.
MOST_BREAKS = 10


class BrokenOff(Exception):
    """S3 gave no more of the file in this try."""


def run(workspace: str, model_id: str, deadline: float) -> None:
    """Check a model's bytes until `deadline` (monotonic seconds).

    Nothing happens where another worker is at it, it is done, or the model is being deleted.
    """
    lease = leases.take(repository.key_of(workspace, model_id), checks.KIND)
    if lease is None:
        logger.info("nothing to do", model_id=model_id)
        return
    model = repository.from_item(lease.item).model_copy(update={"check": None})
    if lease.attempts >= MOST_ATTEMPTS:
        model_ends.settle(workspace, lease, _given_up(model))
        return
    try:
        digest = _digest(workspace, lease, model, deadline)
    except (TimeIsOver, BrokenOff) as error:
        logger.warning("a check broke off", model_id=model_id, reason=repr(error))
        leases.put_off(lease, FIRST_PAUSE_SECONDS * 2**lease.attempts)
        return
    model_ends.settle(workspace, lease, verdict.held_to(model, digest))


def _digest(workspace: str, lease: Lease, model: Model, deadline: float) -> str:
    """Return the SHA-256 of a file, telling on the way how far it is.

    Raises TimeIsOver, BrokenOff and Lost.
    """
    key, digest, done = repository.file_key(workspace, model), hashlib.sha256(), 0
    progress = Progress(lambda so_far: _tell(lease, so_far, model.size))
    for _ in range(MOST_BREAKS):
        try:
            for piece in bucket.pieces(key, done):
                digest.update(piece)
                done += len(piece)
                progress.tell(done)
                if done < model.size and time.monotonic() > deadline:
                    raise TimeIsOver
        except aws.ERRORS as error:
            logger.info("the connection to S3 broke off", at=done, reason=repr(error))
        if done >= model.size:
            return digest.hexdigest()
    raise BrokenOff(f"{done} of {model.size} bytes were read")


def _tell(lease: Lease, done: int, total: int) -> None:
    told = CheckProgress(bytes_done=done, bytes_total=total)
    leases.hold(lease, check=told.model_dump(mode="json"))


def _given_up(model: Model) -> Model:
    logger.error("giving up a check", model_id=model.id)
    if model.sha256 is None:
        # Nobody asked to have it held to a digest.
        return verdict.ready(model)
    return verdict.invalid(
        model,
        "check_failed",
        f"Its bytes could not be read to the end, {MOST_ATTEMPTS} times, and so not be held to the "
        "SHA-256 that was told. Make the model anew, without a sha256 if this happens again.",
    )
