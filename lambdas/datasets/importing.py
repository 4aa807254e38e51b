"""Importing folders from S3: looked through at once, copied by the worker."""

from collections.abc import Sequence
from functools import partial
from itertools import islice

from lambdas.core import bucket, clock, queue
from lambdas.core.caller import Caller
from lambdas.core.errors import Fault, Unprocessable
from lambdas.core.idempotency import Attempt, as_it_stands
from lambdas.core.ids import new_ids
from lambdas.core.names import check_name
from lambdas.core.queue import Task
from lambdas.datasets import folders, inserting, repository
from lambdas.datasets.folders import Folder
from lambdas.datasets.library_schema import Imports, NewImport
from lambdas.datasets.origin_schema import ImportOrigin
from lambdas.datasets.places import Place, place_of
from lambdas.datasets.schema import Dataset

MOST_LOOKED_AT = 50_000


def import_folder(caller: Caller, request: NewImport, attempt: Attempt) -> tuple[Imports, bool]:
    """Have the worker make a dataset of each folder; say whether an earlier attempt had.

    Raises NotFound for a place that the workspace may not import from, Unprocessable for files
    that will not do, Conflict when a name is in use.
    """
    made = attempt.made_before()
    if made is None:
        place = place_of(caller.workspace, request.s3_uri)
        found = folders.sort(place, _stored(place), request.prefix)
        datasets = _drafts(request, found.folders)
        made = inserting.insert_all(
            caller.workspace,
            [(one, folder.files) for one, folder in zip(datasets, found.folders, strict=True)],
            attempt,
            waits_for="import_dataset",
        )
        if made is None:
            for one in datasets:
                queue.send(Task(kind="import_dataset", workspace=caller.workspace, id=one.id))
            return Imports(datasets=datasets, passed_over=found.passed_over), False
    again = [
        as_it_stands(partial(repository.get, caller.workspace, one)).dataset for one in made.split()
    ]
    return Imports(datasets=again, passed_over=0), True


def _stored(place: Place) -> list[bucket.StoredObject]:
    listed = bucket.objects_under(place.key, of=place.bucket)
    found = list(islice(listed, MOST_LOOKED_AT + 1))
    if len(found) > MOST_LOOKED_AT:
        raise Unprocessable(
            f"Over {MOST_LOOKED_AT} files lie in {place.uri}.",
            faults=[Fault("/s3_uri", "name a folder that has fewer: one of those in it, say")],
        )
    return found


def _drafts(request: NewImport, found: Sequence[Folder]) -> list[Dataset]:
    names = _names(request.name, found)
    ids = new_ids("ds", len(found))
    return [
        _draft(request, identifier, name, folder)
        for identifier, name, folder in zip(ids, names, found, strict=True)
    ]


def _names(name: str, found: Sequence[Folder]) -> list[str]:
    """Return a name for each folder: the one that was given, with the folder's if there are more.

    Raises Unprocessable where that makes it too long.
    """
    if len(found) == 1:
        return [name]
    names = [_name(name, folder.prefix, number) for number, folder in enumerate(found, 1)]
    if max(map(len, names)) > 63:
        raise Unprocessable(
            "The datasets' names would be too long.",
            faults=[Fault("/name", "at most 60 characters where several folders are imported")],
        )
    return names


def _name(name: str, prefix: str, number: int) -> str:
    try:
        return check_name(f"{name}-{prefix}")
    except ValueError:
        return f"{name}-{number}"


def _draft(request: NewImport, identifier: str, name: str, folder: Folder) -> Dataset:
    repeats, _, subject = folder.prefix.partition("_")
    moment = clock.now()
    return Dataset(
        id=identifier,
        name=name,
        description=request.description,
        status="preparing",
        prefix=folder.prefix,
        repeats=int(repeats),
        subject=subject,
        caption_policy=request.caption_policy,
        file_count=len(folder.files),
        total_bytes=sum(file.size for file in folder.files),
        origin=ImportOrigin(s3_uri=folder.place.uri),
        created_at=moment,
        updated_at=moment,
    )
