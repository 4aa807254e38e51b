"""The import of a model: looked at, moved part by part, joined, inspected; killed anywhere.

The upload and its parts in S3 are the state. Whoever takes the work on sees which parts are there
and goes on behind them.
"""

from dataclasses import dataclass, replace

from lambdas.asset_worker import copying, fetching, leases, model_ends
from lambdas.asset_worker.leases import HELD, Lost
from lambdas.asset_worker.model_imports import Found, Import, Progress, Refused, TimeIsOver
from lambdas.core import bucket, clock, multipart, queue, stored
from lambdas.core.errors import LimitReached, Unavailable, Unprocessable
from lambdas.core.multipart import UploadGone
from lambdas.core.observability import logger
from lambdas.core.queue import Task
from lambdas.core.table import Check, ConditionFailed
from lambdas.models import checks, repository, verdict
from lambdas.models.imports import KIND, file_name_of
from lambdas.models.safetensors import NotSafetensors
from lambdas.models.schema import Model, Upload

MOST_ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 30
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Joined:
    """The whole file in its place; `digest` is its SHA-256 where it came by here."""

    one: Import
    digest: str | None


def run(workspace: str, model_id: str, deadline: float) -> None:
    """Import a model, or go on with it, until `deadline` (monotonic seconds).

    Nothing happens where another worker is at it or it is done; what is left of a model that was
    deleted meanwhile is cleared away.
    """
    lease = leases.take(repository.key_of(workspace, model_id), KIND)
    if lease is None:
        model_ends.clear_if_gone(workspace, model_id)
        return
    one = Import.of(workspace, lease, deadline)
    try:
        model_ends.settle(workspace, lease, _ended(one))
    except TimeIsOver:
        leases.give_back(lease)
        queue.send(Task(kind=KIND, workspace=workspace, id=model_id))
    except Unavailable as error:
        _try_again_later(one, error)
    except (Lost, UploadGone):
        model_ends.clear_if_gone(workspace, model_id)
        raise


def _ended(one: Import) -> Model:
    """Return the model as it is when the import has ended."""
    try:
        _must_be_worth_it(one)
        looked_at = _looked_at(one)
        if looked_at.source.size is not None:
            _must_have_room(looked_at, looked_at.source.size)
        return _inspected(_joined(looked_at))
    except (Refused, NotSafetensors) as error:
        return verdict.invalid(one.model, error.code, str(error))
    except (Unprocessable, LimitReached) as error:
        return verdict.invalid(one.model, error.code, error.detail)


def _must_be_worth_it(one: Import) -> None:
    if one.lease.attempts >= MOST_ATTEMPTS:
        raise Refused(
            "import_failed",
            f"The import broke off {MOST_ATTEMPTS} times without getting further. Try again later, "
            "or upload the file.",
        )
    if clock.now() - one.model.created_at > repository.UPLOAD_LIFE:
        days = repository.UPLOAD_LIFE.days
        raise Refused("import_expired", f"It did not end within {days} days, and was given up.")


def _try_again_later(one: Import, error: Unavailable) -> None:
    tries = leases.tries(one.lease)
    logger.info("the source is not to be had for now", code=error.code, tries=tries)
    if tries >= MOST_ATTEMPTS:
        given_up = verdict.invalid(one.model, error.code, error.detail)
        model_ends.settle(one.workspace, one.lease, given_up)
        return
    leases.put_off(one.lease, FIRST_PAUSE_SECONDS * 2**tries)


def _looked_at(one: Import) -> Import:
    if one.source.looked_at:
        return one
    found = fetching.look(one) if one.source.url else copying.look(one)
    told = {"looked_at": True, **{name: getattr(found, name) for name in _OF_SOURCE}}
    return one.kept(model=_as_found(one, found), source=one.source.model_copy(update=told))


_OF_SOURCE = ("size", "etag", "resumable")


def _as_found(one: Import, found: Found) -> Model:
    model, progress = one.model, one.model.import_
    assert progress
    name = file_name_of(found.file_name or "") if not one.source.named else None
    return model.model_copy(
        update={
            "file_name": name or model.file_name,
            "size": found.size or 0,
            "sha256": model.sha256 or found.sha256,
            "import_": progress.model_copy(update={"bytes_total": found.size}),
        }
    )


def _must_have_room(one: Import, size: int) -> None:
    """Count the file. Raises LimitReached and Lost."""
    sizes = stored.changed(one.workspace, one.model.id, size)
    if sizes.added == 0:
        return
    # Else it would be counted when it is deleted already.
    held = Check(one.lease.key, HELD, {"lease": one.lease.token})
    try:
        stored.transact([held], sizes)
    except ConditionFailed as error:
        raise Lost(f"the import of {one.model.id} is another's") from error


def _joined(one: Import) -> Joined:
    """Move what is missing and make one object of the parts."""
    one = _with_upload(one)
    assert one.upload
    stored = bucket.parts_of_upload(one.key, one.upload.upload_id)
    if stored is None and bucket.read_span(one.key, 0, 0) is not None:
        return Joined(one, None)
    if stored is None:  # given up by S3
        one, stored = _with_upload(replace(one, upload=None)), []
    if one.source.url:
        one = fetching.start(one)
        parts, digest = fetching.move(one, stored)
    else:
        parts, digest = copying.move(one, stored), None
    assert one.upload
    repository.join_parts(one.workspace, one.model, one.upload, parts)
    return Joined(one, digest)


def _with_upload(one: Import) -> Import:
    if one.upload:
        return one
    size = fetching.part_size(one) if one.source.url else copying.PART_SIZE
    upload = Upload(
        upload_id=multipart.begin(one.key),
        part_size=size,
        expires_at=one.model.created_at + repository.UPLOAD_LIFE,
    )
    return one.kept(upload=upload)


def _inspected(joined: Joined) -> Model:
    one = joined.one
    header = repository.read_header(one.key)
    digest, size = _digest(joined)
    if one.source.size is None:  # its source did not tell
        _must_have_room(one, size)
    model = verdict.of(one.model, header, digest)
    assert model.import_
    whole = model.import_.model_copy(update={"bytes_done": size, "bytes_total": size})
    model = model.model_copy(update={"size": size, "import_": whole})
    # Of a large copy that nobody told a digest of, none is reckoned.
    wanted = digest is None and (one.source.url is not None or model.sha256 is not None)
    return checks.waiting(model) if wanted and model.status == "ready" else model


def _digest(joined: Joined) -> tuple[str | None, int]:
    """Return the SHA-256, read from S3 where not all bytes came by here, and the size.

    None where it is too large to be read by the way.
    """
    one = joined.one
    with bucket.opened(one.key) as stream:
        if stream is None:
            raise UploadGone(f"the file of {one.model.id} is gone")
        size = stream.total_size
        if joined.digest or size > checks.MOST_BYTES_HASHED:
            return joined.digest, size
        progress = Progress(one.tell)
        while stream.read(_CHUNK):
            progress.tell(size)
        return stream.digest_of_all(), size
