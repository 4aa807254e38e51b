"""What the queue of notices sends, a message at a time, and the schedule."""

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.core.notices import Message
from lambdas.core.observability import logger
from lambdas.notifier import service

_processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
    """Do what the messages ask for; those that failed are named, so that they come again."""
    if event.get("detail-type") == "Reconcile":
        logger.info("reconciled", sent_again=service.reconcile())
        return None
    answer: Any = process_partial_response(
        event=event, record_handler=_do, processor=_processor, context=context
    )
    return dict(answer)


def _do(record: SQSRecord) -> None:
    try:
        message = Message.model_validate(json.loads(record.body))
        logger.append_keys(workspace=message.workspace, id=message.id, kind=message.kind)
        service.do(message)
    except Exception:
        logger.exception("a message failed and will come again")
        raise
