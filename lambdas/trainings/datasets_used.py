"""The datasets of a request as a training takes them, once they are found and fit."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.datasets.report_schema import Report
from lambdas.datasets.schema import Dataset
from lambdas.trainings import captioned
from lambdas.trainings.captioning_schema import Captioning
from lambdas.trainings.dataset_groups import Group, groups_of
from lambdas.trainings.schema import DatasetChoice, DatasetUsed


def use(
    choices: Sequence[DatasetChoice],
    found: Sequence[Dataset | None],
    groups: Sequence[Group],
    captioning: Captioning | None,
    faults: list[Fault],
) -> tuple[DatasetUsed, ...]:
    """Return the datasets that can be trained on; of the others say why not."""
    twice = _twice(found, groups)
    used = []
    for index, (choice, dataset) in enumerate(zip(choices, found, strict=True)):
        where = pointer("datasets", index, "dataset")
        if dataset is None:
            faults.append(
                Fault(where, f"there is no dataset {choice.dataset}: GET /datasets lists them")
            )
        elif not captioned.is_usable(dataset, captioning) or dataset.report is None:
            faults.append(Fault(where, captioned.remedy(dataset)))
        elif index in twice:
            text = (
                f"{dataset.name} stands twice: raise its repeats instead, or give one of them "
                "another resolution in options"
            )
            faults.append(Fault(where, text))
        else:
            if captioning is None:
                faults.extend(_without_captions(index, choice, dataset, dataset.report))
            used.append(_used(choice, dataset, dataset.report, groups_of(index, groups)))
    return tuple(used)


def cached_twice(
    datasets: Sequence[DatasetUsed], groups: Sequence[Group], params: Mapping[str, Any]
) -> Iterator[Fault]:
    """Yield the caches on disk that two groups would write for one image, and read the other's.

    A file is called by the image and its own size, not by its bucket (strategy_sd.py:153).
    """
    times = Counter(datasets[index].name for group in groups for index in group.members)
    several = [name for name, count in times.items() if count > 1]
    for option in ("cache_latents", "cache_text_encoder_outputs"):
        if several and params.get(f"{option}_to_disk"):
            text = (
                f"keeps one file for each image, and {several[0]} lies in several datasets of "
                f"sd-scripts that would overwrite each other's: set {option} instead"
            )
            yield Fault(pointer("config_params", f"{option}_to_disk"), text)


def _twice(found: Sequence[Dataset | None], groups: Sequence[Group]) -> set[int]:
    """Return the entries of one dataset in one group: sd-scripts ignores the second
    (train_util.py:2121)."""
    twice: set[int] = set()
    for group in groups:
        first: dict[str, int] = {}
        for index in group.members:
            dataset = found[index]
            if dataset and first.setdefault(dataset.id, index) != index:
                twice |= {first[dataset.id], index}
    return twice


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
    choice: DatasetChoice, dataset: Dataset, report: Report, groups: list[int]
) -> DatasetUsed:
    return DatasetUsed(
        id=dataset.id,
        name=dataset.name,
        folder=dataset.prefix,
        repeats=choice.repeats or dataset.repeats,
        subject=dataset.subject,
        caption_policy=choice.caption_policy or dataset.caption_policy,
        images=report.images,
        regularisation=choice.regularisation,
        options=choice.options,
        groups=groups,
    )
