"""What can be done with datasets."""

from collections.abc import Sequence

from lambdas.core import clock, pages, queue, repeats, revisions
from lambdas.core.bucket import StoredObject
from lambdas.core.caller import Caller
from lambdas.core.errors import Conflict, Fault, pointer
from lambdas.core.idempotency import Attempt, as_it_stands
from lambdas.core.ids import new_id
from lambdas.core.queue import Task
from lambdas.datasets import buckets, changing, declaring, deleting, images, inserting, repository
from lambdas.datasets.caption_text import etag_of
from lambdas.datasets.images import Image
from lambdas.datasets.library_schema import DatasetChanges
from lambdas.datasets.report_schema import DatasetReport
from lambdas.datasets.schema import (
    Dataset,
    DatasetImage,
    File,
    NewDataset,
    caption_of,
    is_image,
)
from lambdas.datasets.subset_schema import fields_of, filled, subset_of
from lambdas.datasets.uploads_schema import DatasetUploads, FileUpload, MoreUploads

UPLOADS_PER_ANSWER = 500
FINDINGS_PER_ANSWER = 500
_NAMED = 100
_SHOWN = {"id", "name", "size", "width", "height", "mode", "caption"}


def create(caller: Caller, request: NewDataset, attempt: Attempt) -> tuple[DatasetUploads, bool]:
    """Make a dataset and sign its uploads; say whether an earlier attempt had made it.

    Raises Conflict when the name is in use.
    """
    made = attempt.made_before()
    if made is None:
        dataset, files = _draft(request), declaring.declared(request.files)
        made = inserting.insert(caller.workspace, dataset, files, attempt)
        if made is None:
            return _with_uploads(caller, dataset, files), False
    first = made
    return as_it_stands(lambda: _uploads(caller, first, MoreUploads())), True


def get(caller: Caller, dataset_id: str) -> Dataset:
    """Return one dataset, also while it is being deleted."""
    return repository.from_item(repository.item_of(caller.workspace, dataset_id))


def change(
    caller: Caller, dataset_id: str, changes: DatasetChanges, if_match: str | None
) -> Dataset:
    """Change name, description or tags of a dataset.

    What stands as asked already is a retry, and answered as such. Raises PreconditionFailed when
    `if_match` is another ETag than the dataset's, and Conflict when the name is in use.
    """
    dataset = repository.get(caller.workspace, dataset_id).dataset
    asked = changes.asked()
    as_read = revisions.matches(if_match, dataset.revision)
    if asked == dataset.model_dump(include=set(asked)):
        return dataset
    if not as_read:
        raise revisions.stale(dataset.revision)
    expected = None if if_match is None else dataset.revision
    return changing.change(caller.workspace, dataset, asked, expected)


def delete(caller: Caller, dataset_id: str) -> Dataset:
    """Have the worker remove a dataset; one that is being removed is answered as it is.

    Raises Conflict when a training uses it, or a crop of it is being made.
    """
    item = repository.item_of(caller.workspace, dataset_id)
    dataset = repository.from_item(item)
    if "doomed" in item:
        return dataset
    mark = deleting.mark(item)
    if users := deleting.users_of(dataset_id):
        found = deleting.restore(mark)
        if not (found and "doomed" in found):  # they ended, and the worker was quicker
            raise deleting.in_use(caller.workspace, dataset, users)
    queue.send(Task(kind="delete_dataset", workspace=caller.workspace, id=dataset_id))
    return dataset.model_copy(update={"status": "deleting"})


def page(caller: Caller, limit: int, cursor: str | None) -> pages.Page[Dataset]:
    """Return one page of datasets, newest first."""
    scope = "datasets"
    found = repository.page(caller.workspace, limit, pages.from_cursor(scope, cursor))
    return pages.Page(
        data=[repository.from_item(item) for item in found.items],
        next_cursor=pages.to_cursor(scope, found.last.sk if found.last else None),
    )


def uploads(
    caller: Caller, dataset_id: str, request: MoreUploads, attempt: Attempt
) -> DatasetUploads:
    """Sign the uploads of what is missing, leaving files out and declaring more first if asked."""
    return repeats.once(
        attempt,
        lambda: _uploads(caller, dataset_id, request),
        lambda: _uploads(caller, dataset_id, MoreUploads()),
    )


def _uploads(caller: Caller, dataset_id: str, request: MoreUploads) -> DatasetUploads:
    kept = repository.get(caller.workspace, dataset_id)
    dataset = kept.dataset
    files = repository.declared_files(caller.workspace, dataset_id, kept.files_id)
    if request.files or request.remove:
        _must_be_open(dataset)
        before, files = files, declaring.changed(dataset, files, request)
        # First, so that a name that is declared anew can be uploaded; what a crash leaves declared
        # counts as missing then.
        gone = [*request.remove, *_written_captions(before, files, request)]
        repository.delete_uploaded(caller.workspace, dataset, gone)
        dataset = repository.declare(caller.workspace, dataset, kept.files_id, files)
    return _with_uploads(caller, dataset, _missing(caller, dataset, files))


def complete(caller: Caller, dataset_id: str, attempt: Attempt) -> Dataset:
    """Have the worker check what was uploaded; one that is checked or ready is answered as it is.

    Raises Conflict when files are missing.
    """
    return repeats.once(
        attempt,
        lambda: _complete(caller, dataset_id),
        lambda: repository.get(caller.workspace, dataset_id).dataset,
    )


def _complete(caller: Caller, dataset_id: str) -> Dataset:
    kept = repository.get(caller.workspace, dataset_id)
    if kept.dataset.status in {"ready", "validating"}:
        return kept.dataset
    _must_be_open(kept.dataset)
    files = repository.declared_files(caller.workspace, dataset_id, kept.files_id)
    _must_all_be_there(_missing(caller, kept.dataset, files))
    waiting = repository.begin_check(caller.workspace, kept.dataset, kept.files_id)
    queue.send(Task(kind="validate_dataset", workspace=caller.workspace, id=dataset_id))
    return waiting


def report(caller: Caller, dataset_id: str, resolution: int) -> DatasetReport:
    """Return the whole report, and the buckets that the images fall into at a resolution.

    Raises Conflict while there is none.
    """
    kept = repository.get(caller.workspace, dataset_id)
    whole = (
        repository.read_report(caller.workspace, dataset_id, kept.report_id)
        if kept.report_id and kept.dataset.report
        else None
    )
    if whole is None or kept.report_id is None:
        raise Conflict(
            f"The dataset is {kept.dataset.status} and has no report yet. It has one when it is "
            "ready or invalid.",
            code="no_report",
        )
    return DatasetReport(
        **whole.model_dump(exclude={"findings"}),
        findings=whole.findings[:FINDINGS_PER_ANSWER],
        resolution=resolution,
        **buckets.at(resolution, filled(kept.dataset.subsets, whole)),
        download=repository.signed_report(caller.workspace, dataset_id, kept.report_id),
    )


def image_page(
    caller: Caller, dataset_id: str, limit: int, cursor: str | None
) -> pages.Page[DatasetImage]:
    """Return one page of a dataset's images, in the order in which they were declared."""
    dataset = repository.get(caller.workspace, dataset_id).dataset
    scope = f"images of {dataset_id}"
    found = images.page(dataset_id, limit, pages.from_cursor(scope, cursor))
    return pages.Page(
        data=[_shown(caller, dataset, images.from_item(item)) for item in found.items],
        next_cursor=pages.to_cursor(scope, found.last.sk if found.last else None),
    )


def _written_captions(
    before: Sequence[File], files: Sequence[File], request: MoreUploads
) -> list[str]:
    """Return the captions that were written, not declared, and make room for what is declared."""
    known = {file.name for file in before}
    added = {file.name for file in files} - known
    of_removed = {caption_of(name) for name in request.remove if is_image(name)} - known
    return sorted({name for name in added if not is_image(name)} | of_removed)


def _shown(caller: Caller, dataset: Dataset, image: Image) -> DatasetImage:
    return DatasetImage(
        **image.model_dump(include=_SHOWN),
        caption_etag=etag_of(image),
        findings=[*image.findings, *image.caption_findings],
        preview=repository.signed_preview(caller.workspace, dataset, image),
    )


def _draft(request: NewDataset) -> Dataset:
    moment = clock.now()
    return Dataset(
        id=new_id("ds"),
        status="uploading",
        file_count=len(request.files),
        total_bytes=sum(file.size for file in request.files),
        created_at=moment,
        updated_at=moment,
        **request.model_dump(exclude={"files", "prefix"}),
        **fields_of([subset_of(request.prefix)]),
    )


def _with_uploads(caller: Caller, dataset: Dataset, missing: Sequence[File]) -> DatasetUploads:
    signed = [
        FileUpload(name=file.name, upload=repository.signed_upload(caller.workspace, dataset, file))
        for file in missing[:UPLOADS_PER_ANSWER]
    ]
    return DatasetUploads(dataset=dataset, uploads=signed, missing=len(missing))


def _missing(caller: Caller, dataset: Dataset, files: Sequence[File]) -> list[File]:
    there = repository.uploaded(caller.workspace, dataset)
    return [file for file in files if not _is_there(file, there.get(file.name))]


def _is_there(file: File, stored: StoredObject | None) -> bool:
    # A caption may have been written since it was declared.
    return stored is not None and (stored.size == file.size or not is_image(file.name))


def _must_be_open(dataset: Dataset) -> None:
    if dataset.status == "validating":
        raise Conflict(
            "The dataset is being checked. Wait until it is ready or invalid.",
            code="dataset_validating",
            headers={"Retry-After": "5"},
        )
    if dataset.status not in {"uploading", "invalid"}:
        raise Conflict(
            f"The dataset is {dataset.status} and takes no more files. Make a new one.",
            code="dataset_closed",
        )


def _must_all_be_there(missing: Sequence[File]) -> None:
    if missing:
        raise Conflict(
            f"{len(missing)} of the files have not been uploaded. "
            "POST /datasets/{id}/uploads gives fresh URLs for them.",
            code="upload_incomplete",
            faults=[
                Fault(pointer("files", file.name), "not uploaded") for file in missing[:_NAMED]
            ],
        )
