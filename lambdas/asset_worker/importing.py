"""The import of a dataset: each of its files copied on S3's side, from where its list says."""

from lambdas.asset_worker import preparing, repository
from lambdas.core.queue import Kind
from lambdas.datasets import repository as datasets
from lambdas.datasets.origin_schema import ImportOrigin
from lambdas.datasets.report_schema import Finding
from lambdas.datasets.schema import DeclaredFile

KIND: Kind = "import_dataset"


def import_files(workspace: str, dataset_id: str, deadline: float) -> None:
    """Copy a dataset's files, or go on with it, until `deadline` (monotonic seconds).

    What has gone or changed since it was listed is left out; the check that follows names it.
    """
    draft = preparing.take(workspace, dataset_id, KIND)
    if draft is None:
        return
    dataset, origin = draft.dataset, draft.dataset.origin
    assert isinstance(origin, ImportOrigin)
    bucket = origin.s3_uri.removeprefix("s3://").partition("/")[0]
    files = datasets.declared_files(workspace, dataset_id, str(draft.lease.item["files_id"]))
    there = datasets.uploaded(workspace, dataset)

    def copy(file: DeclaredFile) -> Finding | None:
        target = datasets.upload_key(workspace, dataset, file.name)
        repository.copy_as_listed(bucket, file, target)
        return None

    missing = [file for file in files if file.name not in there]
    if preparing.do_all(draft, missing, copy, deadline) is not None:
        preparing.hand_over(draft, None)
