"""What the asset worker does, by the kind of message, and what it looks for by itself."""

from collections.abc import Callable

from lambdas.asset_worker import (
    arrivals,
    crop,
    deletion,
    heartbeat,
    importing,
    model_check,
    model_import,
    proposing,
    settling,
    training_deletion,
    validation,
)
from lambdas.asset_worker.arrival_schema import Arrival
from lambdas.asset_worker.leases import Lost
from lambdas.core import clock, pending
from lambdas.core.observability import logger
from lambdas.core.queue import Kind, Task
from lambdas.datasets import caption_edits

Work = Callable[[str, str, float], None]

_WORK: dict[Kind, Work] = {
    "validate_dataset": validation.validate,
    "crop_dataset": crop.crop,
    "import_dataset": importing.import_files,
    "delete_dataset": deletion.delete,
    "sweep_dataset": deletion.sweep,
    "settle_captions": settling.settle,
    "edit_captions": caption_edits.run,
    "store_proposals": proposing.store,
    "import_model": model_import.run,
    "check_model": model_check.run,
    "delete_training": training_deletion.delete,
    "sweep_training": training_deletion.sweep,
}


def do(task: Task, deadline: float) -> None:
    """Do what a message asks for, until `deadline` (monotonic seconds) at the latest."""
    try:
        with heartbeat.beating():
            _WORK[task.kind](task.workspace, task.id, deadline)
    except Lost as lost:
        logger.info("another worker goes on", reason=str(lost))


def take_in(arrival: Arrival) -> None:
    """Register a model file that arrived in an inbox."""
    arrivals.take_in(arrival)


def reconcile() -> int:
    """Send messages again for work that nobody took on; return how many."""
    return sum(pending.send_again(key) for key in pending.overdue(clock.now()))
