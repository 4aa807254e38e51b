"""Completing an upload: all parts joined, the file read, and what it is written down."""

from collections.abc import Sequence

from lambdas.core.caller import Caller
from lambdas.core.errors import Conflict, Fault, Unprocessable
from lambdas.models import checks, repository, transitions, verdict
from lambdas.models.safetensors import Header, NotSafetensors
from lambdas.models.schema import CompleteModel, Model, Reason, Upload, UploadedPart
from lambdas.models.upload_schema import ArrivedPart

_NAMED = 20


def complete(caller: Caller, model_id: str, request: CompleteModel) -> Model:
    """Join the parts and see what the file is; one that is joined already is answered as it is.

    A large one with a digest to be held to is `checking` then, which the worker ends.

    Raises Conflict when parts are missing, and Unprocessable when the file is not what it should
    be: the model is `invalid` then.
    """
    model, upload_or_none = repository.get_upload(caller.workspace, model_id)
    if model.status in {"checking", "ready"}:
        return model
    upload = still_open(model, upload_or_none)
    parts = _all_parts(caller, model, upload, request)
    if parts is not None:
        repository.join_parts(caller.workspace, model, upload, parts)
    settled = _inspected(caller, model)
    transitions.settle(caller.workspace, settled)
    if settled.invalid_reason:
        raise _refusal(settled, settled.invalid_reason)
    return repository.get(caller.workspace, model_id)


def still_open(model: Model, upload: Upload | None) -> Upload:
    """Return the upload that a model waits for.

    Raises Conflict when it has ended.
    """
    if upload is None or model.status != "uploading":
        raise Conflict(
            f"The upload of this model has ended: it is {model.status}. Make a new model to upload "
            "another file.",
            code="upload_closed",
        )
    return upload


def missing_of(arrived: Sequence[ArrivedPart], count: int) -> list[int]:
    """Return the numbers of the parts that have not arrived."""
    return sorted(set(range(1, count + 1)) - {part.part_number for part in arrived})


def _all_parts(
    caller: Caller, model: Model, upload: Upload, request: CompleteModel
) -> Sequence[UploadedPart] | None:
    """Return every part, as the request names them or else as S3 does; None: they are joined."""
    count = upload.part_count(model.size)
    if request.parts is not None:
        _must_be_all_parts(request.parts, count)
        return request.parts
    arrived = repository.arrived_parts(caller.workspace, model, upload)
    if arrived is None:
        return None
    _must_have_arrived(missing_of(arrived, count), count)
    return [UploadedPart(part_number=part.part_number, etag=part.etag) for part in arrived]


def _must_have_arrived(missing: Sequence[int], count: int) -> None:
    if missing:
        named = ", ".join(map(str, missing[:_NAMED])) + (" …" if len(missing) > _NAMED else "")
        raise Conflict(
            f"{len(missing)} of the {count} parts have not arrived: {named}. GET "
            "/models/{id}/uploads lists them, POST /models/{id}/uploads gives URLs for them.",
            code="upload_incomplete",
        )


def _must_be_all_parts(parts: Sequence[UploadedPart], count: int) -> None:
    given = sorted(part.part_number for part in parts)
    if given != list(range(1, count + 1)):
        raise Unprocessable(
            f"This upload has {count} parts: name each once, with its ETag, or leave them out.",
            code="parts_refused",
            faults=[Fault("/parts", f"must name the parts 1 to {count}, each once")],
        )


def _inspected(caller: Caller, model: Model) -> Model:
    try:
        header, digest = _read(caller, model)
    except NotSafetensors as error:
        return verdict.invalid(model, error.code, str(error))
    seen = verdict.of(model, header, digest)
    unchecked = seen.sha256 is not None and not seen.sha256_checked
    return checks.waiting(seen) if unchecked and seen.status == "ready" else seen


def _read(caller: Caller, model: Model) -> tuple[Header, str | None]:
    """Return a file's header, and its SHA-256 where it is small enough to be read whole."""
    if model.size <= checks.MOST_BYTES_HASHED:
        return repository.read_whole(caller.workspace, model)
    return repository.read_header(repository.file_key(caller.workspace, model)), None


def _refusal(model: Model, reason: Reason) -> Unprocessable:
    return Unprocessable(
        f"{model.file_name} will not do. {reason.message} Its name is free again: make the model "
        "anew with POST /models once the file is right.",
        code=reason.code,
        faults=[Fault("/parts", reason.message)],
    )
