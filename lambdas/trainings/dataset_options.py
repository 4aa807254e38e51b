"""The options that datasets have for themselves: read and checked as config_params are, by the same
table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.trainings import checks
from lambdas.trainings.corrections import Corrected, corrected, near
from lambdas.trainings.dataset_groups import of_kind
from lambdas.trainings.instances import InstanceType
from lambdas.trainings.kohya import Resolved, open_option
from lambdas.trainings.option_values import shown, sides
from lambdas.trainings.options import Option, dataset_options, options
from lambdas.trainings.reading import Read, read_each
from lambdas.trainings.schema import DatasetChoice

_FIELD = "datasets"
_MOST_CHARACTERS = 4_000  # sixteen times this must fit into a record

# What sd-scripts' own dataset config has beside the options of its parsers.
_SAID_OTHERWISE: Mapping[str, str] = {
    "caption_extension": "is set by the service: captions are always .txt files",
    "class_tokens": "is the subject in the dataset's prefix: set caption_policy to use it",
    "image_dir": "is set by the service: name the dataset in the field dataset",
    "is_reg": "is the field regularisation here, beside options",
    "num_repeats": "is the field repeats here, beside options",
    "subsets": "belongs to a dataset config: each folder is an entry of datasets here",
}


@dataclass(frozen=True)
class Checked:
    """Entries with their options as they are trained with, what is wrong, what hardly is meant."""

    entries: tuple[DatasetChoice, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


def read(choices: Sequence[DatasetChoice], fm_type: str, *, corrects: bool) -> tuple[Read, ...]:
    """Read the options of each entry; all faults at once."""
    return tuple(
        _read(index, choice, fm_type, corrects=corrects) for index, choice in enumerate(choices)
    )


def check(
    choices: Sequence[DatasetChoice],
    own: Sequence[Read],
    training: Resolved,
    fm_type: str,
    instance: InstanceType,
) -> Checked:
    """Check the options of each entry against those that it has of the training.

    What is wrong with the training's own is told there, once.
    """
    entries: list[DatasetChoice] = []
    faults: list[Fault] = []
    warnings: list[Fault] = []
    known = set(checks.findings(training.params, fm_type, instance)) if training.params else None
    for index, (choice, given) in enumerate(zip(choices, own, strict=True)):
        params = given.params | ({} if choice.regularisation else _bounds(given.params, training))
        entries.append(choice.model_copy(update={"options": params}))
        faults.extend(given.faults)
        # A regularisation set takes over what is a whole dataset's from those that it regularises.
        judged = of_kind("subset", params) if choice.regularisation else params
        if known is None or not judged:
            continue
        refused = {fault.pointer for fault in given.faults}
        for finding in checks.findings(training.params | judged, fm_type, instance):
            fault = Fault(_place(index, finding.option), finding.message)
            if finding not in known and fault.pointer not in refused:
                (faults if finding.fatal else warnings).append(fault)
    return Checked(tuple(entries), tuple(faults), tuple(warnings))


def _read(index: int, choice: DatasetChoice, fm_type: str, *, corrects: bool) -> Read:
    if len(shown(choice.options)) > _MOST_CHARACTERS:
        fault = Fault(pointer(_FIELD, index, "options"), f"has over {_MOST_CHARACTERS} characters")
        return Read({}, (fault,), ())
    change = _change(choice.options, corrects=corrects)
    found = read_each(change, lambda name: _option(name, fm_type), _FIELD, index, "options")
    twice = [
        Fault(pointer(_FIELD, index, "options", name), "is given twice, under two names")
        for name in change.twice
    ]
    corrections = [
        one.model_copy(update={"dataset": index})
        for one in (*change.corrections, *found.corrections)
    ]
    return replace(found, faults=(*twice, *found.faults), corrections=tuple(corrections))


def _change(given: dict[str, Any], *, corrects: bool) -> Corrected:
    if corrects:
        return corrected(given, pasted=False)
    return Corrected(params=dict(given), names={name: name for name in given})


def _option(name: str, fm_type: str) -> Option:
    if name in _SAID_OTHERWISE:
        raise ValueError(_SAID_OTHERWISE[name])
    if name not in options():
        meant = near(name, among=dataset_options())
        hint = f": did you mean {meant}?" if meant else ""
        raise ValueError(f"is no option that a dataset can have for itself{hint}")
    option = open_option(name, fm_type)
    if option.per is None:
        raise ValueError("is one for the whole training: set it in config_params")
    return option


def _bounds(own: Mapping[str, Any], training: Resolved) -> dict[str, Any]:
    """Return the bounds of buckets that follow from a resolution, where nobody set them."""
    if "resolution" not in own or not training.params:
        return {}
    width, height = sides(own["resolution"])
    least, most = training.params["min_bucket_reso"], training.params["max_bucket_reso"]
    follow = {
        "min_bucket_reso": (least, min(least, width, height)),
        "max_bucket_reso": (most, max(most, width, height)),
    }
    return {
        name: bound
        for name, (usual, bound) in follow.items()
        if bound != usual and name not in own and name not in training.chosen
    }


def _place(index: int, option: str) -> str:
    name = (option,) if option in dataset_options() else ()
    return pointer(_FIELD, index, "options", *name)
