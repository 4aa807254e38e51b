"""Options as people paste them: TOML with or without sections, or kohya_ss's JSON."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdas.trainings.options import options

Params = dict[str, Any]


@dataclass
class Pasted:
    """What was found in a text: options, the sections that were dissolved, what is wrong."""

    params: Params = field(default_factory=dict)
    sections: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    broken: str | None = None
    twice: list[str] = field(default_factory=list)


def read_toml(text: str) -> Pasted:
    """Read TOML; its sections mean nothing to sd-scripts (train_util.py:4748 flattens them)."""
    try:
        parsed = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        return Pasted(broken=f"is no TOML: {error}")
    pasted = Pasted()
    for name, value in parsed.items():
        if isinstance(value, dict):
            pasted.sections.append(name)
            for inner, one in value.items():
                _keep(pasted, inner, one)
        else:
            _keep(pasted, name, value)
    return pasted


def read_json(text: str) -> Pasted:
    """Read a JSON object."""
    try:
        parsed = json.loads(text)
    except (RecursionError, ValueError) as error:
        return Pasted(broken=f"is no JSON: {error}")
    return Pasted(params=parsed) if isinstance(parsed, dict) else Pasted(broken="is no JSON object")


def _keep(pasted: Pasted, name: str, value: Any) -> None:
    if name in pasted.params and pasted.params[name] != value:
        pasted.twice.append(name)
    pasted.params[name] = value


def is_from_window(given: Mapping[str, Any]) -> bool:
    """Say whether these are settings that the kohya_ss window saved."""
    return "LoRA_type" in given or {"max_resolution", "train_data_dir"} <= set(given)


def from_window(given: Mapping[str, Any]) -> Pasted:
    """Return the options among the settings of the kohya_ss window.

    Empty fields and zeros mean there that nothing was set. What only the window knows is left out.
    """
    pasted = Pasted()
    said = {name: value for name, value in given.items() if not _says_nothing(value)}
    for name, value in said.items():
        taken = _WINDOW.get(name, name)
        if taken != name and taken in said:
            continue  # epoch beside max_train_epochs
        if taken in options():
            pasted.params[taken] = value
        elif name not in _UNDERSTOOD and value is not False:
            pasted.left_out.append(name)
    _network_of(said, pasted)
    _speed_of(said, pasted)
    return pasted


_WINDOW = {
    "epoch": "max_train_epochs",
    "max_resolution": "resolution",
    "optimizer": "optimizer_type",
}
_UNDERSTOOD = {"LoRA_type", "conv_dim", "conv_alpha", "lr_warmup", "sdxl", "LyCORIS_preset"}
_MODULES = {
    "Standard": "networks.lora",
    "Kohya LoCon": "networks.lora",
    "LoRA-FA": "networks.lora_fa",
    "Kohya DyLoRA": "networks.dylora",
}


def _says_nothing(value: Any) -> bool:
    return (not isinstance(value, bool) and value in (None, "", 0, "0", "None", [])) or (
        isinstance(value, str) and not value.strip()
    )


def _network_of(said: Mapping[str, Any], pasted: Pasted) -> None:
    kind = str(said.get("LoRA_type", "Standard"))
    arguments = {
        name: said[name] for name in ("conv_dim", "conv_alpha") if name in said and "Lo" in kind
    }
    if kind.startswith("LyCORIS/"):
        # sd-scripts refuses conv arguments of networks.lora that are not meant.
        arguments = {"algo": kind.removeprefix("LyCORIS/").lower()} | arguments
        if "LyCORIS_preset" in said:
            arguments["preset"] = said["LyCORIS_preset"]
        pasted.params["network_module"] = "lycoris.kohya"
    else:
        # An unknown kind is told as a module that is not allowed.
        pasted.params["network_module"] = _MODULES.get(kind, kind)
        if kind != "Kohya LoCon":
            arguments = {}
    if arguments:
        pasted.params["network_args"] = [f"{name}={value}" for name, value in arguments.items()]


def _speed_of(said: Mapping[str, Any], pasted: Pasted) -> None:
    attention = pasted.params.pop("xformers", None)
    if attention in ("xformers", "sdpa", True):
        pasted.params["xformers" if attention is True else str(attention)] = True
    warmup = said.get("lr_warmup")  # percent of all steps
    if isinstance(warmup, int | float) and 0 < warmup < 100:
        pasted.params.setdefault("lr_warmup_steps", warmup / 100)
