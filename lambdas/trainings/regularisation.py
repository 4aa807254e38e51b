"""Regularisation sets: what they need to do anything, and what is hardly meant.

sd-scripts takes as many of their images as there are others in the same dataset, in the order of
file names, and repeats them where they are too few (train_util.py:2145).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.trainings.dataset_groups import Group, groups_of, of_kind
from lambdas.trainings.folders import Folder
from lambdas.trainings.schema import DatasetChoice, DatasetUsed


def alone(choices: Sequence[DatasetChoice]) -> Iterator[Fault]:
    """Yield a fault where there is nothing but regularisation sets: nothing would be learnt."""
    if all(choice.regularisation for choice in choices):
        text = "are regularisation sets alone: name a dataset to be learnt as well"
        yield Fault(pointer("datasets"), text)


def unplaced(
    choices: Sequence[DatasetChoice], folders: Sequence[Folder], groups: Sequence[Group]
) -> Iterator[Fault]:
    """Yield the sets whose options no dataset that is learnt has; `choices` are the folders'."""
    told: set[int] = set()
    for index, choice in enumerate(choices):
        entry = folders[index].entry
        alone = choice.regularisation and not groups_of(index, groups)
        if groups and alone and entry not in told:
            told.add(entry)
            named = of_kind("dataset", choice.options)
            said = ", ".join(f"{name} {value}" for name, value in named.items())
            text = (
                f"no dataset that is learnt has {said}, so this regularises nothing: name what one "
                "of them has, or leave it out to regularise all"
            )
            yield Fault(pointer("datasets", entry, "options"), text)


def warnings(
    datasets: Sequence[DatasetUsed],
    folders: Sequence[Folder],
    groups: Sequence[Group],
    params: Mapping[str, Any],
) -> Iterator[Fault]:
    """Yield what would start, and is hardly what is meant."""
    of_entry: dict[int, list[int]] = defaultdict(list)
    for index, folder in enumerate(folders):
        if datasets[index].regularisation:
            of_entry[folder.entry].append(index)
    for entry, members in of_entry.items():
        yield from _words(entry, datasets[members[0]], params)
        yield from _left_over(entry, members, datasets, groups)
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
    entry: int, members: Sequence[int], datasets: Sequence[DatasetUsed], groups: Sequence[Group]
) -> Iterator[Fault]:
    regularised = [group for group in groups if members[0] in group.members]
    most = max((_learnt(datasets, group) for group in regularised), default=0)
    sets = [datasets[index] for index in members]
    if sum(one.images * one.repeats for one in sets) - most < sets[-1].repeats:
        return
    what = " and ".join(f"{one.images} images, {one.repeats} times each" for one in sets)
    told = f"{what}, are more than the {most} that they regularise: the last of them by name are"
    if len(sets) == 1:
        text = f"{told} never seen; lower it, or take fewer"
        yield Fault(pointer("datasets", entry, "repeats"), text)
    else:
        yield Fault(pointer("datasets", entry, "dataset"), f"{told} never seen; take fewer")


def _learnt(datasets: Sequence[DatasetUsed], group: Group) -> int:
    members = [datasets[index] for index in group.members]
    return sum(one.images * one.repeats for one in members if not one.regularisation)
