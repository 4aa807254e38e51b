"""Datasets in the table, their declared and uploaded files in the bucket."""

import json
from collections.abc import Sequence

from lambdas.core import bucket, clock, presign, table
from lambdas.core.attributes import Item
from lambdas.core.bucket import Span
from lambdas.core.errors import Conflict, NotFound, ServiceError
from lambdas.core.idempotency import Attempt
from lambdas.core.ids import looks_like_id, ulid
from lambdas.core.names import name_taken
from lambdas.core.presign import SignedUpload
from lambdas.core.table import Key, Put, Update
from lambdas.datasets.schema import Dataset, File, Report


def key_of(workspace: str, dataset_id: str) -> Key:
    """Return where a dataset's item lies."""
    return Key(f"{workspace}#dataset", dataset_id)


def name_key(workspace: str, name: str) -> Key:
    """Return where the lock on a dataset's name lies; its `id` is the dataset's."""
    return Key(f"{workspace}#dataset#name", name)


def folder_of(workspace: str, dataset_id: str) -> str:
    """Return the prefix under which all that a dataset has lies in the bucket."""
    return f"{workspace}/datasets/{dataset_id}/"


def from_item(item: Item) -> Dataset:
    """Turn a dataset's item into a dataset."""
    return Dataset.model_validate(item)


def get(workspace: str, dataset_id: str) -> tuple[Dataset, str]:
    """Return a dataset and the id of its file list.

    Raises NotFound.
    """
    item = table.get(key_of(workspace, dataset_id)) if looks_like_id(dataset_id, "ds") else None
    if item is None:
        raise NotFound(f"There is no dataset {dataset_id} in this workspace.")
    return from_item(item), str(item["files_id"])


def page(workspace: str, limit: int, after: str | None) -> table.Page:
    """Return one page of datasets, newest first."""
    return table.query(f"{workspace}#dataset", limit=limit, after=after)


def insert(workspace: str, dataset: Dataset, files: Sequence[File], attempt: Attempt) -> str | None:
    """Keep a new dataset: its files first, then the record, name and idempotency as one.

    Returns the id of the dataset that another attempt with the same key made first. Raises Conflict
    when the name is in use. Of this one nothing is left then; where the answer of the database was
    lost, all stays, since it may have been kept.
    """
    files_id = _put_files(workspace, dataset.id, files)
    lock = name_key(workspace, dataset.name)
    key = key_of(workspace, dataset.id)
    item = {"pk": key.pk, "sk": key.sk, "files_id": files_id} | dataset.model_dump(mode="json")
    try:
        made_first = attempt.transact(
            dataset.id,
            Put({"pk": lock.pk, "sk": lock.sk, "id": dataset.id}),
            Put(item),
            taken=name_taken("dataset", dataset.name),
        )
    except ServiceError:
        bucket.delete(_files_key(workspace, dataset.id, files_id))
        raise
    if made_first is not None:
        bucket.delete(_files_key(workspace, dataset.id, files_id))
    return made_first


def declared_files(workspace: str, dataset_id: str, files_id: str) -> list[File]:
    """Return the files that a dataset is to have."""
    body = bucket.read(_files_key(workspace, dataset_id, files_id))
    if body is None:
        raise LookupError(f"the file list of {dataset_id} is gone")
    return [File.model_validate(entry) for entry in json.loads(body)]


def declare_more(workspace: str, dataset: Dataset, files_id: str, files: Sequence[File]) -> Dataset:
    """Replace the list of declared files; the dataset waits for uploads again.

    Raises Conflict when another request changed the dataset meanwhile.
    """
    new_files_id = _put_files(workspace, dataset.id, files)
    changed = dataset.model_copy(
        update={
            "status": "uploading",
            "report": None,
            "file_count": len(files),
            "total_bytes": sum(file.size for file in files),
            "updated_at": clock.now(),
        }
    )
    _replace(workspace, changed, files_id, new_files_id)
    return changed


def uploaded_sizes(workspace: str, dataset: Dataset) -> dict[str, int]:
    """Return the size in bytes of each file that lies in the bucket, by name."""
    prefix = f"{folder_of(workspace, dataset.id)}{dataset.prefix}/"
    return {found.key.removeprefix(prefix): found.size for found in bucket.objects_under(prefix)}


def read_first_bytes(workspace: str, dataset: Dataset, name: str, count: int) -> Span:
    """Return the first bytes of an uploaded file and its whole size."""
    span = bucket.read_span(_upload_key(workspace, dataset, name), 0, count - 1)
    if span is None:
        raise LookupError(f"the file {name} of {dataset.id} is gone")
    return span


def settle(
    workspace: str, dataset: Dataset, files_id: str, report: Report, *, valid: bool
) -> Dataset:
    """Record what `complete` found.

    Raises Conflict when another request changed the dataset meanwhile.
    """
    settled = dataset.model_copy(
        update={
            "status": "ready" if valid else "invalid",
            "report": report,
            "updated_at": clock.now(),
        }
    )
    _replace(workspace, settled, files_id, files_id)
    return settled


def signed_upload(workspace: str, dataset: Dataset, file: File) -> SignedUpload:
    """Sign the upload of one file."""
    return presign.put_once(_upload_key(workspace, dataset, file.name), file.size)


def _upload_key(workspace: str, dataset: Dataset, name: str) -> str:
    return f"{folder_of(workspace, dataset.id)}{dataset.prefix}/{name}"


def _replace(workspace: str, dataset: Dataset, files_id: str, new_files_id: str) -> None:
    changes = dataset.model_dump(
        mode="json", include={"status", "report", "file_count", "total_bytes", "updated_at"}
    )
    assignments = ", ".join(f"#{name} = :{name}" for name in changes)
    values = {"new": new_files_id, "old": files_id, "open": "uploading", "refused": "invalid"}
    try:
        table.write(
            Update(
                key_of(workspace, dataset.id),
                f"SET {assignments}, #files_id = :new",
                changes | values,
                "#files_id = :old AND #status IN (:open, :refused)",
            )
        )
    except table.ConditionFailed as error:
        raise Conflict(
            "Another request changed this dataset at the same moment. Read it and try again.",
            code="changed_meanwhile",
        ) from error


def _put_files(workspace: str, dataset_id: str, files: Sequence[File]) -> str:
    # An id of its own for each list: two requests at once must not write the same object.
    files_id = ulid()
    body = json.dumps([file.model_dump() for file in files], ensure_ascii=False)
    bucket.put(_files_key(workspace, dataset_id, files_id), body.encode())
    return files_id


def _files_key(workspace: str, dataset_id: str, files_id: str) -> str:
    return f"{folder_of(workspace, dataset_id)}files/{files_id}.json"
