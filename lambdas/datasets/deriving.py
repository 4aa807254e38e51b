"""Datasets that the worker makes: cropped from another one, copied from S3."""

from lambdas.core import clock, queue
from lambdas.core.caller import Caller
from lambdas.core.errors import Conflict
from lambdas.core.idempotency import Attempt, as_it_stands
from lambdas.core.ids import new_id
from lambdas.core.queue import Task
from lambdas.core.table import Check, ConditionFailed, Put
from lambdas.datasets import inserting, repository
from lambdas.datasets.library_schema import NewCrop
from lambdas.datasets.origin_schema import CropOrigin
from lambdas.datasets.schema import Dataset
from lambdas.datasets.subset_schema import fields_of


def crop(
    caller: Caller, source_id: str, request: NewCrop, attempt: Attempt
) -> tuple[Dataset, bool]:
    """Have the worker crop a dataset into a new one; say whether an earlier attempt had.

    Raises Conflict when the name is in use or the dataset is not ready.
    """
    made = attempt.made_before()
    if made is None:
        source = repository.get(caller.workspace, source_id).dataset
        if source.status != "ready":
            raise _not_ready(source.name, source.status)
        dataset = _draft(source, request)
        made = _insert(caller.workspace, source, dataset, attempt)
        if made is None:
            task = Task(kind="crop_dataset", workspace=caller.workspace, id=dataset.id)
            queue.send(task)
            return dataset, False
    first = made
    return as_it_stands(lambda: repository.get(caller.workspace, first).dataset), True


def _insert(workspace: str, source: Dataset, dataset: Dataset, attempt: Attempt) -> str | None:
    use = repository.use_key(source.id, dataset.id)
    try:
        return inserting.insert(
            workspace,
            dataset,
            [],
            attempt,
            # As long as the crop lasts the source can't be deleted.
            Check(repository.key_of(workspace, source.id), "#status = :ready", {"ready": "ready"}),
            Put({"pk": use.pk, "sk": use.sk}),
            waits_for="crop_dataset",
            most_bytes=source.total_bytes,
        )
    except ConditionFailed as error:
        raise _not_ready(source.name, "no longer ready") from error


def _draft(source: Dataset, request: NewCrop) -> Dataset:
    moment = clock.now()
    return Dataset(
        id=new_id("ds"),
        name=request.name,
        description=request.description,
        status="preparing",
        **fields_of(source.subsets),
        caption_policy=source.caption_policy,
        file_count=0,
        total_bytes=0,
        origin=CropOrigin(dataset_id=source.id, resolution=request.resolution, mode=request.mode),
        created_at=moment,
        updated_at=moment,
    )


def _not_ready(name: str, status: str) -> Conflict:
    return Conflict(
        f"{name} is {status}: it can be cropped when it is ready.", code="dataset_not_ready"
    )
