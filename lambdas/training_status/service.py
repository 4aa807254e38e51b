"""Following trainings: what events tell is written down, and what no event told is found out."""

from datetime import timedelta

from lambdas.core import aws, clock
from lambdas.core.errors import NotFound, ServiceError
from lambdas.core.observability import logger
from lambdas.core.table import ConditionFailed
from lambdas.models import transitions as model_transitions
from lambdas.training_status.ending import ENDED, apply_end
from lambdas.trainings import failures, launcher, repository, transitions
from lambdas.trainings.launcher import JobState
from lambdas.trainings.repository import OPEN_SHARDS, Kept
from lambdas.trainings.schema import FINAL, Status, Training
from lambdas.trainings.transitions import Ending, Told

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SecondaryStatusTransition.html
_BY_SECONDARY: dict[str, Status] = {
    "Starting": "starting",
    "Pending": "starting",
    "LaunchingMLInstances": "starting",
    "PreparingTrainingStack": "starting",
    "Downloading": "starting",
    "DownloadingTrainingImage": "starting",
    "Restarting": "starting",
    "Training": "running",
    "Uploading": "uploading",
    "Interrupted": "interrupted",
    "Stopping": "uploading",
}
_BY_PRIMARY: dict[str, Status] = {"InProgress": "running", "Stopping": "uploading"}
_CHECK_EVERY = timedelta(minutes=5)
_RETRY_EVERY = timedelta(minutes=2)
# A gateway function lives 29 s, so its CreateTrainingJob has come by then or never will. One of a
# reconciling that comes later yet is stopped by its first event, since the record is final.
_NO_JOB_WILL_COME = timedelta(seconds=40)
_QUEUE_DEADLINE = timedelta(hours=24)
_LONGEST_WAIT = timedelta(seconds=launcher.SPOT_WAIT_SECONDS) + timedelta(days=1)
_DUE_AT_ONCE = 25


def apply_state(workspace: str, training_id: str, state: JobState) -> None:
    """Write what SageMaker tells of a training's job."""
    if state.status in ENDED:
        apply_end(workspace, training_id, state)
        return
    told = Told(
        status=_BY_SECONDARY.get(state.secondary) or _BY_PRIMARY.get(state.status, "running"),
        provider_status=state.provider_status,
        modified_ms=state.modified_ms,
        message=state.message,
        started_at=state.started_at,
    )
    try:
        stood = transitions.record_state(workspace, training_id, told)
    except NotFound:
        _stop_stray(state)
        return
    if stood is None:
        if state.secondary == "Interrupted":
            _count_interruption(workspace, training_id, state)
        return
    late = state.modified_ms <= stood.provider_modified_ms
    if stood.training.status == "canceling" or (stood.training.status in FINAL and not late):
        _stop_stray(state)
    else:
        transitions.log_late(training_id, told)


def _count_interruption(workspace: str, training_id: str, state: JobState) -> None:
    count = transitions.count_interruption(workspace, training_id)
    if count > failures.MOST_INTERRUPTIONS:
        logger.warning("interrupted too often", training_id=training_id, count=count)
        launcher.try_to_stop(state.name)


def apply_progress(workspace: str, training_id: str) -> None:
    """Write how far the container says a training is."""
    progress = repository.read_progress(workspace, training_id)
    if progress is None:
        logger.warning("progress.json can't be read", training_id=training_id)
        return
    transitions.record_progress(workspace, training_id, progress)


def reconcile() -> int:
    """Look at the trainings that no event has told of for a while; return how many.

    One that makes trouble does not keep the others waiting; its error is raised at the end.
    """
    now = clock.now()
    due = [one for shard in range(OPEN_SHARDS) for one in transitions.due(shard, now, _DUE_AT_ONCE)]
    troubles = [error for one in due if (error := _trouble_with(*one))]
    if troubles:
        raise troubles[0]
    return len(due)


def tidy_models() -> int:
    """Clear away uploads that were given up and deletions that broke off; return how many."""
    return model_transitions.sweep(clock.now())


def _trouble_with(workspace: str, training_id: str) -> Exception | None:
    # Put off first: whatever comes, it is not the first in line again at once.
    transitions.check_again(workspace, training_id, clock.now() + _CHECK_EVERY)
    try:
        _reconcile_one(workspace, training_id)
    except (*aws.ERRORS, ServiceError, ConditionFailed, ValueError) as error:
        logger.exception("can't reconcile", training_id=training_id, workspace=workspace)
        return error
    return None


def _reconcile_one(workspace: str, training_id: str) -> None:
    kept = repository.find(workspace, training_id)
    if kept is None or kept.training.status in FINAL:
        return
    state = launcher.describe(kept.training.job_name)
    if state is not None:
        apply_state(workspace, training_id, state)
    elif kept.training.status == "queued":
        _start_again(kept)
    elif kept.training.status == "canceling":
        _end_without_job(kept)
    else:
        _miss(kept)


def _miss(kept: Kept) -> None:
    # A missing job alone never means failed: SageMaker may answer late. But jobs do not live
    # longer than they may, so at last there is nothing to wait for.
    training = kept.training
    most = timedelta(minutes=training.max_runtime_minutes) + _LONGEST_WAIT
    logger.error("job not found", training_id=training.id, status=training.status)
    if _age(training) > most:
        failure = failures.job_lost()
        _end(kept, Ending("failed", failure.message, failure))


def _start_again(kept: Kept) -> None:
    launched = launcher.start(kept.workspace, kept.training)
    if launched.outcome == "refused":
        failure = failures.refused(launched.reason)
        _end(kept, Ending("failed", failure.message, failure, frees_name=True))
    elif launched.outcome == "later" and _age(kept.training) > _QUEUE_DEADLINE:
        failure = failures.of_reason(launched.reason)
        _end(kept, Ending("failed", failure.message, failure, frees_name=True))
    else:
        waiting = f"Waiting/{launched.reason}" if launched.reason else "Waiting"
        transitions.note(kept.workspace, kept.training.id, waiting, clock.now() + _RETRY_EVERY)


def _end_without_job(kept: Kept) -> None:
    if clock.now() - kept.training.updated_at > _NO_JOB_WILL_COME:
        _end(kept, Ending("canceled", "Canceled before the job began.", frees_name=True))


def _end(kept: Kept, ending: Ending) -> None:
    transitions.end(kept.workspace, kept.training, ending)


def _age(training: Training) -> timedelta:
    return clock.now() - training.created_at


def _stop_stray(state: JobState) -> None:
    if state.status == "InProgress":
        logger.warning("stopping a job that nobody waits for", job=state.name)
        launcher.stop(state.name)
