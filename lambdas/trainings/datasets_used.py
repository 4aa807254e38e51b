"""The datasets of a request as a training takes them, once they are found and fit."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.datasets.report_schema import Report
from lambdas.datasets.schema import Dataset
from lambdas.datasets.subset_schema import Filled
from lambdas.trainings import captioned
from lambdas.trainings.captioning_schema import Captioning
from lambdas.trainings.dataset_groups import Group, groups_of
from lambdas.trainings.folders import Folder
from lambdas.trainings.schema import DatasetChoice, DatasetUsed


def use(
    choices: Sequence[DatasetChoice],
    folders: Sequence[Folder],
    groups: Sequence[Group],
    captioning: Captioning | None,
    faults: list[Fault],
) -> tuple[DatasetUsed, ...]:
    """Return the folders that can be trained on; of the others' datasets say why not."""
    twice = _twice(folders, groups)
    told: list[Fault] = []
    used = []
    for index, folder in enumerate(folders):
        choice, dataset = choices[folder.entry], folder.dataset
        where = pointer("datasets", folder.entry, "dataset")
        if dataset is None:
            told.append(
                Fault(where, f"there is no dataset {choice.dataset}: GET /datasets lists them")
            )
        elif not captioned.is_usable(dataset, captioning) or dataset.report is None:
            told.append(Fault(where, captioned.remedy(dataset)))
        elif folder.filled is None:
            told.append(Fault(where, f"{dataset.name} has no images"))
        elif folder.entry in twice:
            told.append(Fault(where, _stands_twice(dataset)))
        else:
            told.extend(_repeats_of_several(folder.entry, choice, dataset))
            if captioning is None:
                told.extend(_without_captions(folder.entry, choice, dataset, dataset.report))
            used.append(_used(choice, dataset, folder, folder.filled, groups_of(index, groups)))
    faults.extend(dict.fromkeys(told))
    return tuple(used)


def placed_in(
    folders: Sequence[Folder], datasets: Sequence[DatasetUsed]
) -> list[tuple[int, DatasetUsed]] | None:
    """Return each with its place in the request; None where not all can be trained on."""
    if len(datasets) != len(folders):
        return None
    return [(folder.entry, one) for folder, one in zip(folders, datasets, strict=True)]


def cached_twice(
    datasets: Sequence[DatasetUsed], groups: Sequence[Group], params: Mapping[str, Any]
) -> Iterator[Fault]:
    """Yield the caches on disk that two groups would write for one image, and read the other's.

    A file is called by the image and its own size, not by its bucket (strategy_sd.py:153).
    """
    each = [datasets[index] for group in groups for index in group.members]
    times = Counter((one.name, one.folder) for one in each)
    several = [name for (name, _), count in times.items() if count > 1]
    for option in ("cache_latents", "cache_text_encoder_outputs"):
        if several and params.get(f"{option}_to_disk"):
            text = (
                f"keeps one file for each image, and {several[0]} lies in several datasets of "
                f"sd-scripts that would overwrite each other's: set {option} instead"
            )
            yield Fault(pointer("config_params", f"{option}_to_disk"), text)


def _twice(folders: Sequence[Folder], groups: Sequence[Group]) -> set[int]:
    """Return the entries of one dataset in one group: sd-scripts ignores the second
    (train_util.py:2121)."""
    twice: set[int] = set()
    for group in groups:
        first: dict[str, int] = {}
        for folder in (folders[index] for index in group.members):
            dataset, entry = folder.dataset, folder.entry
            if dataset and first.setdefault(dataset.id, entry) != entry:
                twice |= {first[dataset.id], entry}
    return twice


def _stands_twice(dataset: Dataset) -> str:
    raised = "" if len(dataset.subsets) > 1 else "raise its repeats instead, or "
    return f"{dataset.name} stands twice: {raised}give one of them another resolution in options"


def _repeats_of_several(index: int, choice: DatasetChoice, dataset: Dataset) -> Iterator[Fault]:
    if choice.repeats is not None and len(dataset.subsets) > 1:
        each = ", ".join(one.prefix for one in dataset.subsets)
        text = (
            f"can't be one number for the subsets of {dataset.name} ({each}), which have their "
            "own: leave it out, or import a folder as a dataset of its own and name that"
        )
        yield Fault(pointer("datasets", index, "repeats"), text)


def _without_captions(
    index: int, choice: DatasetChoice, dataset: Dataset, report: Report
) -> Iterator[Fault]:
    lacking = captioned.without_caption(report)
    if choice.caption_policy == "required" and lacking:
        text = (
            f"is required, but {lacking} of {report.images} images in {dataset.name} have no "
            "caption: upload them, set captioning, or take subject or empty"
        )
        yield Fault(pointer("datasets", index, "caption_policy"), text)


def _used(
    choice: DatasetChoice, dataset: Dataset, folder: Folder, found: Filled, groups: list[int]
) -> DatasetUsed:
    return DatasetUsed(
        id=dataset.id,
        name=dataset.name,
        folder=found.subset.prefix,
        subset=folder.subset,
        repeats=choice.repeats or found.subset.repeats,
        subject=found.subset.subject,
        caption_policy=choice.caption_policy or dataset.caption_policy,
        images=found.images,
        regularisation=choice.regularisation,
        options=choice.options,
        groups=groups,
    )
