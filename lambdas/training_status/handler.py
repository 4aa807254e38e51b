"""What EventBridge sends: state changes of our jobs, progress objects, and the schedule."""

import re
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.core.observability import logger
from lambdas.training_status import service
from lambdas.trainings import launcher
from lambdas.trainings.settings import Settings

_PROGRESS_KEY = re.compile(
    r"([a-z0-9]{1,20})/trainings/(trn_[0-9A-HJKMNP-TV-Z]{26})/checkpoints/progress\.json"
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _: LambdaContext) -> None:
    """Write what one event tells. An error is raised, so that the event comes again."""
    match event.get("detail-type"):
        case "SageMaker Training Job State Change":
            _state_change(event["detail"])
        case "Object Created":
            _progress(event["detail"]["object"]["key"])
        case "Reconcile":
            logger.info("reconciled", looked_at=service.reconcile())
            logger.info("tidied models", looked_at=service.tidy_models())
        case other:
            logger.warning("an event that nobody asked for", kind=other)


def _state_change(detail: dict[str, Any]) -> None:
    state = launcher.state_of(detail)
    owner = launcher.training_of(state.name, Settings.load().deployment)
    if owner is None:
        logger.info("not our job", job=state.name)
        return
    workspace, training_id = owner
    logger.append_keys(workspace=workspace, training_id=training_id)
    service.apply_state(workspace, training_id, state)


def _progress(key: str) -> None:
    found = _PROGRESS_KEY.fullmatch(key)
    if found is None:
        logger.info("not a progress object", key=key)
        return
    logger.append_keys(workspace=found[1], training_id=found[2])
    service.apply_progress(found[1], found[2])
