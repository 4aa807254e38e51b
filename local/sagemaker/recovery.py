"""What becomes of the jobs that an earlier life of the endpoint left unfinished."""

import logging
import time
from contextlib import suppress

from local.sagemaker.job import Job
from local.sagemaker.leftovers import end_programs_of
from local.sagemaker.registry import RegistryClosed
from local.sagemaker.runner import Workshop
from local.sagemaker.sync import syncs_of
from local.sagemaker.transfer import TransferError

LOG = logging.getLogger("local.sagemaker")
SECONDS_FOR_S3 = 30.0
REASON = (
    "InternalServerError: The local stack stopped while this training job ran. "
    "What it had saved is kept; start the training again."
)


def end_cut_off(job: Job, workshop: Workshop) -> None:
    """Kill what is left of a job, store its last checkpoints, and give it a final status.

    A job that was cut off before its program started has nothing to store, and its folder may
    hold only a part of what is in S3.
    """
    base = workshop.registry.folder(job.name) / "ml"
    end_programs_of(base)
    deadline = time.monotonic() + SECONDS_FOR_S3
    while job.programmed and not _synced(job, workshop) and time.monotonic() < deadline:
        time.sleep(0.5)

    def ended(current: Job) -> Job:
        if current.status == "Stopping":
            return current.at("Stopped", "Training job stopped", time.time())
        return current.failed(REASON, time.time())

    with suppress(RegistryClosed):
        workshop.registry.change(job.name, ended)


def _synced(job: Job, workshop: Workshop) -> bool:
    """Return whether the checkpoints are stored; the S3 endpoint may still be starting."""
    base = workshop.registry.folder(job.name) / "ml"
    if not base.is_dir():
        return True
    try:
        for sync in syncs_of(job, base, workshop.transfer()):
            sync.adopt()
            sync.once()
    except TransferError as exc:
        LOG.warning("job %s: %s", job.name, exc)
        return False
    return True
