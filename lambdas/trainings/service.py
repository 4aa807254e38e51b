"""What can be done with trainings."""

from functools import partial
from itertools import islice

from lambdas.core import clock, pages, queue, repeats, revisions
from lambdas.core.caller import Caller
from lambdas.core.errors import Unprocessable
from lambdas.core.idempotency import Attempt, as_it_stands
from lambdas.core.ids import new_id
from lambdas.core.queue import Task
from lambdas.trainings import (
    budget,
    captions,
    changing,
    creation,
    deleting,
    failures,
    interruption,
    kohya,
    launcher,
    log_reading,
    offers,
    repository,
    results,
    transitions,
)
from lambdas.trainings.captioning_schema import TaggedCaptions
from lambdas.trainings.estimate import estimate_of
from lambdas.trainings.job_datasets import job_datasets
from lambdas.trainings.job_schema import Job, JobEarlyStop, JobLora, JobModel, JobState
from lambdas.trainings.logs_schema import LogLines, TensorBoardFiles
from lambdas.trainings.offers import TrainingOptions
from lambdas.trainings.plan import Plan, make_plan
from lambdas.trainings.results_schema import Checkpoints, Metrics
from lambdas.trainings.samples_schema import Samples
from lambdas.trainings.schema import (
    FINAL,
    Continued,
    EarlyStop,
    NewTraining,
    Status,
    Training,
    TrainingChanges,
)
from lambdas.trainings.settings import Settings
from lambdas.trainings.validation_schema import TrainingDraft, Validation

# Each is one read from S3; a job leaves one a second at most, fewer the longer it runs.
_SEGMENTS_PER_ANSWER = 100


def validate(caller: Caller, request: TrainingDraft, attempt: Attempt) -> Validation:
    """Say what would come of a training, corrected where one thing can be meant; starts nothing."""
    found_out = partial(_validate, caller, request)
    return repeats.once(attempt, found_out, found_out)


def _validate(caller: Caller, request: TrainingDraft) -> Validation:
    references = creation.resolve(caller.workspace, request)
    found = creation.load(caller.workspace, references, None).found
    plan = make_plan(request, found, Settings.load(), corrects=True)
    estimate = estimate_of(plan, Settings.load())
    return Validation(
        valid=not plan.faults,
        errors=list(plan.faults),
        warnings=[*plan.warnings, *interruption.warnings(request, plan, estimate)],
        corrections=list(plan.corrections),
        fm_type=plan.fm_type,
        instance_type=plan.instance.name,
        preset=plan.preset,
        config_params=plan.params,
        datasets=list(plan.datasets),
        sample_prompts=list(plan.sample_prompts),
        toml=kohya.to_toml(plan.params),
        steps=plan.steps,
        estimate=estimate,
    )


def training_options() -> TrainingOptions:
    """Return what a training can be made of here; calls nothing."""
    return offers.training_options(Settings.load())


def create(caller: Caller, request: NewTraining, attempt: Attempt) -> tuple[Training, bool]:
    """Check a training and start it; say whether an earlier attempt had.

    The calls are those of "Starting a training" in the design, in that order: the record is
    complete before the job is asked for, and the job's name follows from the record, so that a
    crash between any two of them is mended by a retry with the same key or by reconciling.

    Raises Unprocessable with every fault, Conflict when a name is in use, TooManyRequests and
    LimitReached when the workspace has none left.
    """
    references = creation.resolve(caller.workspace, request)
    loaded = creation.load(caller.workspace, references, attempt)
    made = loaded.made
    if made is None:
        plan = make_plan(request, loaded.found, Settings.load())
        training = _training(caller.workspace, request, plan)
        creation.put_job(_job(caller.workspace, training))
        made = creation.insert(caller.workspace, training, attempt, loaded.known)
        if made is None:
            return _launched(caller.workspace, training), False
    first = made
    training = as_it_stands(lambda: repository.get(caller.workspace, first).training)
    return _launched(caller.workspace, training), True


def page(
    caller: Caller, status: Status | None, limit: int, cursor: str | None
) -> pages.Page[Training]:
    """Return one page of trainings, newest first, of one status if asked."""
    scope = f"trainings:{status}"
    found = repository.page(caller.workspace, status, limit, pages.from_cursor(scope, cursor))
    return pages.Page(
        data=repository.trainings_from(found.items),
        next_cursor=pages.to_cursor(scope, found.last.sk if found.last else None),
    )


def cancel(caller: Caller, training_id: str, attempt: Attempt) -> Training:
    """Ask for a training to be stopped; what it has finished is kept.

    One that is canceled is answered as it is. Raises Conflict when it has ended otherwise.
    """
    return repeats.once(
        attempt,
        lambda: _cancel(caller, training_id),
        lambda: repository.get(caller.workspace, training_id).training,
    )


def _cancel(caller: Caller, training_id: str) -> Training:
    training = repository.get(caller.workspace, training_id).training
    if training.status == "canceled":
        return training
    if training.status in FINAL:
        raise transitions.ended(training_id)
    if training.status != "canceling":
        transitions.ask_to_cancel(caller.workspace, training)
    # Where there is no job yet, or no answer: whoever sees one of a training that is canceling
    # stops it.
    launcher.try_to_stop(training.job_name)
    return training.model_copy(update={"status": "canceling", "updated_at": clock.now()})


def change(
    caller: Caller, training_id: str, changes: TrainingChanges, if_match: str | None
) -> Training:
    """Change the tags of a training.

    What stands as asked already is a retry, and answered as such. Raises PreconditionFailed when
    `if_match` is another ETag than the training's.
    """
    kept = repository.get(caller.workspace, training_id)
    as_read = revisions.matches(if_match, kept.training.revision)
    if changes.tags == kept.training.tags:
        return kept.training
    if not as_read:
        raise revisions.stale(kept.training.revision)
    return changing.change(kept, changes, None if if_match is None else kept.training.revision)


def delete(caller: Caller, training_id: str) -> Training:
    """Have the worker remove a training; one that is being removed is answered as it is.

    Raises Conflict when it has not ended, or another training goes on from its state.
    """
    item = repository.item_of(caller.workspace, training_id)
    training = repository.kept_from(item).training
    if "doomed" in item:
        return training
    mark = deleting.mark(caller.workspace, item)
    if users := deleting.users_of(training_id):
        found = deleting.restore(mark)
        if not (found and "doomed" in found):  # they ended, and the worker was quicker
            raise deleting.in_use(training, users)
    queue.send(Task(kind="delete_training", workspace=caller.workspace, id=training_id))
    return training.model_copy(update={"status": "deleting"})


def metrics(caller: Caller, training_id: str, since_step: int, stride: int, limit: int) -> Metrics:
    """Return rows of the steps after `since_step`, one for each `stride` steps."""
    repository.get(caller.workspace, training_id)
    segments = repository.metrics_from(caller.workspace, training_id, since_step)
    read = list(islice(segments, _SEGMENTS_PER_ANSWER))
    rows = [row for segment in read for row in segment]
    chosen = [row for row in rows if row.meets(stride)]
    if len(chosen) > limit:
        return Metrics(data=chosen[:limit], next_since_step=chosen[limit - 1].step)
    more = len(read) == _SEGMENTS_PER_ANSWER
    return Metrics(data=chosen, next_since_step=rows[-1].step if more else None)


def checkpoints(caller: Caller, training_id: str) -> Checkpoints:
    """Return the LoRAs that a training has finished so far."""
    repository.get(caller.workspace, training_id)
    return Checkpoints(data=repository.read_checkpoints(caller.workspace, training_id))


def samples(caller: Caller, training_id: str, limit: int, cursor: str | None) -> Samples:
    """Return sample images that a training has drawn so far, in the order of their steps."""
    training = repository.get(caller.workspace, training_id).training
    scope = f"samples:{training_id}"
    after = pages.from_cursor(scope, cursor)
    prompts = training.sample_prompts
    found = results.read_samples(caller.workspace, training_id, prompts, limit + 1, after)
    last = found[limit - 1].file_name if len(found) > limit else None
    return Samples(data=found[:limit], next_cursor=pages.to_cursor(scope, last))


def logs(caller: Caller, training_id: str, since: int | None, limit: int) -> LogLines:
    """Return lines of a training's log after `since`, without it the newest."""
    repository.get(caller.workspace, training_id)
    return log_reading.read_log(caller.workspace, training_id, since, limit)


def tensorboard(caller: Caller, training_id: str) -> TensorBoardFiles:
    """Return the event files that TensorBoard reads."""
    repository.get(caller.workspace, training_id)
    return TensorBoardFiles(data=results.read_tensorboard(caller.workspace, training_id))


def proposed_captions(
    caller: Caller, training_id: str, limit: int, cursor: str | None
) -> TaggedCaptions:
    """Return one page of the captions that the tagger proposed.

    Raises InvalidRequest when the cursor belongs to another list.
    """
    training = repository.get(caller.workspace, training_id).training
    return captions.page(caller.workspace, training, limit, cursor)


def _training(workspace: str, request: NewTraining, plan: Plan) -> Training:
    if plan.faults or plan.fm_type is None or plan.model is None or plan.steps is None:
        count = "One thing" if len(plan.faults) == 1 else f"{len(plan.faults)} things"
        raise Unprocessable(f"{count} must change; nothing was started.", faults=plan.faults)
    training_id = new_id("trn")
    moment = clock.now()
    return Training(
        id=training_id,
        name=request.name,
        status="queued",
        fm_type=plan.fm_type,
        model=plan.model,
        datasets=list(plan.datasets),
        continue_from=plan.continue_from,
        captioning=plan.captioning,
        keep_state=request.spot if request.keep_state is None else request.keep_state,
        early_stop=request.early_stop,
        instance_type=plan.instance.name,
        preset=plan.preset,
        spot=request.spot,
        max_runtime_minutes=plan.max_runtime_minutes,
        config_params=plan.params,
        sample_prompts=list(plan.sample_prompts),
        tags=request.tags,
        steps=plan.steps,
        charge=budget.reserve(
            plan.instance.name, plan.max_runtime_minutes, moment, Settings.load()
        ),
        job_name=launcher.job_name(Settings.load().deployment, workspace, training_id),
        created_at=moment,
        updated_at=moment,
    )


def _job(workspace: str, training: Training) -> Job:
    return Job(
        training_id=training.id,
        training_name=training.name,
        workspace=workspace,
        fm_type=training.fm_type,
        output_name=training.name,
        keeps_state=training.keep_state,
        model=JobModel(model_id=training.model.id, file_name=training.model.file_name),
        datasets=job_datasets(training.datasets, training.config_params),
        config_params=training.config_params,
        init=_init(training.continue_from),
        sample_prompts=training.sample_prompts,
        captioning=training.captioning,
        early_stop=_early_stop(training.early_stop),
    )


def _init(continued: Continued | None) -> JobLora | JobState | None:
    if continued is None:
        return None
    if continued.kind == "state":
        return JobState(training_id=continued.id, output_name=continued.name)
    return JobLora(model_id=continued.id, file_name=continued.file_name or "")


def _early_stop(wanted: EarlyStop | None) -> JobEarlyStop | None:
    return JobEarlyStop.model_validate(wanted.model_dump()) if wanted else None


def _launched(workspace: str, training: Training) -> Training:
    if training.status != "queued":
        return training
    launched = launcher.start(workspace, training)
    if launched.outcome != "refused":
        return training
    failure = failures.refused(launched.reason)
    ending = transitions.Ending(
        status="failed", message=failure.message, failure=failure, frees_name=True
    )
    transitions.end(workspace, training, ending)
    return training.model_copy(update={"status": "failed", "failure": failure})
