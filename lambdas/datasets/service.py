"""What can be done with datasets."""

from collections.abc import Sequence

from lambdas.core import clock, pages
from lambdas.core.caller import Caller
from lambdas.core.errors import Conflict, Fault, Unprocessable, pointer
from lambdas.core.idempotency import Attempt
from lambdas.core.ids import new_id
from lambdas.datasets import measuring, repository
from lambdas.datasets.measuring import Measured
from lambdas.datasets.schema import (
    MOST_FILES,
    Dataset,
    DatasetUploads,
    File,
    FileUpload,
    MoreUploads,
    NewDataset,
    Report,
    check_files,
    is_image,
    stem_of,
)

UPLOADS_PER_ANSWER = 500
_NAMED = 100


def create(caller: Caller, request: NewDataset, attempt: Attempt) -> tuple[DatasetUploads, bool]:
    """Make a dataset and sign its uploads; say whether an earlier attempt had made it.

    Raises Conflict when the name is in use.
    """
    made = attempt.made_before()
    if made is None:
        dataset = _draft(request)
        made = repository.insert(caller.workspace, dataset, request.files, attempt)
        if made is None:
            return _with_uploads(caller, dataset, request.files), False
    return uploads(caller, made, MoreUploads()), True


def get(caller: Caller, dataset_id: str) -> Dataset:
    """Return one dataset."""
    return repository.get(caller.workspace, dataset_id)[0]


def page(caller: Caller, limit: int, cursor: str | None) -> pages.Page[Dataset]:
    """Return one page of datasets, newest first."""
    scope = "datasets"
    found = repository.page(caller.workspace, limit, pages.from_cursor(scope, cursor))
    return pages.Page(
        data=[repository.from_item(item) for item in found.items],
        next_cursor=pages.to_cursor(scope, found.last.sk if found.last else None),
    )


def uploads(caller: Caller, dataset_id: str, request: MoreUploads) -> DatasetUploads:
    """Sign the uploads of what is missing, declaring more files first where some are given."""
    dataset, files_id = repository.get(caller.workspace, dataset_id)
    files = repository.declared_files(caller.workspace, dataset_id, files_id)
    if request.files:
        _must_be_open(dataset)
        files = _merged(files, request.files)
        dataset = repository.declare_more(caller.workspace, dataset, files_id, files)
    return _with_uploads(caller, dataset, _missing(caller, dataset, files))


def complete(caller: Caller, dataset_id: str) -> Dataset:
    """Check what was uploaded; a dataset that is ready already is answered as it is.

    Raises Conflict when files are missing and Unprocessable when what is there will not do.
    """
    dataset, files_id = repository.get(caller.workspace, dataset_id)
    if dataset.status == "ready":
        return dataset
    _must_be_open(dataset)
    files = repository.declared_files(caller.workspace, dataset_id, files_id)
    _must_all_be_there(_missing(caller, dataset, files))
    measured = measuring.measure(caller.workspace, dataset, files)
    report = _report(files, measured)
    faults = _faults(dataset, report, measured)
    settled = repository.settle(caller.workspace, dataset, files_id, report, valid=not faults)
    if faults:
        raise Unprocessable(_what_to_do(dataset_id, report), code="dataset_invalid", faults=faults)
    return settled


def _draft(request: NewDataset) -> Dataset:
    repeats, _, subject = request.prefix.partition("_")
    moment = clock.now()
    return Dataset(
        id=new_id("ds"),
        status="uploading",
        repeats=int(repeats),
        subject=subject,
        file_count=len(request.files),
        total_bytes=sum(file.size for file in request.files),
        created_at=moment,
        updated_at=moment,
        **request.model_dump(exclude={"files"}),
    )


def _with_uploads(caller: Caller, dataset: Dataset, missing: Sequence[File]) -> DatasetUploads:
    signed = [
        FileUpload(name=file.name, upload=repository.signed_upload(caller.workspace, dataset, file))
        for file in missing[:UPLOADS_PER_ANSWER]
    ]
    return DatasetUploads(dataset=dataset, uploads=signed, missing=len(missing))


def _missing(caller: Caller, dataset: Dataset, files: Sequence[File]) -> list[File]:
    there = repository.uploaded_sizes(caller.workspace, dataset)
    return [file for file in files if there.get(file.name) != file.size]


def _merged(files: Sequence[File], more: Sequence[File]) -> list[File]:
    known = {file.name: file for file in files}
    clashes = [
        Fault(
            f"/files/{index}/size", f"{file.name} was declared with {known[file.name].size} bytes"
        )
        for index, file in enumerate(more)
        if file.name in known and known[file.name].size != file.size
    ]
    if clashes:
        raise Unprocessable(
            "A file that was declared can't change; give the new one another name.", faults=clashes
        )
    merged = list((known | {file.name: file for file in more}).values())
    try:
        check_files(merged)
    except ValueError as error:
        raise Unprocessable(
            "With these files the dataset would not do.", faults=[Fault("/files", str(error))]
        ) from error
    if len(merged) > MOST_FILES:
        raise Unprocessable(f"A dataset has at most {MOST_FILES} files; this makes {len(merged)}.")
    return merged


def _must_be_open(dataset: Dataset) -> None:
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


def _what_to_do(dataset_id: str, report: Report) -> str:
    if report.unreadable_images:
        return (
            "Some files are no images of their kind, and what was uploaded can't be replaced: make "
            "the dataset anew without them or with them mended."
        )
    return (
        "The dataset can't be trained on as it is. Add what is missing with "
        f"POST /datasets/{dataset_id}/uploads and complete it again."
    )


def _report(files: Sequence[File], measured: Measured) -> Report:
    images = sorted(file.name for file in files if is_image(file.name))
    captions = sorted(file.name for file in files if not is_image(file.name))
    image_stems, caption_stems = set(map(stem_of, images)), set(map(stem_of, captions))
    return Report(
        images=len(images),
        captions=len(captions),
        images_without_caption=[one for one in images if stem_of(one) not in caption_stems][
            :_NAMED
        ],
        captions_without_image=[one for one in captions if stem_of(one) not in image_stems][
            :_NAMED
        ],
        unreadable_images=sorted(measured.unreadable)[:_NAMED],
        sizes=measured.sizes,
    )


def _faults(dataset: Dataset, report: Report, measured: Measured) -> list[Fault]:
    if report.images == 0:
        return [Fault("/files", "no image among the files: add at least one")]
    unreadable = [
        Fault(pointer("files", name), measured.unreadable[name])
        for name in report.unreadable_images
    ]
    return unreadable + (_uncaptioned(report) if dataset.caption_policy == "required" else [])


def _uncaptioned(report: Report) -> list[Fault]:
    return [
        Fault(
            pointer("files", name),
            f"has no caption: upload {stem_of(name)}.txt, train with captioning, or make the "
            "dataset with caption_policy subject or empty",
        )
        for name in report.images_without_caption
    ]
