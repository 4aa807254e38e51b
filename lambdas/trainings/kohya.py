"""What a user sets of sd-scripts, checked and completed before it costs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.trainings import checks, pasted, presets
from lambdas.trainings.corrections import Corrected, corrected, near
from lambdas.trainings.instances import InstanceType
from lambdas.trainings.option_values import shown
from lambdas.trainings.options import Option, options, sections
from lambdas.trainings.presets import DEFAULT_PRESET, Params
from lambdas.trainings.reading import Read, read_each
from lambdas.trainings.schema import Preset
from lambdas.trainings.validation_schema import Correction

_FIELD = "config_params"
_POINTER = f"/{_FIELD}"
_MOST_CHARACTERS = 16_000


@dataclass(frozen=True)
class Resolved:
    """What became of config_params: the options to train with, or the faults that forbid it.

    `chosen` are the names of those that no preset set.
    """

    params: Params
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...] = ()
    corrections: tuple[Correction, ...] = ()
    chosen: frozenset[str] = frozenset()


def resolve(
    given: Params | str,
    fm_type: str,
    instance: InstanceType,
    *,
    preset: Preset = DEFAULT_PRESET,
    corrects: bool = False,
    taken_over: Mapping[str, Any] | None = None,
    of_datasets: Sequence[Params] = ({},),
    with_preset: bool = True,
) -> Resolved:
    """Check what a user gave and complete it with a preset; all faults at once.

    Strict unless it `corrects` what can only mean one thing. `taken_over` stands in for the preset:
    what a LoRA that is trained further has, or all that a training had whose state is gone on from;
    the latter `with_preset` false. `of_datasets` are the options that each dataset has for itself:
    what none of them leaves as it is here is no fault.
    """
    if len(given if isinstance(given, str) else shown(given)) > _MOST_CHARACTERS:
        return Resolved({}, (Fault(_POINTER, f"has over {_MOST_CHARACTERS} characters"),))
    said = _said(given, corrects=corrects)
    if said.broken:
        return Resolved({}, (Fault(_POINTER, said.broken),))
    change = said.change
    faults = [_fault(name, "is given twice, under two names") for name in change.twice]
    read = _checked(change, fm_type)
    faults += [*said.faults, *read.faults]
    chosen = {**_less_other_goal(taken_over or {}, read.params), **read.params}
    completed = chosen
    if with_preset:
        completed = presets.completed(chosen, preset, fm_type, instance, of_datasets)
    refused = {fault.pointer for fault in faults}
    found = _found(change, completed, fm_type, instance, refused, of_datasets)
    return Resolved(
        completed,
        (*faults, *(fault for fatal, fault in found if fatal)),
        tuple(fault for fatal, fault in found if not fatal),
        (*said.corrections, *change.corrections, *read.corrections),
        frozenset(chosen),
    )


def _less_other_goal(taken_over: Mapping[str, Any], checked: Params) -> Params:
    """Return what is taken over, less its epochs or steps where others are asked for."""
    goals = {"max_train_epochs", "max_train_steps"}
    left_out = goals if goals & checked.keys() else set()
    return {name: value for name, value in taken_over.items() if name not in left_out}


def against_steps(params: Params, total_steps: int, epochs: int) -> tuple[Fault, ...]:
    """Return warnings of options that ask for more than the training has."""
    found = checks.against_steps(params, total_steps, epochs)
    return tuple(_fault(finding.option, finding.message) for finding in found)


def to_toml(params: Mapping[str, Any]) -> str:
    """Format options as the flat TOML that sd-scripts reads with --config_file, by section."""
    grouped: dict[str, list[str]] = {section: [] for section in (*sections(), "other")}
    for name in sorted(params):
        option = options().get(name)
        section = (option.section if option else "") or "other"
        grouped[section].append(f"{name} = {_toml_value(params[name])}\n")
    return "\n".join(
        f"# {section}\n{''.join(lines)}" for section, lines in grouped.items() if lines
    )


def _toml_value(value: Any) -> str:
    # JSON's strings, numbers and arrays are TOML's; only DEL must be escaped besides.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


@dataclass(frozen=True)
class _Said:
    """What was given, as options: from an object, a text or the kohya_ss window."""

    change: Corrected
    faults: tuple[Fault, ...] = ()
    corrections: tuple[Correction, ...] = ()
    broken: str | None = None


def _said(given: Params | str, *, corrects: bool) -> _Said:
    text = _read_text(given, corrects=corrects) if isinstance(given, str) else None
    params = dict(given) if isinstance(given, dict) else text.params if text else {}
    faults = [_fault(name, "stands twice, with two values") for name in text.twice] if text else []
    if not corrects:
        names = {name: name for name in params}
        broken = text.broken if text else None
        return _Said(Corrected(params=params, names=names), tuple(faults), broken=broken)
    corrections = _dissolved(text) if text else []
    if pasted.is_from_window(params):
        text = pasted.from_window(params)
        corrections += _left_out(text)
        params = text.params
    change = corrected(params, pasted=text is not None)
    return _Said(change, tuple(faults), tuple(corrections), text.broken if text else None)


def _found(
    change: Corrected,
    completed: Params,
    fm_type: str,
    instance: InstanceType,
    refused: set[str],
    of_datasets: Sequence[Params],
) -> list[tuple[bool, Fault]]:
    """Return what is wrong among the options, less what is refused already, and if it is fatal."""
    as_used = {
        finding
        for own in of_datasets
        for finding in checks.findings(completed | own, fm_type, instance)
    }
    found = [
        (finding.fatal, _fault(change.names.get(finding.option, finding.option), finding.message))
        for finding in checks.findings(completed, fm_type, instance)
        if finding in as_used
    ]
    return [(fatal, fault) for fatal, fault in found if fault.pointer not in refused]


def _read_text(text: str, *, corrects: bool) -> pasted.Pasted:
    if corrects and text.lstrip().startswith("{"):
        return pasted.read_json(text)
    return pasted.read_toml(text)


def _dissolved(text: pasted.Pasted) -> list[Correction]:
    why = "sections mean nothing to sd-scripts: its options were taken out"
    return [
        Correction(option=name, given=f"[{name}]", taken=None, why=why) for name in text.sections
    ]


def _left_out(text: pasted.Pasted) -> list[Correction]:
    why = "these are settings of the kohya_ss window alone"
    names = sorted(text.left_out)
    return [Correction(option="kohya_ss", given=names, taken=None, why=why)] if names else []


def _checked(change: Corrected, fm_type: str) -> Read:
    found = read_each(change, lambda name: open_option(name, fm_type), _FIELD)
    if not {"max_train_epochs", "max_train_steps"} <= set(found.params):
        return found
    message = "set either this or max_train_epochs, not both"
    twice = _fault(change.names["max_train_steps"], message)
    return replace(found, faults=(*found.faults, twice))


def open_option(name: str, fm_type: str) -> Option:
    """Return an option that users may set.

    Raises ValueError with a sentence that goes on from the option's name.
    """
    option = options().get(name)
    if name == "datasets":
        raise ValueError(
            "belongs to a dataset config: name datasets, repeats and options in the field datasets"
        )
    if option is None:
        meant = near(name)
        hint = f": did you mean {meant}?" if meant else ""
        raise ValueError(f"is no option of sd-scripts{hint}")
    if option.owned:
        raise ValueError(f"is set by the service: leave it out ({option.owned})")
    if option.refused:
        raise ValueError(f"can't be used here, since {option.refused}")
    if fm_type not in option.families:
        raise ValueError(f"is an option for {' and '.join(option.families)} only")
    return option


def _fault(name: str, message: str) -> Fault:
    return Fault(pointer(_FIELD, name), message)
