"""The options of sd-scripts that a training may set, checked and completed before it costs.

`kohya_options.json` has every option of `train_network.py` and `sdxl_train_network.py` at the
pinned commit, read from their argument parsers. Here they are sorted: what the service sets itself,
what is refused because it loads code or reaches outside, and what is open.
"""

import contextlib
import difflib
import json
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.trainings.defaults import Params, defaults_for
from lambdas.trainings.instances import InstanceType

_POINTER = "/config_params"
_MOST_CHARACTERS = 16_000
_MOST_INTEGER = 2**53  # beyond it JSON readers lose digits

OWNED = frozenset({
    "async_upload", "cache_info", "caption_extension", "caption_extention", "config_file",
    "console_log_file", "console_log_level", "console_log_simple", "dataset_config",
    "dataset_repeats", "debug_dataset", "huggingface_path_in_repo", "huggingface_repo_id",
    "huggingface_repo_type", "huggingface_repo_visibility", "huggingface_token", "in_json",
    "initial_epoch", "initial_step", "log_config", "log_prefix", "log_tracker_config",
    "log_tracker_name", "log_with", "logging_dir", "network_weights", "output_config", "output_dir",
    "output_name", "pretrained_model_name_or_path", "reg_data_dir", "resume",
    "resume_from_huggingface", "sample_prompts", "save_model_as", "save_state",
    "save_state_on_train_end", "save_state_to_huggingface", "skip_until_initial_step",
    "tokenizer_cache_dir", "train_data_dir", "wandb_api_key", "wandb_run_name",
})  # fmt: skip

REFUSED = {
    "base_weights": "it reads a file by its path",
    "base_weights_multiplier": "it belongs to base_weights, which reads a file by its path",
    "conditioning_data_dir": "it reads a folder by its path",
    "dataset_class": "it loads code by name",
    "deepspeed": "the training image holds no DeepSpeed",
    "lr_scheduler_type": "it loads code by name; lr_scheduler has the usual ones",
    "offload_optimizer_nvme_path": "it writes to a path",
    "offload_param_nvme_path": "it writes to a path",
    "use_8bit_adam": 'it is deprecated: set optimizer_type to "AdamW8bit"',
    "use_lion_optimizer": 'it is deprecated: set optimizer_type to "Lion"',
    "v2": "SD 2.x can't be trained here; only SD 1.5 and SDXL can",
    "vae": "it reads a file by its path",
}

# What the training image holds; other names would make sd-scripts import whatever they name.
ALLOWED: dict[str, tuple[str, ...]] = {
    "network_module": ("networks.lora", "networks.lora_fa", "networks.dylora", "networks.oft"),
    "optimizer_type": (
        "AdamW", "AdamW8bit", "PagedAdamW8bit", "Lion", "Lion8bit", "PagedLion8bit", "SGDNesterov",
        "SGDNesterov8bit", "AdaFactor", "Prodigy", "AdamWScheduleFree", "RAdamScheduleFree",
    ),
    "lr_scheduler": (
        "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts",
        "polynomial", "inverse_sqrt", "cosine_with_min_lr", "adafactor",
    ),
}  # fmt: skip

_AT_LEAST_1 = (1, None)
RANGES: dict[str, tuple[float | None, float | None]] = {
    "caption_dropout_rate": (0, 1),
    "caption_tag_dropout_rate": (0, 1),
    "clip_skip": (1, 12),
    "gradient_accumulation_steps": _AT_LEAST_1,
    "learning_rate": (0, 10),
    "max_train_epochs": (1, 10_000),
    "max_train_steps": (1, 1_000_000),
    "network_alpha": (0, 1024),
    "network_dim": (1, 1024),
    "network_dropout": (0, 1),
    "save_every_n_epochs": _AT_LEAST_1,
    "save_every_n_steps": _AT_LEAST_1,
    "train_batch_size": (1, 256),
    "unet_lr": (0, 10),
}


@dataclass(frozen=True)
class Option:
    """One option as sd-scripts' argument parser has it."""

    name: str
    type: str
    families: tuple[str, ...]
    choices: tuple[Any, ...]
    many: bool


@dataclass(frozen=True)
class Resolved:
    """What became of config_params: the options to train with, or the faults that forbid it."""

    params: Params
    faults: tuple[Fault, ...]
    corrections: tuple[str, ...] = ()


@cache
def options() -> Mapping[str, Option]:
    """Return every option of the two scripts, by name."""
    table = json.loads(Path(__file__).with_name("kohya_options.json").read_text())
    return {
        name: Option(
            name,
            entry["type"],
            tuple(entry["families"]),
            tuple(entry.get("choices", ())),
            entry.get("nargs") == "*",
        )
        for name, entry in table["options"].items()
    }


def resolve(
    given: Params | str,
    fm_type: str,
    instance: InstanceType,
    taken_over: Mapping[str, Any] | None = None,
) -> Resolved:
    """Check what a user gave and complete it with the family's defaults; all faults at once.

    `taken_over` stands in for defaults: what a LoRA that is trained further has.
    """
    if isinstance(given, str):
        given, broken = _from_toml(given)
        if broken:
            return Resolved({}, (broken,))
    if len(_shown(given)) > _MOST_CHARACTERS:
        return Resolved({}, (Fault(_POINTER, f"has over {_MOST_CHARACTERS} characters"),))
    checked: Params = {}
    faults: list[Fault] = []
    corrections: list[str] = []
    for name, value in given.items():
        try:
            checked[name] = _checked(name, value, fm_type)
        except ValueError as error:
            faults.append(Fault(pointer("config_params", name), str(error)))
            continue
        if checked[name] != value or type(checked[name]) is not type(value):
            corrections.append(f"{name}: {_shown(value)} was read as {_shown(checked[name])}")
    if {"max_train_epochs", "max_train_steps"} <= set(checked):
        faults.append(
            Fault(f"{_POINTER}/max_train_steps", "set either this or max_train_epochs, not both")
        )
    params = _completed({**(taken_over or {}), **checked}, fm_type, instance)
    return Resolved(params, tuple(faults), tuple(corrections))


def to_toml(params: Mapping[str, Any]) -> str:
    """Format options as the flat TOML that sd-scripts reads with --config_file."""
    return "".join(f"{name} = {_toml_value(params[name])}\n" for name in sorted(params))


def _toml_value(value: Any) -> str:
    # JSON's strings, numbers and arrays are TOML's; only DEL must be escaped besides.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _from_toml(text: str) -> tuple[Params, Fault | None]:
    try:
        parsed = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        return {}, Fault(_POINTER, f"is no TOML: {error}")
    flat: Params = {}
    for name, value in parsed.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat, None


def _checked(name: str, value: Any, fm_type: str) -> Any:
    option = _open_option(name, fm_type)
    converted = (
        [_typed(option, one) for one in _as_list(value)] if option.many else _typed(option, value)
    )
    _must_be_chosen_well(option, converted)
    return converted


def _open_option(name: str, fm_type: str) -> Option:
    if name in OWNED:
        raise ValueError("is set by the service: leave it out")
    if name in REFUSED:
        raise ValueError(f"can't be used here, since {REFUSED[name]}")
    option = options().get(name)
    if option is None:
        raise ValueError(f"is no option of sd-scripts{_did_you_mean(name)}")
    if fm_type not in option.families:
        raise ValueError(f"is an option for {' and '.join(option.families)} only")
    return option


def _did_you_mean(name: str) -> str:
    open_names = [one for one in options() if one not in OWNED and one not in REFUSED]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), open_names, n=1, cutoff=0.6)
    return f": did you mean {near[0]}?" if near else ""


def _shown(value: Any) -> str:
    """Return a value as JSON has it; TOML's dates, which JSON lacks, as text."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return "something too deep or too long"


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _typed(option: Option, value: Any) -> Any:
    if option.name == "resolution":
        return _resolution(value)
    return _READERS[option.type](value)


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"must be true or false, not {_shown(value)}")


def _int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST_INTEGER:
        return value
    raise ValueError(f"must be a whole number, not {_shown(value)}")


def _float(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            if math.isfinite(number := float(value)):
                return number
    raise ValueError(f"must be a number, not {_shown(value)}")


def _int_or_float(value: Any) -> int | float:
    return _int(value) if isinstance(value, int) else _float(value)


def _str(value: Any) -> str:
    if isinstance(value, str) and len(value) <= 2000:
        return value
    raise ValueError(f"must be a text of at most 2000 characters, not {_shown(value)[:40]}")


_READERS: dict[str, Callable[[Any], Any]] = {
    "bool": _bool,
    "int": _int,
    "float": _float,
    "int_or_float": _int_or_float,
    "str": _str,
    "Path": _str,
}


def _resolution(value: Any) -> str:
    text = ",".join(str(side) for side in _as_list(value)).replace(" ", "")
    found = re.fullmatch(r"(\d{2,4})(?:[,x](\d{2,4}))?", text)
    if found is None:
        raise ValueError('must be a side or a width and a height, as in "512" or "512,768"')
    return f"{found[1]},{found[2] or found[1]}"


def _must_be_chosen_well(option: Option, value: Any) -> None:
    allowed = ALLOWED.get(option.name) or tuple(one for one in option.choices if one is not None)
    if allowed and value not in allowed:
        raise ValueError(f"must be one of {', '.join(map(str, allowed))}; not {value}")
    low, high = RANGES.get(option.name, (None, None))
    for number in _as_list(value) if low is not None or high is not None else []:
        if (low is not None and number < low) or (high is not None and number > high):
            limits = f"at least {low}" if high is None else f"from {low} to {high}"
            raise ValueError(f"must be {limits}, not {number}")


def _completed(checked: Params, fm_type: str, instance: InstanceType) -> Params:
    defaults = defaults_for(fm_type, instance)
    if "max_train_steps" in checked:
        defaults.pop("max_train_epochs")
    if checked.get("xformers"):
        defaults.pop("sdpa")
    if fm_type == "sd_xl" and _trains_text_encoder(checked):
        defaults.pop("cache_text_encoder_outputs")
        defaults.pop("network_train_unet_only")
    if checked.get("color_aug") or checked.get("random_crop"):
        defaults.pop("cache_latents")
    return defaults | checked


def _trains_text_encoder(checked: Params) -> bool:
    shuffles = any(
        checked.get(name)
        for name in ("shuffle_caption", "caption_dropout_rate", "caption_tag_dropout_rate")
    )
    return (
        shuffles or checked.get("network_train_unet_only") is False or "text_encoder_lr" in checked
    )
