"""How much work a plan is, and which images would stop it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.trainings.arithmetic import (
    STEPS_BY_DEFAULT,
    BucketedDataset,
    Layout,
    Sizes,
    Subset,
    depends_on_order,
    lay_out,
    schedule,
)
from lambdas.trainings.buckets import CannotBucket, settings_from
from lambdas.trainings.dataset_groups import Group
from lambdas.trainings.folders import Folder
from lambdas.trainings.schema import MOST_BUCKETS, BucketUsed, DatasetUsed, Steps

Params = Mapping[str, Any]
Known = Sequence[list[list[int]] | None]
"""The sizes of each folder's images with their counts, None where they weren't read."""

_ONE_BUCKET = (
    "The images' sizes weren't read, so all are taken to fall into one bucket; with several "
    "buckets and a batch size over 1 there are a few steps more."
)
_NO_SPLIT = (
    "All images are taken to be trained on and to fall into one bucket, since validation_split "
    "takes some out at random; so there are fewer steps."
)
_NO_ORDER = (
    "Of a regularisation set some images are seen more often than others, by the order of their "
    "names, and are taken in the order of their sizes here: some may be in another bucket, and "
    "with a batch size over 1 there may be a few steps more or less."
)


def misfits(
    datasets: Sequence[DatasetUsed],
    folders: Sequence[Folder],
    groups: Sequence[Group],
    params: Params,
    fm_type: str,
) -> list[Fault]:
    """Return what sd-scripts would stop on: settings of buckets, images that have none."""
    faults = [
        fault
        for group in groups
        for index in group.members
        for fault in _misfit(datasets[index], folders[index], group, params, fm_type)
    ]
    return list(dict.fromkeys(faults))


def reckon(
    datasets: Sequence[DatasetUsed],
    known: Known,
    groups: Sequence[Group],
    params: Params,
    fm_type: str,
    gpus: int,
) -> Steps:
    """Return the work as sd-scripts counts it; a batch never has images of two groups."""
    laid_out = [_lay_out(datasets, known, group, params, fm_type) for group in groups]
    assumptions = list(dict.fromkeys(text for _, text in laid_out if text))
    exact = not {_ONE_BUCKET, _NO_SPLIT} & set(assumptions)
    counted = schedule(
        sum(layout.batches for layout, _ in laid_out),
        gpus=gpus,
        accumulation=params.get("gradient_accumulation_steps", 1),
        max_train_epochs=params.get("max_train_epochs"),
        max_train_steps=params.get("max_train_steps", STEPS_BY_DEFAULT),
    )
    learnt = [one for one in datasets if not one.regularisation]
    return Steps(
        images=sum(one.images for one in learnt),
        samples_per_epoch=sum(one.images * one.repeats for one in learnt),
        regularisation_samples=sum(layout.regularisation_samples for layout, _ in laid_out),
        steps_per_epoch=counted.steps_per_epoch,
        epochs=counted.epochs,
        total_steps=counted.total_steps,
        buckets=_buckets([layout for layout, _ in laid_out]) if exact else [],
        assumption=" ".join(assumptions) or None,
    )


def _misfit(
    dataset: DatasetUsed,
    place: Folder,
    group: Group,
    params: Params,
    fm_type: str,
) -> Iterator[Fault]:
    folder, index = Subset(_sizes(place.sizes), dataset.repeats), place.entry
    try:
        lay_out(BucketedDataset((folder,), settings_from({**params, **group.options}, fm_type)))
    except CannotBucket as refused:
        if refused.option is None:
            yield Fault(pointer("datasets", index, "dataset"), str(refused))
        elif not group.options:
            yield Fault(pointer("config_params", refused.option), str(refused))
        elif not dataset.regularisation:  # the others of the group are told
            yield Fault(pointer("datasets", index, "options", refused.option), str(refused))


def _lay_out(
    datasets: Sequence[DatasetUsed], known: Known, group: Group, params: Params, fm_type: str
) -> tuple[Layout, str | None]:
    """Return how a group lies in its buckets, and what is taken for granted in that."""
    options = {**params, **group.options}
    settings = settings_from(options, fm_type)
    batch_size = options.get("train_batch_size", 1)
    splits = bool(options.get("validation_split"))
    if splits or any(known[index] is None for index in group.members):
        same = [_subset(datasets[one], [[1, 1, datasets[one].images]]) for one in group.members]
        one_bucket = replace(settings, enable_bucket=False)
        layout = lay_out(BucketedDataset(tuple(same), one_bucket, batch_size))
        return layout, _NO_SPLIT if splits else _ONE_BUCKET
    subsets = [_subset(datasets[one], known[one]) for one in group.members]
    bucketed = BucketedDataset(tuple(subsets), settings, batch_size)
    return lay_out(bucketed), _NO_ORDER if depends_on_order(bucketed) else None


def _subset(dataset: DatasetUsed, sizes: list[list[int]] | None) -> Subset:
    return Subset(_sizes(sizes), dataset.repeats, dataset.regularisation)


def _sizes(sizes: list[list[int]] | None) -> tuple[Sizes, ...]:
    return tuple(Sizes(*entry) for entry in sizes or ())


def _buckets(layouts: Sequence[Layout]) -> list[BucketUsed]:
    buckets = [
        BucketUsed(
            resolution=list(one.resolution), images=one.images, samples=one.samples, group=number
        )
        for number, layout in enumerate(layouts)
        for one in layout.buckets
    ]
    fullest = sorted(range(len(buckets)), key=lambda index: -buckets[index].samples)
    return [buckets[index] for index in sorted(fullest[:MOST_BUCKETS])]
