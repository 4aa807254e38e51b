"""What the check of a dataset reads from the bucket and writes when it ends."""

from lambdas.asset_worker.leases import HELD, Lease, Lost
from lambdas.core import bucket, clock, pending, table
from lambdas.core.bucket import Span
from lambdas.core.table import ConditionFailed, Update
from lambdas.datasets.report_schema import Report
from lambdas.datasets.repository import report_key
from lambdas.datasets.schema import Dataset


def read(key: str) -> bytes | None:
    """Return a whole file, None when there is none."""
    return bucket.read(key)


def read_first(key: str, count: int) -> Span | None:
    """Return the first bytes of a file and its size, None when there is none."""
    return bucket.read_span(key, 0, count - 1)


def settle(workspace: str, dataset: Dataset, lease: Lease, report: Report, whole: bytes) -> None:
    """Keep the whole report and end the check: `invalid` with errors, `ready` without.

    Raises Lost.
    """
    report_id = lease.token
    bucket.put(report_key(workspace, dataset.id, report_id), whole)
    values = {
        "lease": lease.token,
        "status": "invalid" if report.errors else "ready",
        "report": report.model_dump(mode="json"),
        "report_id": report_id,
        "now": clock.text(clock.now()),
    }
    try:
        table.write(
            Update(
                lease.key,
                "SET #status = :status, #report = :report, #report_id = :report_id, "
                f"#updated_at = :now REMOVE {pending.REMOVE}",
                values,
                HELD,
            )
        )
    except ConditionFailed as error:
        raise Lost(f"the check of {dataset.id} was ended by another") from error
