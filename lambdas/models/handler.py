"""The routes of models."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from lambdas.core import http, revisions
from lambdas.core.caller import CurrentCaller
from lambdas.core.http import IdempotencyKey
from lambdas.core.idempotency import Attempt
from lambdas.core.pages import Cursor, Limit, Page
from lambdas.core.revisions import IfMatch
from lambdas.models import importing, service
from lambdas.models.import_schema import ImportModel
from lambdas.models.schema import (
    CompleteModel,
    FmType,
    Model,
    ModelChanges,
    ModelType,
    ModelUploads,
    ModelWithDownload,
    NewModel,
    PartsWanted,
)
from lambdas.models.sidecar_schema import CivitaiInfo, WebuiMetadata
from lambdas.models.upload_schema import UploadState

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


@app.post("/models/import", status_code=201, tags=["Models"], operation_id="importModel")
def import_model(
    caller: CurrentCaller, body: ImportModel, idempotency_key: IdempotencyKey = None
) -> Response[Model]:
    """Import a model.

    From an https link or from the workspace's inbox. Answers at once; the model is `importing`
    until the whole file came and was inspected, and `import` says how far it is. DELETE stops it.
    """
    attempt = Attempt.of(caller.workspace, idempotency_key, "POST /models/import", body)
    made, replayed = importing.begin(caller, body, attempt)
    return http.created(app, made, made.id, replayed=replayed)


@app.get("/models", tags=["Models"], operation_id="listModels")
def list_models(
    caller: CurrentCaller,
    type: Annotated[ModelType | None, Query(description="Only models of this type.")] = None,  # noqa: A002
    fm_type: Annotated[
        FmType | None,
        Query(description="Only ready models of this family; goes with `type`."),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ModelWithDownload]:
    """List models, newest first.

    With a download URL for each that is ready: `?type=lora&fm_type=sd_xl` is what an
    image-generation tool asks for.
    """
    return service.page(caller, type, fm_type, limit, cursor)


@app.get("/models/<model_id>", tags=["Models"], operation_id="getModel")
def get_model(caller: CurrentCaller, model_id: str) -> Response[ModelWithDownload]:
    """Read a model, with a download URL when it is ready.

    The ETag in the answer's headers says how it stands, for `If-Match`.
    """
    model = service.get(caller, model_id)
    return revisions.tagged(model, model.revision)


@app.patch("/models/<model_id>", tags=["Models"], operation_id="updateModel")
def update_model(
    caller: CurrentCaller, model_id: str, body: ModelChanges, if_match: IfMatch = None
) -> Response[ModelWithDownload]:
    """Change a model's name, description or tags.

    With `If-Match` only as long as nobody else has changed it.
    """
    model = service.change(caller, model_id, body, if_match)
    return revisions.tagged(model, model.revision)


@app.delete("/models/<model_id>", status_code=204, tags=["Models"], operation_id="deleteModel")
def delete_model(caller: CurrentCaller, model_id: str) -> Response[None]:
    """Delete a model and its file.

    Refused while a training uses it. Its name is free afterwards.
    """
    service.delete(caller, model_id)
    return Response(status_code=204)


@app.get("/models/<model_id>/civitai-info", tags=["Models"], operation_id="getModelCivitaiInfo")
def get_civitai_info(caller: CurrentCaller, model_id: str) -> CivitaiInfo:
    """Read a model's `.civitai.info`.

    Saved beside the file under its name, it tells WebUI's extensions and ComfyUI's managers base
    model, trigger words and SHA-256.
    """
    return service.sidecars(caller, model_id)[0]


@app.get("/models/<model_id>/webui-metadata", tags=["Models"], operation_id="getModelWebuiMetadata")
def get_webui_metadata(caller: CurrentCaller, model_id: str) -> WebuiMetadata:
    """Read a model's `.json` for WebUI.

    Saved beside the file under its name, it gives WebUI the activation text.
    """
    return service.sidecars(caller, model_id)[1]


@app.get("/models/<model_id>/uploads", tags=["Models"], operation_id="getModelUploads")
def get_model_uploads(caller: CurrentCaller, model_id: str) -> UploadState:
    """Say which parts have arrived.

    What is missing can be asked for with POST, so that an interrupted upload goes on.
    """
    return service.upload_state(caller, model_id)


@app.post("/models/<model_id>/uploads", tags=["Models"], operation_id="createModelUploads")
def create_model_uploads(
    caller: CurrentCaller,
    model_id: str,
    body: PartsWanted,
    idempotency_key: IdempotencyKey = None,
) -> ModelUploads:
    """Ask for uploads.

    Fresh URLs for parts, so that an interrupted upload goes on.
    """
    route = f"POST /models/{model_id}/uploads"
    attempt = Attempt.of(caller.workspace, idempotency_key, route, body)
    return service.uploads(caller, model_id, body.part_numbers, attempt)


@app.post("/models/<model_id>/complete", tags=["Models"], operation_id="completeModel")
def complete_model(
    caller: CurrentCaller,
    model_id: str,
    body: CompleteModel | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Model:
    """Complete a model.

    Joins the parts, those that the body names or, without one, all that have arrived; reads from
    the file's header what it is; then it is `ready`. A file of more than 512 MiB with a `sha256` is
    `checking` first: ask for the model until it is `ready`, or `invalid` and `invalid_reason` says
    why; reading takes some 14 s for each GB. A repeat after a broken connection is safe.
    """
    route = f"POST /models/{model_id}/complete"
    attempt = Attempt.of(caller.workspace, idempotency_key, route, body)
    return service.complete(caller, model_id, body or CompleteModel(), attempt)


handler = http.handler_of(app)
