"""Regularisation sets: what they need to do anything, and what is hardly meant.

sd-scripts takes as many of their images as there are others in the same dataset, in the order of
file names, and repeats them where they are too few (train_util.py:2145).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.trainings.dataset_groups import Group, groups_of, of_kind
from lambdas.trainings.schema import DatasetChoice, DatasetUsed


def alone(choices: Sequence[DatasetChoice]) -> Iterator[Fault]:
    """Yield a fault where there is nothing but regularisation sets: nothing would be learnt."""
    if all(choice.regularisation for choice in choices):
        text = "are regularisation sets alone: name a dataset to be learnt as well"
        yield Fault(pointer("datasets"), text)


def unplaced(choices: Sequence[DatasetChoice], groups: Sequence[Group]) -> Iterator[Fault]:
    """Yield the sets whose options no dataset that is learnt has."""
    for index, choice in enumerate(choices):
        if groups and choice.regularisation and not groups_of(index, groups):
            named = of_kind("dataset", choice.options)
            said = ", ".join(f"{name} {value}" for name, value in named.items())
            text = (
                f"no dataset that is learnt has {said}, so this regularises nothing: name what one "
                "of them has, or leave it out to regularise all"
            )
            yield Fault(pointer("datasets", index, "options"), text)


def warnings(
    datasets: Sequence[DatasetUsed], groups: Sequence[Group], params: Mapping[str, Any]
) -> Iterator[Fault]:
    """Yield what would start, and is hardly what is meant."""
    for index, dataset in enumerate(datasets):
        if dataset.regularisation:
            yield from _words(index, dataset, params)
            yield from _left_over(index, dataset, datasets, groups)
    weight = params.get("prior_loss_weight", 1)
    if weight != 1 and not any(dataset.regularisation for dataset in datasets):
        text = "does nothing without a regularisation set among datasets"
        yield Fault(pointer("config_params", "prior_loss_weight"), text)


def _words(index: int, dataset: DatasetUsed, params: Mapping[str, Any]) -> Iterator[Fault]:
    for name in ("caption_prefix", "caption_suffix"):
        if params.get(name) and name not in dataset.options:
            text = (
                f"config_params' {name} is put to the captions of this regularisation set too, so "
                'the class learns it as well: set it to "" here if it names the subject'
            )
            yield Fault(pointer("datasets", index, "options", name), text)


def _left_over(
    index: int, dataset: DatasetUsed, datasets: Sequence[DatasetUsed], groups: Sequence[Group]
) -> Iterator[Fault]:
    regularised = [group for group in groups if index in group.members]
    most = max((_learnt(datasets, group) for group in regularised), default=0)
    if dataset.images * dataset.repeats - most >= dataset.repeats:
        text = (
            f"{dataset.images} images, {dataset.repeats} times each, are more than the {most} that "
            "they regularise: the last of them by name are never seen; lower it, or take fewer"
        )
        yield Fault(pointer("datasets", index, "repeats"), text)


def _learnt(datasets: Sequence[DatasetUsed], group: Group) -> int:
    members = [datasets[index] for index in group.members]
    return sum(one.images * one.repeats for one in members if not one.regularisation)
