"""Training further what `continue_from` names: a finished LoRA or another training's state.

A LoRA must fit, and its rank and alpha are taken over; of states `going_on.py` tells.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lambdas.core.errors import Fault
from lambdas.core.ids import looks_like_id
from lambdas.models.schema import Model
from lambdas.trainings import going_on
from lambdas.trainings.going_on import Earlier
from lambdas.trainings.schema import Continued, FmType

_POINTER = "/continue_from"
# Those whose files hold lora_down and lora_up, which the finished LoRA has.
_MODULES = ("networks.lora", "networks.lora_fa")


@dataclass(frozen=True)
class Named:
    """What a request's `continue_from` stands for, as far as it was found.

    `namesake` is the id of a training that has the name which is given for a LoRA.
    """

    lora: Model | None
    earlier: Earlier | None
    namesake: str | None


def continues(
    wanted: str | None, found: Named, fm_type: FmType | None, faults: list[Fault]
) -> None:
    """Add what is wrong with the LoRA, or with the training, that a request names."""
    if wanted is None:
        return
    if looks_like_id(wanted, "trn"):
        faults.extend(going_on.has_a_state(wanted, found.earlier))
        return
    lora = found.lora
    if lora is None:
        text = f"there is no model {wanted}: GET /models?type=lora lists LoRAs"
        if found.namesake:
            text += f"; to go on from the state of the training of that name, give {found.namesake}"
    elif lora.type != "lora":
        text = f"{lora.name} is a {lora.type}; a LoRA is needed"
    elif lora.status != "ready":
        text = f"{lora.name} is {lora.status}: complete its upload first"
    elif fm_type is not None and lora.fm_type != fm_type:
        text = f"{lora.name} is {lora.fm_type}, but the base model is {fm_type}"
    else:
        return
    faults.append(Fault(_POINTER, text))


def used(found: Named) -> Continued | None:
    """Return what the record tells of it."""
    lora = found.lora
    if lora is None:
        return going_on.used(found.earlier)
    return Continued(id=lora.id, name=lora.name, file_name=lora.file_name)


def other_options(
    params: dict[str, Any], taken_over: dict[str, Any], earlier: Earlier | None
) -> Iterator[Fault]:
    """Yield the options that do not fit what is continued."""
    if earlier:
        return going_on.other_options(params, earlier)
    return other_shape(params, taken_over)


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
