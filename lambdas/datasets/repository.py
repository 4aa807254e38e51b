"""Datasets in the table, their declared and uploaded files in the bucket."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from lambdas.core import bucket, clock, pending, presign, stored, table
from lambdas.core.attributes import Item
from lambdas.core.bucket import StoredObject
from lambdas.core.errors import Conflict, NotFound
from lambdas.core.ids import looks_like_id, ulid
from lambdas.core.presign import SignedDownload, SignedUpload
from lambdas.core.table import ConditionFailed, Key, Update
from lambdas.datasets.images import Image
from lambdas.datasets.report_schema import Report
from lambdas.datasets.schema import Dataset, DeclaredFile, File


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


@dataclass(frozen=True)
class Kept:
    """A dataset with what the API does not show: where its file list and its report lie."""

    dataset: Dataset
    files_id: str
    report_id: str | None


def item_of(workspace: str, dataset_id: str) -> Item:
    """Return a dataset's record, also while it is being deleted.

    Raises NotFound.
    """
    item = table.get(key_of(workspace, dataset_id)) if looks_like_id(dataset_id, "ds") else None
    if item is None:
        raise no_such(dataset_id)
    return item


def get(workspace: str, dataset_id: str) -> Kept:
    """Return a dataset that is not being deleted.

    Raises NotFound.
    """
    item = item_of(workspace, dataset_id)
    if item["status"] == "deleting":
        raise no_such(dataset_id)
    return Kept(from_item(item), str(item["files_id"]), item.get("report_id"))


def no_such(dataset_id: str) -> NotFound:
    """Return the error for a dataset that is not there."""
    return NotFound(f"There is no dataset {dataset_id} in this workspace.")


def use_key(used_id: str, user_id: str) -> Key:
    """Return where it stands that a training, or a crop, uses a dataset."""
    return Key(f"{used_id}#use", user_id)


def page(workspace: str, limit: int, after: str | None) -> table.Page:
    """Return one page of datasets, newest first."""
    return table.query(f"{workspace}#dataset", limit=limit, after=after)


def declared_files(workspace: str, dataset_id: str, files_id: str) -> list[DeclaredFile]:
    """Return the files that a dataset is to have."""
    body = bucket.read(_files_key(workspace, dataset_id, files_id))
    if body is None:
        raise LookupError(f"the file list of {dataset_id} is gone")
    # They were checked when they were declared, and 10,000 checks take a tenth of a second.
    return [DeclaredFile.model_construct(**entry) for entry in json.loads(body)]


def declare(
    workspace: str, dataset: Dataset, files_id: str, files: Sequence[DeclaredFile]
) -> Dataset:
    """Replace the list of declared files; the dataset waits for uploads again.

    Raises Conflict when another request changed the dataset meanwhile, LimitReached when the
    workspace has no room for more.
    """
    new_files_id = put_files(workspace, dataset.id, files)
    changed = dataset.model_copy(
        update={
            "status": "uploading",
            "report": None,
            "file_count": len(files),
            "total_bytes": sum(file.size for file in files),
            "updated_at": clock.now(),
        }
    )
    _replace(workspace, changed, files_id, new_files_id, counts=True)
    return changed


def delete_uploaded(workspace: str, dataset: Dataset, names: Sequence[str]) -> None:
    """Remove files from the bucket; one that is not there does as well."""
    bucket.delete_all([upload_key(workspace, dataset, name) for name in names])


def uploaded(workspace: str, dataset: Dataset) -> dict[str, StoredObject]:
    """Return each file that lies in the bucket, by name."""
    return dict(_lying(workspace, dataset, ""))


def uploaded_after(
    workspace: str, dataset: Dataset, after: str | None, limit: int
) -> dict[str, StoredObject]:
    """Return the next files that lie in the bucket, by name and in the order of the names."""
    start = upload_key(workspace, dataset, after) if after else ""
    return dict(islice(_lying(workspace, dataset, start), limit))


def begin_check(workspace: str, dataset: Dataset, files_id: str) -> Dataset:
    """Have a dataset wait for its check.

    Raises Conflict when another request changed the dataset meanwhile.
    """
    waiting = dataset.model_copy(
        update={"status": "validating", "report": None, "updated_at": clock.now()}
    )
    _replace(workspace, waiting, files_id, files_id, waits=True)
    return waiting


def read_report(workspace: str, dataset_id: str, report_id: str) -> Report | None:
    """Return the whole report of a dataset."""
    body = bucket.read(report_key(workspace, dataset_id, report_id))
    return None if body is None else Report.model_validate_json(body)


def report_key(workspace: str, dataset_id: str, report_id: str) -> str:
    """Return where a report lies."""
    return f"{folder_of(workspace, dataset_id)}reports/{report_id}.json"


def signed_report(workspace: str, dataset_id: str, report_id: str) -> SignedDownload:
    """Sign the download of a whole report."""
    return presign.get(report_key(workspace, dataset_id, report_id), f"{dataset_id}.json")


def signed_preview(workspace: str, dataset: Dataset, image: Image) -> SignedDownload:
    """Sign the way to an image for showing it."""
    return presign.show(upload_key(workspace, dataset, image.name))


def signed_upload(workspace: str, dataset: Dataset, file: File) -> SignedUpload:
    """Sign the upload of one file."""
    return presign.put_once(upload_key(workspace, dataset, file.name), file.size)


def upload_key(workspace: str, dataset: Dataset, name: str) -> str:
    """Return where a file of a dataset lies."""
    return f"{folder_of(workspace, dataset.id)}{dataset.path_of(name)}"


def _lying(workspace: str, dataset: Dataset, after: str) -> Iterator[tuple[str, StoredObject]]:
    """Yield what lies in the dataset's folders, with its name, in the order of the names."""
    place, names = folder_of(workspace, dataset.id), upload_key(workspace, dataset, "")
    for found in bucket.objects_under(names, after=after):
        # Beside several folders lie the lists of files, and reports.
        if dataset.holds(found.key.removeprefix(place)):
            yield found.key.removeprefix(names), found


def _replace(
    workspace: str,
    dataset: Dataset,
    files_id: str,
    new_files_id: str,
    *,
    waits: bool = False,
    counts: bool = False,
) -> None:
    changes = dataset.model_dump(
        mode="json", include={"status", "report", "file_count", "total_bytes", "updated_at"}
    )
    if waits:
        changes |= pending.values("validate_dataset", dataset.id)
    assignments = ", ".join(f"#{name} = :{name}" for name in changes)
    values = {"new": new_files_id, "old": files_id, "open": "uploading", "refused": "invalid"}
    update = Update(
        key_of(workspace, dataset.id),
        f"SET {assignments}, #files_id = :new",
        changes | values,
        "#files_id = :old AND #status IN (:open, :refused)",
    )
    try:
        if counts:
            sizes = stored.changed(workspace, dataset.id, dataset.total_bytes)
            stored.transact([update], sizes)
        else:
            table.transact([update])
    except ConditionFailed as error:
        raise Conflict(
            "Another request changed this dataset at the same moment. Read it and try again.",
            code="changed_meanwhile",
        ) from error


def put_files(
    workspace: str, dataset_id: str, files: Sequence[DeclaredFile], files_id: str | None = None
) -> str:
    """Write the list of a dataset's files; return its id, which is a new one unless given."""
    # An id of its own for each list: two requests at once must not write the same object.
    files_id = files_id or ulid()
    entries = [file.model_dump(exclude_none=True) for file in files]
    body = json.dumps(entries, ensure_ascii=False)
    bucket.put(_files_key(workspace, dataset_id, files_id), body.encode())
    return files_id


def delete_files(workspace: str, dataset_id: str, files_id: str) -> None:
    """Remove the list of a dataset's files, which nothing names."""
    bucket.delete(_files_key(workspace, dataset_id, files_id))


def _files_key(workspace: str, dataset_id: str, files_id: str) -> str:
    return f"{folder_of(workspace, dataset_id)}files/{files_id}.json"
