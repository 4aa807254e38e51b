"""Importing folders from S3: looked through at once, copied by the worker."""

from functools import partial
from itertools import islice

from lambdas.core import bucket, clock, queue
from lambdas.core.caller import Caller
from lambdas.core.errors import Fault, Unprocessable
from lambdas.core.idempotency import Attempt, as_it_stands
from lambdas.core.ids import new_id
from lambdas.core.queue import Task
from lambdas.datasets import folders, inserting, repository
from lambdas.datasets.folders import Sorted
from lambdas.datasets.library_schema import Imported, NewImport
from lambdas.datasets.origin_schema import ImportOrigin
from lambdas.datasets.places import Place, place_of
from lambdas.datasets.schema import Dataset
from lambdas.datasets.subset_schema import fields_of

MOST_LOOKED_AT = 50_000


def import_folder(caller: Caller, request: NewImport, attempt: Attempt) -> tuple[Imported, bool]:
    """Have the worker make a dataset of a place's folders; say whether an earlier attempt had.

    Raises NotFound for a place that the workspace may not import from, Unprocessable for files
    that will not do, Conflict when the name is in use.
    """
    made = attempt.made_before()
    if made is None:
        place = place_of(caller.workspace, request.s3_uri)
        found = folders.sort(place, _stored(place), request.prefix)
        dataset = _draft(request, found)
        made = inserting.insert(
            caller.workspace, dataset, found.files, attempt, waits_for="import_dataset"
        )
        if made is None:
            task = Task(kind="import_dataset", workspace=caller.workspace, id=dataset.id)
            queue.send(task)
            return Imported(dataset=dataset, passed_over=found.passed_over), False
    kept = as_it_stands(partial(repository.get, caller.workspace, made))
    return Imported(dataset=kept.dataset, passed_over=0), True


def _stored(place: Place) -> list[bucket.StoredObject]:
    listed = bucket.objects_under(place.key, of=place.bucket)
    found = list(islice(listed, MOST_LOOKED_AT + 1))
    if len(found) > MOST_LOOKED_AT:
        raise Unprocessable(
            f"Over {MOST_LOOKED_AT} files lie in {place.uri}.",
            faults=[Fault("/s3_uri", "name a folder that has fewer: one of those in it, say")],
        )
    return found


def _draft(request: NewImport, found: Sorted) -> Dataset:
    moment = clock.now()
    return Dataset(
        id=new_id("ds"),
        name=request.name,
        description=request.description,
        status="preparing",
        **fields_of(found.subsets),
        caption_policy=request.caption_policy,
        file_count=len(found.files),
        total_bytes=sum(file.size for file in found.files),
        origin=ImportOrigin(s3_uri=found.place.uri),
        created_at=moment,
        updated_at=moment,
    )
