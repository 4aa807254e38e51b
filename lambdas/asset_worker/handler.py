"""What the queue sends, a message at a time, and the schedule."""

import json
import time
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.asset_worker import service
from lambdas.asset_worker.arrival_schema import Arrival
from lambdas.core.observability import logger
from lambdas.core.queue import Task

# Kept back for what follows the last file: the report of 10,000 images is written in it.
_RESERVE_SECONDS = 90

_processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
    """Do what the messages ask for; those that failed are named, so that they come again."""
    if event.get("detail-type") == "Reconcile":
        logger.info("reconciled", sent_again=service.reconcile())
        return None
    answer: Any = process_partial_response(
        event=event,
        record_handler=lambda record: _do(record, context),
        processor=_processor,
        context=context,
    )
    return dict(answer)


def _do(record: SQSRecord, context: LambdaContext) -> None:
    try:
        _carry_out(json.loads(record.body), context)
    except Exception:
        logger.exception("a task failed and will come again")
        raise


def _carry_out(message: Any, context: LambdaContext) -> None:
    if Arrival.is_one(message):
        service.take_in(Arrival.model_validate(message))
        return
    task = Task.model_validate(message)
    logger.append_keys(workspace=task.workspace, id=task.id, kind=task.kind)
    left = context.get_remaining_time_in_millis() / 1000
    service.do(task, time.monotonic() + left - _RESERVE_SECONDS)
