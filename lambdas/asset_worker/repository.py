"""What the worker reads from the bucket, and writes when it ends its work on a dataset."""

from collections.abc import Sequence

from lambdas.asset_worker.leases import HELD, Lease, Lost
from lambdas.core import bucket, clock, notices, pending, stored, table
from lambdas.core.attributes import Item
from lambdas.core.bucket import Span
from lambdas.core.ids import ulid_of
from lambdas.core.notices import Notice
from lambdas.core.table import ConditionFailed, Delete, Update, Write
from lambdas.datasets import repository as datasets
from lambdas.datasets.origin_schema import CropOrigin
from lambdas.datasets.report_schema import Finding, Report
from lambdas.datasets.repository import report_key
from lambdas.datasets.schema import Dataset, DeclaredFile, is_image

FINDINGS_IN_RECORD = 20


def read(key: str) -> bytes | None:
    """Return a whole file, None when there is none."""
    return bucket.read(key)


def read_first(key: str, count: int) -> Span | None:
    """Return the first bytes of a file and its size, None when there is none."""
    return bucket.read_span(key, 0, count - 1)


def refresh(workspace: str, dataset: Dataset, report_id: str, report: Report, whole: bytes) -> None:
    """Put a report in the place of the one that a dataset has, unless it was checked meanwhile."""
    bucket.put(report_key(workspace, dataset.id, report_id), whole)
    values = {
        "report": report.model_dump(mode="json"),
        "report_id": report_id,
        "status": dataset.status,
        "now": clock.text(clock.now()),
    }
    try:
        table.write(
            Update(
                datasets.key_of(workspace, dataset.id),
                "SET #report = :report, #updated_at = :now",
                values,
                "#report_id = :report_id AND #status = :status",
            )
        )
    except ConditionFailed:
        return


def settle(workspace: str, dataset: Dataset, lease: Lease, report: Report, whole: bytes) -> None:
    """Keep the whole report and end the check: `invalid` with errors, `ready` without.

    What is told of it is written with it. Raises Lost.
    """
    report_id = lease.token
    notice = _notice(workspace, dataset, invalid=report.errors > 0)
    bucket.put(report_key(workspace, dataset.id, report_id), whole)
    values = {
        "lease": lease.token,
        "status": "invalid" if report.errors else "ready",
        "report": report.model_dump(mode="json"),
        "report_id": report_id,
        "now": clock.text(clock.now()),
    }
    try:
        update = Update(
            lease.key,
            "SET #status = :status, #report = :report, #report_id = :report_id, "
            f"#updated_at = :now REMOVE {pending.REMOVE}",
            values,
            HELD,
        )
        table.transact([update, notices.put_of(notice)])
    except ConditionFailed as error:
        raise Lost(f"the check of {dataset.id} was ended by another") from error
    notices.announce(notice)


def _notice(workspace: str, dataset: Dataset, *, invalid: bool) -> Notice:
    return notices.of(workspace, "dataset.invalid" if invalid else "dataset.ready", dataset.id)


def put_image(key: str, data: bytes) -> None:
    """Write an image."""
    bucket.put(key, data, content_type=f"image/{key.rpartition('.')[2].lower()}")


def copy(source: str, target: str) -> None:
    """Copy a file within the bucket."""
    bucket.copy(source, target)


def copy_as_listed(source_bucket: str, file: DeclaredFile, target: str) -> bool:
    """Copy a file that is imported; False when it has gone, or changed, since it was listed."""
    assert file.source is not None
    return bucket.copy(file.source, target, of=source_bucket, etag=file.source_etag or "")


def released(dataset: Dataset) -> list[Write]:
    """Return the writes by which a dataset that is being made no longer uses its original."""
    if not isinstance(dataset.origin, CropOrigin):
        return []
    return [Delete(datasets.use_key(dataset.origin.dataset_id, dataset.id))]


def hand_over(
    workspace: str, dataset: Dataset, lease: Lease, files: Sequence[DeclaredFile] | None
) -> None:
    """Have a dataset that was made wait for its check. Raises Lost."""
    changes = {"status": "validating"} | pending.values("validate_dataset", dataset.id)
    _end(workspace, dataset, lease, files, changes)


def refuse(
    workspace: str,
    dataset: Dataset,
    lease: Lease,
    files: Sequence[DeclaredFile] | None,
    found: Sequence[Finding],
) -> None:
    """End the making of a dataset: `invalid`, with a report of what was found. Raises Lost."""
    images = sum(is_image(file.name) for file in files or [])
    captions = len(files or []) - images
    whole = Report(images=images, captions=captions, errors=len(found), findings=list(found))
    bucket.put(report_key(workspace, dataset.id, lease.token), whole.model_dump_json().encode())
    in_record = whole.model_copy(update={"findings": whole.findings[:FINDINGS_IN_RECORD]})
    changes = {
        "status": "invalid",
        "report": in_record.model_dump(mode="json"),
        "report_id": lease.token,
    }
    notice = _notice(workspace, dataset, invalid=True)
    _end(workspace, dataset, lease, files, changes, notices.put_of(notice))
    notices.announce(notice)


def _declared(workspace: str, dataset: Dataset, files: Sequence[DeclaredFile]) -> Item:
    return {
        # The same at each try, so that what a crash left is written over.
        "files_id": datasets.put_files(workspace, dataset.id, files, ulid_of(dataset.id)),
        "file_count": len(files),
        "total_bytes": sum(file.size for file in files),
    }


def _end(
    workspace: str,
    dataset: Dataset,
    lease: Lease,
    files: Sequence[DeclaredFile] | None,
    changes: Item,
    *others: Write,
) -> None:
    changes = changes | {"updated_at": clock.text(clock.now())}
    counted: list[Write] = []
    if files is not None:
        declared = _declared(workspace, dataset, files)
        counted = stored.settled(workspace, dataset.id, declared["total_bytes"])
        changes |= declared
    assignments = ", ".join(f"#{name} = :{name}" for name in changes)
    removed = ", ".join(f"#{name}" for name in pending.ATTRIBUTES if name not in changes)
    values = {"lease": lease.token} | changes
    try:
        table.transact(
            [
                Update(lease.key, f"SET {assignments} REMOVE {removed}", values, HELD),
                *released(dataset),
                *counted,
                *others,
            ]
        )
    except ConditionFailed as error:
        raise Lost(f"the making of {dataset.id} was ended by another") from error
