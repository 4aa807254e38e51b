"""The routes of trainings."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from lambdas.core import http, revisions
from lambdas.core.caller import CurrentCaller
from lambdas.core.entity_tags import IfNoneMatch
from lambdas.core.http import IdempotencyKey
from lambdas.core.idempotency import Attempt
from lambdas.core.pages import Cursor, Limit, Page
from lambdas.core.revisions import IfMatch
from lambdas.trainings import events, following, service
from lambdas.trainings.captioning_schema import TaggedCaptions
from lambdas.trainings.events import Order
from lambdas.trainings.logs_schema import LogLines, TensorBoardFiles
from lambdas.trainings.offers import TrainingOptions
from lambdas.trainings.results_schema import Checkpoints, Metrics, TrainingEvent, TrainingEventType
from lambdas.trainings.samples_schema import Samples
from lambdas.trainings.schema import NewTraining, Status, Training, TrainingChanges
from lambdas.trainings.validation_schema import TrainingDraft, Validation

app = http.resolver()


@app.post("/trainings/validate", tags=["Trainings"], operation_id="validateTraining")
def validate_training(
    caller: CurrentCaller, body: TrainingDraft, idempotency_key: IdempotencyKey = None
) -> Validation:
    """Check a training and correct its options.

    Starts nothing: every fault at once, warnings apart, what was corrected, the options that would
    be trained with and as TOML, the steps, what it would cost. Send its config_params to
    POST /trainings, which corrects nothing.
    """
    attempt = Attempt.of(caller.workspace, idempotency_key, "POST /trainings/validate", body)
    return service.validate(caller, body, attempt)


@app.post("/trainings", status_code=201, tags=["Trainings"], operation_id="createTraining")
def create_training(
    caller: CurrentCaller, body: NewTraining, idempotency_key: IdempotencyKey = None
) -> Response[Training]:
    """Start a training.

    Send an Idempotency-Key, and a repeat after a lost answer starts no second job.
    """
    attempt = Attempt.of(caller.workspace, idempotency_key, "POST /trainings", body)
    made, replayed = service.create(caller, body, attempt)
    return http.created(app, made, made.id, replayed=replayed)


@app.get("/training-options", tags=["Trainings"], operation_id="getTrainingOptions")
def get_training_options() -> TrainingOptions:
    """Read what a training can be made of.

    Families, instance types with their GPUs and prices, presets with the reason of each default,
    every option with its range, limits.
    """
    return service.training_options()


@app.get("/trainings", tags=["Trainings"], operation_id="listTrainings")
def list_trainings(
    caller: CurrentCaller,
    status: Annotated[Status | None, Query(description="Only trainings that stand so.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Training]:
    """List trainings, newest first.

    All of the workspace, or those of one status.
    """
    return service.page(caller, status, limit, cursor)


@app.get("/trainings/<training_id>", tags=["Trainings"], operation_id="getTraining")
def get_training(
    caller: CurrentCaller,
    training_id: str,
    wait: Annotated[
        int,
        Query(
            ge=0,
            le=following.LONGEST_SECONDS,
            description="Seconds to wait for a change at most; 0: answered at once.",
        ),
    ] = 0,
    if_none_match: IfNoneMatch = None,
) -> Response[Training]:
    """Read a training: its status, progress, failure and LoRA.

    With `wait` it is a long poll: answered as soon as the training's record changes, at the latest
    after so many seconds. Send the ETag of the answer before as `If-None-Match`, and nothing is
    missed in between: what changed meanwhile is answered at once, and 304 says that nothing did.
    Without it a change is one after this request's first read. A training that has ended is
    answered at once. At most 10 requests of a workspace wait at a time; one more is answered at
    once, so keep a pause of some seconds between requests. While it waits, a request costs its
    seconds of Lambda (1 GB: 0.05 dollars an hour) and a read every 2 s, besides a read and two
    writes for its place; a webhook costs nothing until something happens. The ETag goes with
    `If-Match`, too.
    """
    training = following.read(caller, training_id, wait, if_none_match)
    return revisions.tagged(training, training.revision)


@app.patch("/trainings/<training_id>", tags=["Trainings"], operation_id="updateTraining")
def update_training(
    caller: CurrentCaller, training_id: str, body: TrainingChanges, if_match: IfMatch = None
) -> Response[Training]:
    """Change a training's tags.

    Also while it runs. With `If-Match` only as long as nobody else has changed them.
    """
    training = service.change(caller, training_id, body, if_match)
    return revisions.tagged(training, training.revision)


@app.delete(
    "/trainings/<training_id>", status_code=202, tags=["Trainings"], operation_id="deleteTraining"
)
def delete_training(caller: CurrentCaller, training_id: str) -> Training:
    """Delete a training that has ended.

    With its events, logs, metrics, checkpoints, samples and states; the LoRA that it registered
    stays, and says that its training is gone. Refused while it is under way (cancel it first), and
    while another training goes on from its state. It is `deleting` until all is gone, which takes
    some seconds, and can be read until then; its name is free as soon as its removal has begun.
    """
    return service.delete(caller, training_id)


@app.post("/trainings/<training_id>/cancel", tags=["Trainings"], operation_id="cancelTraining")
def cancel_training(
    caller: CurrentCaller, training_id: str, idempotency_key: IdempotencyKey = None
) -> Training:
    """Cancel a training.

    It ends within some minutes; LoRAs that were finished are kept.
    """
    route = f"POST /trainings/{training_id}/cancel"
    attempt = Attempt.of(caller.workspace, idempotency_key, route)
    return service.cancel(caller, training_id, attempt)


@app.get("/trainings/<training_id>/events", tags=["Trainings"], operation_id="listTrainingEvents")
def list_training_events(
    caller: CurrentCaller,
    training_id: str,
    type: Annotated[  # noqa: A002, as the query has it
        TrainingEventType | None, Query(description="Only events of this type.")
    ] = None,
    order: Annotated[
        Order, Query(description="By time: `desc`, the newest first, or `asc`.")
    ] = "desc",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TrainingEvent]:
    """List what happened to a training, the newest first unless `order` says otherwise.

    In the order in which it happened, also where word of it came late.
    """
    return events.page(caller, training_id, type, order, limit, cursor)


@app.get("/trainings/<training_id>/metrics", tags=["Trainings"], operation_id="getTrainingMetrics")
def get_training_metrics(
    caller: CurrentCaller,
    training_id: str,
    since_step: Annotated[int, Query(ge=0, description="Only steps after this one.")] = 0,
    stride: Annotated[
        int, Query(ge=1, le=10_000, description="One row for every so many steps.")
    ] = 1,
    limit: Annotated[int, Query(ge=1, le=5000, description="Rows at most.")] = 1000,
) -> Metrics:
    """Read the loss curve: a row for each step, in order.

    A row may stand for several steps of a fast training.
    """
    return service.metrics(caller, training_id, since_step, stride, limit)


@app.get(
    "/trainings/<training_id>/checkpoints",
    tags=["Trainings"],
    operation_id="listTrainingCheckpoints",
)
def list_training_checkpoints(caller: CurrentCaller, training_id: str) -> Checkpoints:
    """List the LoRAs that are finished so far.

    One for each epoch, to be tried before the training has ended.
    """
    return service.checkpoints(caller, training_id)


@app.get("/trainings/<training_id>/samples", tags=["Trainings"], operation_id="listTrainingSamples")
def list_training_samples(
    caller: CurrentCaller, training_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Samples:
    """List the sample images that are drawn so far, oldest first.

    Each with its prompt and settings, and a download.
    """
    return service.samples(caller, training_id, limit, cursor)


@app.get("/trainings/<training_id>/logs", tags=["Trainings"], operation_id="getTrainingLogs")
def get_training_logs(
    caller: CurrentCaller,
    training_id: str,
    since: Annotated[
        int | None,
        Query(
            ge=0,
            description="Only lines after this one: `next_since` of the answer before, or 0 for "
            "all that are kept; absent: the newest `limit`.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Lines at most.")] = 200,
) -> LogLines:
    """Read what the job prints, while it runs and afterwards.

    Progress bars come every 10 seconds.
    """
    return service.logs(caller, training_id, since, limit)


@app.get(
    "/trainings/<training_id>/tensorboard",
    tags=["Trainings"],
    operation_id="listTrainingTensorBoardFiles",
)
def list_training_tensorboard_files(caller: CurrentCaller, training_id: str) -> TensorBoardFiles:
    """List the event files for TensorBoard.

    Put each at its path below a folder and start `tensorboard --logdir` there.
    """
    return service.tensorboard(caller, training_id)


@app.get(
    "/trainings/<training_id>/captions", tags=["Trainings"], operation_id="listTrainingCaptions"
)
def list_training_captions(
    caller: CurrentCaller, training_id: str, limit: Limit = 50, cursor: Cursor = None
) -> TaggedCaptions:
    """List the captions that the tagger proposed.

    By dataset and file name; empty until a dataset is tagged, and where `captioning` wasn't set.
    """
    return service.proposed_captions(caller, training_id, limit, cursor)


handler = http.handler_of(app)
