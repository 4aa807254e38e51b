"""What "Format Config Params" corrects: another name, another type, what the service sets anyway.

Only where one thing can be meant. `POST /trainings` corrects nothing: it starts what it is told.
"""

import contextlib
import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdas.trainings.option_values import as_list, shown
from lambdas.trainings.options import Option, open_options, options
from lambdas.trainings.validation_schema import Correction

_NEAR = 0.85  # difflib's ratio: one or two letters in a usual name
_APART = 0.04  # and how much nearer than the next

ALIASES: Mapping[str, str] = {
    "alpha": "network_alpha",
    "batch": "train_batch_size",
    "batch_size": "train_batch_size",
    "dim": "network_dim",
    "epoch": "max_train_epochs",
    "epochs": "max_train_epochs",
    "gradient_accumulation": "gradient_accumulation_steps",
    "image_size": "resolution",
    "keep_n_tokens": "keep_tokens",
    "lora_alpha": "network_alpha",
    "lora_dim": "network_dim",
    "lora_rank": "network_dim",
    "lr": "learning_rate",
    "max_epochs": "max_train_epochs",
    "max_resolution": "resolution",
    "max_steps": "max_train_steps",
    "min_snr": "min_snr_gamma",
    "network_rank": "network_dim",
    "num_epochs": "max_train_epochs",
    "num_train_epochs": "max_train_epochs",
    "optimizer": "optimizer_type",
    "precision": "mixed_precision",
    "rank": "network_dim",
    "scheduler": "lr_scheduler",
    "steps": "max_train_steps",
    "te_lr": "text_encoder_lr",
    "text_lr": "text_encoder_lr",
    "train_epochs": "max_train_epochs",
    "train_steps": "max_train_steps",
    "u_lr": "unet_lr",
    "warmup_steps": "lr_warmup_steps",
}  # fmt: skip

# What sd-scripts has two options for, one of them refused here: what is meant by the latter.
_INSTEAD: Mapping[str, tuple[str, Any]] = {
    "use_8bit_adam": ("optimizer_type", "AdamW8bit"),
    "use_lion_optimizer": ("optimizer_type", "Lion"),
    "xformers": ("sdpa", True),
}

# Said in files of the kohya_ss window, and no option or no value of sd-scripts: they say nothing.
_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "dynamo_backend": ("no",),
    "max_token_length": (75, "75"),  # what it is without the option
}
_OF_THE_WINDOW = frozenset(
    {"dynamo_mode", "epoch", "extra_accelerate_launch_args", "noise_offset_type"}
)


@dataclass
class Corrected:
    """Options with what could be corrected; `names` has the given name of each."""

    params: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    corrections: list[Correction] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)


def corrected(given: Mapping[str, Any], *, pasted: bool) -> Corrected:
    """Correct what can only mean one thing; what can't is left as it is, to be refused.

    What was `pasted` from a file has paths and names that belong to another machine: options that
    the service sets are left out there, unless they change what is learnt.
    """
    result = Corrected()
    for name, value in given.items():
        taken = _name(name)
        option = options().get(taken)
        if why := _says_nothing(name, value, given, pasted=pasted):
            _note(result, name, value, None, why)
        elif option and not option.open and _is_left_out(option, value, pasted=pasted):
            reason = option.owned or option.refused
            _note(result, name, value, None, f"was left out: {reason}")
        elif taken in _INSTEAD and value is not False and _truth(value) is True:
            name_instead, instead = _INSTEAD[taken]
            _take(result, name, name_instead, instead)
            reason = (option.refused if option else None) or ""
            _note(result, name_instead, {name: value}, instead, f"{name}: {reason}")
        else:
            _take(result, name, taken, _value(result, name, taken, value))
    return result


def near(name: str, among: Collection[str] | None = None) -> str | None:
    """Return the open option that an unknown name may mean, of some or of all."""
    known = open_options() if among is None else among
    found = difflib.get_close_matches(_plain(name), list(known), n=1, cutoff=0.6)
    alias = ALIASES.get(_plain(name))
    return found[0] if found else alias if alias in known else None


def _take(result: Corrected, name: str, taken: str, value: Any) -> None:
    if taken in result.params and result.params[taken] != value:
        result.twice.append(name)
    else:
        result.params[taken] = value
        result.names[taken] = name


def _note(result: Corrected, option: str, given: Any, taken: Any, why: str) -> None:
    result.corrections.append(Correction(option=option, given=given, taken=taken, why=why))


def _says_nothing(name: str, value: Any, given: Mapping[str, Any], *, pasted: bool) -> str | None:
    if value in _NOTHING.get(name, ()):
        return "was left out: it is so without it"
    if name == "sdpa" and value is False and _truth(given.get("xformers")) is True:
        return "was left out: xformers, which was asked for, is done by sdpa here"
    if pasted and name in _OF_THE_WINDOW and (name != "epoch" or "max_train_steps" in given):
        return "was left out: it is a setting of the kohya_ss window, none of sd-scripts"
    return None


def _is_left_out(option: Option, value: Any, *, pasted: bool) -> bool:
    if value is False or value is None or value == "":
        return True
    return pasted and option.owned is not None and not option.meant


def _name(name: str) -> str:
    plain = _plain(name)
    if name in options() or plain in options():
        return name if name in options() else plain
    if plain in ALIASES:
        return ALIASES[plain]
    found = difflib.get_close_matches(plain, list(options()), n=2, cutoff=_NEAR)
    if not found or not options()[found[0]].open:
        return name
    ratios = [difflib.SequenceMatcher(None, one, plain).ratio() for one in found]
    return found[0] if len(found) == 1 or ratios[0] - ratios[1] >= _APART else name


def _plain(name: str) -> str:
    return name.strip().lstrip("-").lower().replace("-", "_").replace(" ", "_")


def _value(result: Corrected, name: str, taken: str, value: Any) -> Any:
    option = open_options().get(taken)
    if option is None:
        return value
    corrected_value = _typed(option, value)
    if name != taken:
        reason = f"{name} is called {taken} by sd-scripts"
        _note(result, taken, {name: value}, corrected_value, reason)
    elif type(corrected_value) is not type(value) or corrected_value != value:
        _note(result, taken, value, corrected_value, _why(option, value))
    return corrected_value


def _why(option: Option, value: Any) -> str:
    if option.choices and not option.many and isinstance(value, str):
        return "was written otherwise than sd-scripts writes it"
    if option.type == "bool":
        return f"true or false was given as {shown(value)[:40]}"
    if option.many:
        return "a list was given as one value"
    if option.type in ("str", "Path"):
        return "a text was given as a number"
    return "a number was given as a text or with a needless fraction"


def _typed(option: Option, value: Any) -> Any:
    if option.name == "resolution":
        return value  # it is read in each form that people write
    if option.many:
        return _list(option, value)
    changed = _CHANGES[option.type](value)
    if isinstance(changed, str) and option.choices:
        by_name = {str(one).lower(): one for one in option.choices}
        return by_name.get(changed.strip().lower(), changed)
    return changed


def _list(option: Option, value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [f"{key}={one}" for key, one in value.items()]
    if isinstance(value, str) and option.type == "str":
        return value.split()
    return [_CHANGES[option.type](one) for one in as_list(value)]


def _truth(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float | str):
        said = str(value).strip().lower()
        if said in {"true", "1", "1.0", "yes", "on"}:
            return True
        if said in {"false", "0", "0.0", "no", "off"}:
            return False
    return value


def _number(value: Any) -> Any:
    if not isinstance(value, str) or len(value) > 40:
        return value
    with contextlib.suppress(ValueError):
        return int(value)
    with contextlib.suppress(ValueError):
        return float(value)
    return value


def _whole(value: Any) -> Any:
    number = _number(value)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


_CHANGES: dict[str, Callable[[Any], Any]] = {
    "bool": _truth,
    "int": _whole,
    "float": _number,
    "int_or_float": _number,
    "str": _text,
    "Path": _text,
}
