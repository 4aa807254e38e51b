"""What can be done with models."""

from collections.abc import Iterable
from functools import partial

from lambdas.core import clock, pages, repeats, revisions
from lambdas.core.caller import Caller
from lambdas.core.errors import Conflict, Fault, Unprocessable
from lambdas.core.idempotency import Attempt, as_it_stands
from lambdas.core.ids import new_id
from lambdas.models import completing, deleting, repository, transitions
from lambdas.models.completing import missing_of, still_open
from lambdas.models.schema import (
    CompleteModel,
    FmType,
    Model,
    ModelChanges,
    ModelType,
    ModelUploads,
    ModelWithDownload,
    NewModel,
    Upload,
    part_size_for,
)
from lambdas.models.sidecar_schema import CivitaiInfo, WebuiMetadata
from lambdas.models.sidecars import civitai_info, webui_metadata
from lambdas.models.upload_schema import UploadState

PARTS_PER_ANSWER = 500


def create(caller: Caller, request: NewModel, attempt: Attempt) -> tuple[ModelUploads, bool]:
    """Begin a model's upload and sign its first parts; say whether an earlier attempt had.

    Raises Conflict when the name is in use.
    """
    made = attempt.made_before()
    if made is None:
        model = _draft(request)
        upload = repository.start_upload(caller.workspace, model, part_size_for(model.size))
        made = repository.insert(caller.workspace, model, upload, attempt)
        if made is None:
            return _with_parts(caller, model, upload, _first(model, upload)), False
    first = made
    model, upload_or_none = as_it_stands(lambda: repository.get_upload(caller.workspace, first))
    return _replayed(caller, model, upload_or_none), True


def get(caller: Caller, model_id: str) -> ModelWithDownload:
    """Return one model with a download URL when it is ready."""
    return _with_download(caller, repository.get(caller.workspace, model_id))


def sidecars(caller: Caller, model_id: str) -> tuple[CivitaiInfo, WebuiMetadata]:
    """Return the files that other tools read beside a model.

    Raises Conflict when the model is not ready.
    """
    model = repository.get(caller.workspace, model_id)
    return civitai_info(model), webui_metadata(model)


def change(
    caller: Caller, model_id: str, changes: ModelChanges, if_match: str | None
) -> ModelWithDownload:
    """Change name, description or tags of a model.

    What stands as asked already is a retry, and answered as such. Raises PreconditionFailed when
    `if_match` is another ETag than the model's, and Conflict when the name is in use.
    """
    model = repository.get(caller.workspace, model_id)
    asked = changes.asked()
    as_read = revisions.matches(if_match, model.revision)
    if asked == model.model_dump(include=set(asked)):
        return _with_download(caller, model)
    if not as_read:
        raise revisions.stale(model.revision)
    if model.status in {"invalid", "deleting"}:
        raise Conflict(f"The model is {model.status} and stays as it is.", code="model_closed")
    expected = None if if_match is None else model.revision
    return _with_download(caller, transitions.change(caller.workspace, model, asked, expected))


def delete(caller: Caller, model_id: str) -> None:
    """Remove a model and its file.

    Raises Conflict when a training uses it.
    """
    deleting.delete(caller.workspace, model_id)


def page(
    caller: Caller,
    model_type: ModelType | None,
    fm_type: FmType | None,
    limit: int,
    cursor: str | None,
) -> pages.Page[ModelWithDownload]:
    """Return one page of models, newest first, of one type, or of one type and family, if asked.

    Raises Unprocessable for a family without a type, which no index serves.
    """
    scope, workspace = f"models:{model_type}:{fm_type}", caller.workspace
    after = pages.from_cursor(scope, cursor)
    if fm_type is None:
        found = repository.page(workspace, model_type, limit, after)
    elif model_type is None:
        raise Unprocessable(
            "Models are listed by type, or by type and family.",
            faults=[Fault("query:fm_type", "goes with type only: add type=checkpoint, say")],
        )
    else:
        found = repository.page_of_family(workspace, model_type, fm_type, limit, after)
    return pages.Page(
        data=[_with_download(caller, repository.from_item(item)) for item in found.items],
        next_cursor=pages.to_cursor(scope, found.last.sk if found.last else None),
    )


def uploads(
    caller: Caller, model_id: str, part_numbers: Iterable[int], attempt: Attempt
) -> ModelUploads:
    """Sign parts anew, or parts beyond the first 500."""
    signed = partial(_uploads, caller, model_id, part_numbers)
    return repeats.once(attempt, signed, signed)


def _uploads(caller: Caller, model_id: str, part_numbers: Iterable[int]) -> ModelUploads:
    model, upload_or_none = repository.get_upload(caller.workspace, model_id)
    upload = still_open(model, upload_or_none)
    count = upload.part_count(model.size)
    faults = [
        Fault(f"/part_numbers/{index}", f"this upload has parts 1 to {count}")
        for index, number in enumerate(part_numbers)
        if number > count
    ]
    if faults:
        raise Unprocessable("Some part numbers do not exist.", faults=faults)
    return _with_parts(caller, model, upload, part_numbers)


def complete(caller: Caller, model_id: str, request: CompleteModel, attempt: Attempt) -> Model:
    """Complete an upload, as `completing` does, once for each attempt."""
    return repeats.once(
        attempt,
        lambda: completing.complete(caller, model_id, request),
        lambda: repository.get(caller.workspace, model_id),
    )


def upload_state(caller: Caller, model_id: str) -> UploadState:
    """Say which parts of an upload have arrived, so that it can go on.

    Raises Conflict when it has ended.
    """
    model, upload_or_none = repository.get_upload(caller.workspace, model_id)
    upload = still_open(model, upload_or_none)
    arrived = repository.arrived_parts(caller.workspace, model, upload)
    if arrived is None:
        raise Conflict(
            "S3 has joined the parts of this upload already, or given them up: complete it, which "
            "goes on where it was, or make the model anew.",
            code="upload_closed",
        )
    return UploadState(
        model=model,
        part_size=upload.part_size,
        part_count=upload.part_count(model.size),
        expires_at=upload.expires_at,
        arrived=arrived,
        missing=missing_of(arrived, upload.part_count(model.size)),
    )


def _draft(request: NewModel) -> Model:
    moment = clock.now()
    return Model(
        id=new_id("mdl"),
        fm_type=None,
        status="uploading",
        created_at=moment,
        updated_at=moment,
        **request.model_dump(),
    )


def _first(model: Model, upload: Upload) -> range:
    return range(1, min(PARTS_PER_ANSWER, upload.part_count(model.size)) + 1)


def _replayed(caller: Caller, model: Model, upload: Upload | None) -> ModelUploads:
    if upload is None:
        size = part_size_for(model.size)
        return ModelUploads(
            model=model, part_size=size, part_count=-(-model.size // size), parts=[]
        )
    return _with_parts(caller, model, upload, _first(model, upload))


def _with_download(caller: Caller, model: Model) -> ModelWithDownload:
    ready = model.status == "ready"
    download = repository.signed_download(caller.workspace, model) if ready else None
    return ModelWithDownload(**model.model_dump(), download=download)


def _with_parts(
    caller: Caller, model: Model, upload: Upload, part_numbers: Iterable[int]
) -> ModelUploads:
    return ModelUploads(
        model=model,
        part_size=upload.part_size,
        part_count=upload.part_count(model.size),
        expires_at=upload.expires_at,
        parts=[
            repository.signed_part(caller.workspace, model, upload, number)
            for number in part_numbers
        ],
    )
