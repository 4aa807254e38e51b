"""What can be done with models."""

from collections.abc import Iterable

from lambdas.core import clock, pages
from lambdas.core.caller import Caller
from lambdas.core.errors import Conflict, Fault, Unprocessable
from lambdas.core.idempotency import Attempt
from lambdas.core.ids import new_id
from lambdas.models import inspection, repository
from lambdas.models.safetensors import NotSafetensors
from lambdas.models.schema import (
    CompleteModel,
    Model,
    ModelType,
    ModelUploads,
    ModelWithDownload,
    NewModel,
    Reason,
    Upload,
    part_size_for,
)

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
    model, upload_or_none = repository.get_upload(caller.workspace, made)
    return _replayed(caller, model, upload_or_none), True


def get(caller: Caller, model_id: str) -> ModelWithDownload:
    """Return one model with a download URL when it is ready."""
    model = repository.get(caller.workspace, model_id)
    ready = model.status == "ready"
    download = repository.signed_download(caller.workspace, model) if ready else None
    return ModelWithDownload(**model.model_dump(), download=download)


def page(
    caller: Caller, model_type: ModelType | None, limit: int, cursor: str | None
) -> pages.Page[Model]:
    """Return one page of models, newest first, of one type if asked."""
    scope = f"models:{model_type}"
    found = repository.page(caller.workspace, model_type, limit, pages.from_cursor(scope, cursor))
    return pages.Page(
        data=[repository.from_item(item) for item in found.items],
        next_cursor=pages.to_cursor(scope, found.last.sk if found.last else None),
    )


def uploads(caller: Caller, model_id: str, part_numbers: Iterable[int]) -> ModelUploads:
    """Sign parts anew, or parts beyond the first 500."""
    model, upload = repository.get_upload(caller.workspace, model_id)
    if upload is None:
        raise _closed(model)
    count = upload.part_count(model.size)
    faults = [
        Fault(f"/part_numbers/{index}", f"this upload has parts 1 to {count}")
        for index, number in enumerate(part_numbers)
        if number > count
    ]
    if faults:
        raise Unprocessable("Some part numbers do not exist.", faults=faults)
    return _with_parts(caller, model, upload, part_numbers)


def complete(caller: Caller, model_id: str, request: CompleteModel) -> Model:
    """Join the parts and see what the file is; a model that is ready is answered as it is.

    Raises Unprocessable when the file is not what it should be: the model is `invalid` then.
    """
    model, upload = repository.get_upload(caller.workspace, model_id)
    if model.status == "ready":
        return model
    if upload is None:
        raise _closed(model)
    _must_be_all_parts(request, upload.part_count(model.size))
    repository.join_parts(caller.workspace, model, upload, request.parts)
    settled = _inspected(caller, model)
    repository.settle(caller.workspace, settled)
    if settled.invalid_reason:
        raise _refusal(settled, settled.invalid_reason)
    return settled


def _must_be_all_parts(request: CompleteModel, count: int) -> None:
    given = sorted(part.part_number for part in request.parts)
    if given != list(range(1, count + 1)):
        raise Unprocessable(
            f"This upload has {count} parts: name each once, with its ETag.",
            code="parts_refused",
            faults=[Fault("/parts", f"must name the parts 1 to {count}, each once")],
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


def _inspected(caller: Caller, model: Model) -> Model:
    try:
        header = repository.read_header(repository.file_key(caller.workspace, model))
    except NotSafetensors as error:
        return _invalid(model, error.code, str(error))
    found = inspection.inspect(header)
    if found.type != model.type:
        return _invalid(
            model,
            "wrong_type",
            f"This was uploaded as {model.type} and is {found.type or 'unknown'}.",
        )
    return model.model_copy(
        update={
            "status": "ready",
            "fm_type": found.fm_type,
            "header": found.facts,
            "updated_at": clock.now(),
        }
    )


def _invalid(model: Model, code: str, message: str) -> Model:
    return model.model_copy(
        update={
            "status": "invalid",
            "invalid_reason": Reason(code=code, message=message),
            "updated_at": clock.now(),
        }
    )


def _refusal(model: Model, reason: Reason) -> Unprocessable:
    return Unprocessable(
        f"{model.file_name} will not do. {reason.message} Its name is free again: make the model "
        "anew with POST /models once the file is right.",
        code=reason.code,
        faults=[Fault("/parts", reason.message)],
    )


def _closed(model: Model) -> Conflict:
    return Conflict(
        f"The upload of this model has ended: it is {model.status}. Make a new model to upload "
        "another file.",
        code="upload_closed",
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


def _with_parts(
    caller: Caller, model: Model, upload: Upload, part_numbers: Iterable[int]
) -> ModelUploads:
    return ModelUploads(
        model=model,
        part_size=upload.part_size,
        part_count=upload.part_count(model.size),
        parts=[
            repository.signed_part(caller.workspace, model, upload, number)
            for number in part_numbers
        ],
    )
