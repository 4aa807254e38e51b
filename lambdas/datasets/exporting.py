"""The manifest of a dataset, a page at a time."""

from lambdas.core import pages, presign, table
from lambdas.core.bucket import StoredObject
from lambdas.core.caller import Caller
from lambdas.core.table import Key
from lambdas.datasets import images, repository
from lambdas.datasets.images import Image
from lambdas.datasets.library_schema import DatasetExport, ExportedFile
from lambdas.datasets.schema import Dataset, is_image

_KEYS_AT_ONCE = 100


def page(caller: Caller, dataset_id: str, limit: int, cursor: str | None) -> DatasetExport:
    """Return one page of a dataset's files, in the order of their names, with downloads."""
    kept = repository.get(caller.workspace, dataset_id)
    dataset = kept.dataset
    declared = {
        file.name: file.id
        for file in repository.declared_files(caller.workspace, dataset_id, kept.files_id)
    }
    scope = f"export of {dataset_id}"
    found = repository.uploaded_after(
        caller.workspace, dataset, pages.from_cursor(scope, cursor), limit
    )
    # What was declared no longer but arrived late is none of the dataset's.
    files = {name: stored for name, stored in found.items() if name in declared}
    digests = _digests(dataset_id, [declared[name] for name in files if is_image(name)])
    return DatasetExport(
        dataset=dataset,
        data=[
            _exported(dataset, name, stored, digests.get(declared[name]))
            for name, stored in files.items()
        ],
        next_cursor=pages.to_cursor(scope, list(found)[-1] if len(found) == limit else None),
    )


def _exported(
    dataset: Dataset, name: str, stored: StoredObject, seen: tuple[str, str | None] | None
) -> ExportedFile:
    etag, sha256 = seen or ("", None)
    return ExportedFile(
        path=dataset.path_of(name),
        size=stored.size,
        etag=stored.etag,
        sha256=sha256 if etag == stored.etag else None,
        download=presign.get(stored.key, name.rpartition("/")[2]),
    )


def _digests(dataset_id: str, ids: list[str]) -> dict[str, tuple[str, str | None]]:
    """Return ETag and SHA-256 of the images that were checked, by their ids."""
    keys = [Key(images.partition_of(dataset_id), one) for one in ids]
    found: dict[str, Image] = {}
    for first in range(0, len(keys), _KEYS_AT_ONCE):
        some = table.batch_get(keys[first : first + _KEYS_AT_ONCE])
        found |= {key.sk: images.from_item(item) for key, item in some.items()}
    return {one: (image.etag, image.sha256) for one, image in found.items()}
