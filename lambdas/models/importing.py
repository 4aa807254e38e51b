"""Beginning an import: the address checked by its form, the rest left to the worker."""

from urllib.parse import unquote

from lambdas.core import clock, inbox, queue
from lambdas.core.caller import Caller
from lambdas.core.errors import Fault, Unprocessable, pointer
from lambdas.core.idempotency import Attempt, as_it_stands
from lambdas.core.ids import new_id
from lambdas.core.queue import Task
from lambdas.models import imports, remote_url, repository
from lambdas.models.import_schema import ImportModel, Source
from lambdas.models.progress_schema import ImportProgress
from lambdas.models.schema import Model

_PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")


def begin(caller: Caller, request: ImportModel, attempt: Attempt) -> tuple[Model, bool]:
    """Begin an import; say whether an earlier attempt had.

    Raises Unprocessable for an address that will not do by its form, NotFound for a place in S3
    that is not the workspace's, Conflict when the name is in use.
    """
    made = attempt.made_before()
    if made is None:
        shown, path, source = _source(caller.workspace, request)
        model = _draft(request, shown, path)
        made = imports.insert(caller.workspace, model, source, attempt)
        if made is None:
            queue.send(Task(kind=imports.KIND, workspace=caller.workspace, id=model.id))
            return model, False
    first = made
    return as_it_stands(lambda: repository.get(caller.workspace, first)), True


def _source(workspace: str, request: ImportModel) -> tuple[str, str, Source]:
    """Return what is shown of a source, its path, and what the worker has to know."""
    if request.s3_uri is not None:
        found = inbox.located(workspace, request.s3_uri)
        _must_not_be_a_pickle("s3_uri", found.key)
        return str(found), found.key, Source(bucket=found.bucket, key=found.key, named=True)
    assert request.url is not None
    url = remote_url.download_of(request.url)
    path = unquote(url.target.partition("?")[0])
    _must_not_be_a_pickle("url", path)
    named = request.file_name is not None or imports.file_name_of(path) is not None
    return url.shown, path, Source(url=request.url, named=named)


def _must_not_be_a_pickle(field: str, path: str) -> None:
    if path.lower().endswith(_PICKLES):
        why = (
            "is a pickle by its name, and loading one runs whatever code is in it: take the "
            ".safetensors of the model, or convert it where that does no harm"
        )
        faults = [Fault(pointer(field), why)]
        raise Unprocessable(f"The file {why}.", code="not_safetensors", faults=faults)


def _draft(request: ImportModel, shown: str, path: str) -> Model:
    moment = clock.now()
    told = request.model_dump(include={"name", "type", "description", "tags", "sha256"})
    return Model(
        id=new_id("mdl"),
        status="importing",
        file_name=request.file_name or imports.file_name_of(path) or f"{request.name}.safetensors",
        size=0,
        import_=ImportProgress(source=shown),
        created_at=moment,
        updated_at=moment,
        **told,
    )
