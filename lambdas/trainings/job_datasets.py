"""Where a job finds the datasets of a training, and how they lie in sd-scripts' own."""

from collections.abc import Mapping, Sequence
from typing import Any

from lambdas.trainings.dataset_groups import group, of_kind
from lambdas.trainings.job_schema import JobDataset
from lambdas.trainings.schema import DatasetUsed


def channels_of(datasets: Sequence[DatasetUsed]) -> Mapping[str, str]:
    """Return the channel of each dataset by its id; one that stands twice is brought once."""
    each = dict.fromkeys(dataset.id for dataset in datasets)
    return {dataset_id: f"dataset_{index:02d}" for index, dataset_id in enumerate(each)}


def job_datasets(datasets: Sequence[DatasetUsed], params: Mapping[str, Any]) -> list[JobDataset]:
    """Return the folders that the job trains on, those of one dataset of sd-scripts together."""
    channels = channels_of(datasets)
    members = [
        (datasets[index], one.options) for one in group(datasets, params) for index in one.members
    ]
    return [
        JobDataset(
            channel=channels[dataset.id],
            dataset_id=dataset.id,
            folder=dataset.folder,
            subset=dataset.subset,
            repeats=dataset.repeats,
            subject=dataset.subject,
            caption_policy=dataset.caption_policy,
            regularisation=dataset.regularisation,
            options=of_kind("subset", dataset.options),
            dataset_options=options,
        )
        for dataset, options in members
    ]
