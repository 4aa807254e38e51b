"""Where a job finds the datasets of a training, and how they lie in sd-scripts' own."""

from collections.abc import Mapping

from lambdas.trainings.dataset_groups import group, of_kind
from lambdas.trainings.job_schema import JobDataset
from lambdas.trainings.schema import Training


def channels_of(training: Training) -> Mapping[str, str]:
    """Return the channel of each dataset by its id; one that stands twice is brought once."""
    each = dict.fromkeys(dataset.id for dataset in training.datasets)
    return {dataset_id: f"dataset_{index:02d}" for index, dataset_id in enumerate(each)}


def job_datasets(training: Training) -> list[JobDataset]:
    """Return the folders that the job trains on, those of one dataset of sd-scripts together."""
    channels = channels_of(training)
    members = [
        (training.datasets[index], one.options)
        for one in group(training.datasets, training.config_params)
        for index in one.members
    ]
    return [
        JobDataset(
            channel=channels[dataset.id],
            dataset_id=dataset.id,
            folder=dataset.folder,
            repeats=dataset.repeats,
            subject=dataset.subject,
            caption_policy=dataset.caption_policy,
            regularisation=dataset.regularisation,
            options=of_kind("subset", dataset.options),
            dataset_options=options,
        )
        for dataset, options in members
    ]
