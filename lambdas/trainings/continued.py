"""Training a finished LoRA further: what it must be, and what of it is taken over."""

from collections.abc import Iterator
from typing import Any

from lambdas.core.errors import Fault
from lambdas.models.schema import Model
from lambdas.trainings.schema import FmType

_POINTER = "/continue_from"
# Those whose files hold lora_down and lora_up, which the finished LoRA has.
_MODULES = ("networks.lora", "networks.lora_fa")


def continues(
    wanted: str | None,
    lora: Model | None,
    fm_type: FmType | None,
    faults: list[Fault],
    namesake: str | None = None,
) -> None:
    """Add what is wrong with the LoRA that a request names; `namesake` is a training's id."""
    if wanted is None:
        return
    if lora is None:
        text = f"there is no model {wanted}: GET /models?type=lora lists LoRAs"
        if namesake:
            text += f"; to go on from the state of the training of that name, give {namesake}"
    elif lora.type != "lora":
        text = f"{lora.name} is a {lora.type}; a LoRA is needed"
    elif lora.status != "ready":
        text = f"{lora.name} is {lora.status}: complete its upload first"
    elif fm_type is not None and lora.fm_type != fm_type:
        text = f"{lora.name} is {lora.fm_type}, but the base model is {fm_type}"
    else:
        return
    faults.append(Fault(_POINTER, text))


def shape_of(lora: Model | None) -> dict[str, Any]:
    """Return rank and alpha, as options; what the LoRA's metadata lacks the job must find out."""
    header = lora.header if lora else None
    found = {"network_dim": header.rank, "network_alpha": header.alpha} if header else {}
    return {name: value for name, value in found.items() if value}


def other_shape(params: dict[str, Any], taken_over: dict[str, Any]) -> Iterator[Fault]:
    """Yield the options that do not fit the LoRA: it would not load, or be scaled otherwise."""
    for name, value in taken_over.items():
        if params and params.get(name) != value:
            text = f"must be {value:g}, as the LoRA has it, or be left out; not {params.get(name)}"
            yield Fault(f"/config_params/{name}", text)
    module = params.get("network_module")
    if taken_over and params and module not in _MODULES:
        text = f"must be one of {', '.join(_MODULES)} to train a LoRA further; not {module}"
        yield Fault("/config_params/network_module", text)
