"""The routes of models."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from lambdas.core import http
from lambdas.core.caller import CurrentCaller
from lambdas.core.http import IdempotencyKey
from lambdas.core.idempotency import Attempt
from lambdas.core.pages import Cursor, Limit, Page
from lambdas.models import service
from lambdas.models.schema import (
    CompleteModel,
    Model,
    ModelType,
    ModelUploads,
    ModelWithDownload,
    NewModel,
    PartsWanted,
)

app = http.resolver()


@app.post("/models", status_code=201, tags=["Models"], operation_id="createModel")
def create_model(
    caller: CurrentCaller, body: NewModel, idempotency_key: IdempotencyKey = None
) -> Response[ModelUploads]:
    """Create a model.

    Begins a multipart upload and answers a presigned URL for each part, at most 500.
    """
    attempt = Attempt.of(caller.workspace, idempotency_key, "POST /models", body)
    made, replayed = service.create(caller, body, attempt)
    return http.created(app, made, made.model.id, replayed=replayed)


@app.get("/models", tags=["Models"], operation_id="listModels")
def list_models(
    caller: CurrentCaller,
    type: Annotated[ModelType | None, Query(description="Only models of this type.")] = None,  # noqa: A002
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Model]:
    """List models, newest first."""
    return service.page(caller, type, limit, cursor)


@app.get("/models/<model_id>", tags=["Models"], operation_id="getModel")
def get_model(caller: CurrentCaller, model_id: str) -> ModelWithDownload:
    """Read a model, with a download URL when it is ready."""
    return service.get(caller, model_id)


@app.post("/models/<model_id>/uploads", tags=["Models"], operation_id="createModelUploads")
def create_model_uploads(caller: CurrentCaller, model_id: str, body: PartsWanted) -> ModelUploads:
    """Ask for uploads.

    Fresh URLs for parts, so that an interrupted upload goes on.
    """
    return service.uploads(caller, model_id, body.part_numbers)


@app.post("/models/<model_id>/complete", tags=["Models"], operation_id="completeModel")
def complete_model(caller: CurrentCaller, model_id: str, body: CompleteModel) -> Model:
    """Complete a model.

    Joins the parts and reads from the file's header what it is; then it is `ready`.
    """
    return service.complete(caller, model_id, body)


handler = http.handler_of(app)
