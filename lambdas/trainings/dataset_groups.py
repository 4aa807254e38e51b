"""Which datasets of a request are one dataset to sd-scripts: these share buckets and batches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lambdas.trainings.options import Per, dataset_options, options


class Entry(Protocol):
    """A dataset as a request or a record has it, its options read."""

    @property
    def regularisation(self) -> bool: ...
    @property
    def options(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Group:
    """What sd-scripts calls a dataset.

    `options` are those that it has otherwise than the training, `members` the places of its
    entries, those of regularisation too.
    """

    options: dict[str, Any]
    members: tuple[int, ...]


def group(entries: Sequence[Entry], params: Mapping[str, Any]) -> tuple[Group, ...]:
    """Put entries together, in the order of the first of each.

    A regularisation set goes to all whose options are those that it names: to all when it names
    none.
    """
    found: dict[str, list[int]] = {}
    options_of: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(entries):
        if not entry.regularisation:
            whole = _whole(entry, params)
            key = repr(sorted(whole.items()))
            found.setdefault(key, []).append(index)
            options_of[key] = whole
    for index, entry in enumerate(entries):
        if entry.regularisation:
            named = of_kind("dataset", entry.options).items()
            for key, whole in options_of.items():
                if named <= whole.items():
                    found[key].append(index)
    return tuple(
        Group(_otherwise(options_of[key], params), tuple(sorted(members)))
        for key, members in found.items()
    )


def of_kind(per: Per, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of an entry's options that a folder has, or that a whole dataset has."""
    return {name: value for name, value in given.items() if dataset_options()[name].per == per}


def groups_of(index: int, groups: Iterable[Group]) -> list[int]:
    """Return the numbers of the groups that an entry lies in."""
    return [number for number, one in enumerate(groups) if index in one.members]


def _whole(entry: Entry, params: Mapping[str, Any]) -> dict[str, Any]:
    names = [name for name, option in dataset_options().items() if option.per == "dataset"]
    return {name: entry.options.get(name, _of_training(name, params)) for name in names}


def _otherwise(whole: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in whole.items() if value != _of_training(name, params)}


def _of_training(name: str, params: Mapping[str, Any]) -> Any:
    return params.get(name, options()[name].default)
