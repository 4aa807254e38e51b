"""The end of a training: its verdict, and the LoRA that came out registered as a model."""

from collections.abc import Sequence

from lambdas.core import bucket, clock, queue
from lambdas.core.errors import Conflict
from lambdas.core.ids import sibling
from lambdas.core.observability import logger
from lambdas.core.queue import Task
from lambdas.models import repository as models
from lambdas.models.inspection import inspect
from lambdas.models.safetensors import Header, NotSafetensors
from lambdas.models.schema import Model
from lambdas.trainings import failures, launcher, repository, transitions
from lambdas.trainings.launcher import JobState
from lambdas.trainings.repository import Kept
from lambdas.trainings.schema import FINAL, Failure, Progress, Status, Training
from lambdas.trainings.transitions import Ending

ENDED = {"Completed", "Failed", "Stopped"}


def apply_end(workspace: str, training_id: str, told: JobState) -> None:
    """Write how a training ended, once, as its job tells."""
    kept = repository.find(workspace, training_id)
    if kept is None or kept.training.status in FINAL:
        return
    # The event lacks what was billed.
    seen = launcher.describe(told.name)
    state = seen if seen and seen.status in ENDED else told
    lora = _registered_lora(kept, partial=state.status != "Completed")
    interruptions = max(kept.training.interruptions, state.interruptions)
    status, failure = _verdict(kept.training, state, lora, interruptions)
    if failure:
        failure = failures.with_log(failure, repository.read_failure(workspace, training_id))
    progress = repository.read_progress(workspace, training_id)
    proposes = repository.has_proposals(workspace, training_id)
    transitions.end(
        workspace,
        kept.training,
        Ending(
            status=status,
            message=failure.message if failure else _ended_well(state, progress),
            failure=failure,
            lora=lora,
            provider_status=state.provider_status,
            provider_modified_ms=state.modified_ms,
            progress=progress,
            interruptions=interruptions,
            billable_seconds=state.billable_seconds,
            started_at=state.started_at,
            ended_at=state.ended_at,
            proposes=proposes,
        ),
    )
    if proposes:
        queue.send(Task(kind="store_proposals", workspace=workspace, id=training_id))


def _ended_well(state: JobState, progress: Progress | None) -> str:
    early = progress.stopped_early if progress else None
    if early is None:
        return state.message
    return (
        f"Stopped early after epoch {early.after_epoch}: the loss was no better than in epoch "
        f"{early.best_epoch}, whose LoRA it is."
    )


def _verdict(
    training: Training, state: JobState, lora: Model | None, interruptions: int
) -> tuple[Status, Failure | None]:
    if state.status == "Completed":
        return ("succeeded", None) if lora else ("failed", failures.no_lora())
    if state.status == "Stopped":
        asked = training.status == "canceling"
        if asked:
            return "canceled", None
        return "failed", failures.of_stop(state.secondary, interruptions)
    return "failed", failures.of_reason(state.failure_reason)


def _registered_lora(kept: Kept, *, partial: bool) -> Model | None:
    """Copy the last complete LoRA to where models lie and return the model it makes.

    The model's id and key follow from the training's, so a repeat writes the same again.
    """
    workspace, training = kept.workspace, kept.training
    found = _last_complete_lora(workspace, training)
    if found is None:
        return None
    source, header, size = found
    moment = clock.now()
    inspection = inspect(header)
    digest = repository.read_digest(workspace, training.id, source.rpartition("/")[2])
    lora = Model(
        id=sibling(training.id, "mdl"),
        name=training.name,
        description=f"LoRA of training {training.name} on {training.model.name}.",
        type="lora",
        fm_type=training.fm_type,
        status="ready",
        file_name=f"{training.name}.safetensors",
        size=size,
        sha256=digest,
        sha256_checked=digest is not None,
        header=inspection.facts,
        training_id=training.id,
        partial=partial,
        created_at=moment,
        updated_at=moment,
    )
    bucket.copy(source, models.file_key(workspace, lora))
    return lora


def _last_complete_lora(workspace: str, training: Training) -> tuple[str, Header, int] | None:
    folder = f"{repository.checkpoints_of(workspace, training.id)}lora/"
    sizes = {found.key: found.size for found in bucket.objects_under(folder)}
    for key in _latest_first(folder, training.name, list(sizes)):
        try:
            return key, models.read_header(key), sizes[key]
        except (NotSafetensors, Conflict) as error:
            logger.warning("passing over a LoRA", key=key, reason=str(error))
    return None


def _latest_first(folder: str, name: str, keys: Sequence[str]) -> list[str]:
    # kohya numbers what it saves on the way, name-000001.safetensors, and not what it saves last.
    last = f"{folder}{name}.safetensors"
    numbered = sorted(
        (key for key in keys if key.endswith(".safetensors") and key != last), reverse=True
    )
    return [*([last] if last in keys else []), *numbered]
