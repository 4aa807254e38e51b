"""Training further what `continue_from` names: a finished LoRA or another training's state.

A LoRA must fit, and its rank and alpha are taken over; of states `going_on.py` tells. sd-scripts
loads it with `strict=False` (networks/lora.py: load_weights), so what does not fit would be passed
over without a word.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.core.ids import looks_like_id
from lambdas.models.header_schema import LoraFacts, LoraTarget
from lambdas.models.schema import Model
from lambdas.trainings import going_on
from lambdas.trainings.base import not_ready
from lambdas.trainings.going_on import Earlier
from lambdas.trainings.schema import Continued, FmType

_POINTER = "/continue_from"
# Those whose files hold lora_down and lora_up, which the finished LoRA has.
_MODULES = ("networks.lora", "networks.lora_fa")
_ALGORITHMS = {"loha": "LoHa", "lokr": "LoKr"}
# What is not trained is not loaded either, and would be lacking in the LoRA to come.
_LEAVES_OUT: tuple[tuple[str, LoraTarget, str], ...] = (
    ("network_train_unet_only", "text_encoder", "text encoder"),
    ("network_train_text_encoder_only", "diffusion", "U-Net"),
)


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
        text = not_ready(lora)
    elif fm_type is not None and lora.fm_type != fm_type:
        text = f"{lora.name} is {lora.fm_type}, but the base model is {fm_type}"
    elif kind := _other_kind(_facts(lora)):
        text = f"{lora.name} {kind}"
    else:
        return
    faults.append(Fault(_POINTER, text))


def _other_kind(facts: LoraFacts | None) -> str | None:
    """Say what a LoRA is that is none of those which networks.lora makes, and what would do."""
    if facts is None:
        return None
    if facts.form != "kohya":
        form = "PEFT" if facts.form == "peft" else "diffusers"
        return f"has its layers named as {form} does; convert it to kohya's form and upload that"
    kind = "DoRA" if facts.dora else _ALGORITHMS.get(facts.algorithm)
    if kind is None:
        return None
    return f"is a {kind}, which networks.lora can't load: continue from a plain LoRA, or start anew"


def _facts(lora: Model | None) -> LoraFacts | None:
    return lora.header.lora if lora and lora.header else None


def used(found: Named) -> Continued | None:
    """Return what the record tells of it."""
    lora = found.lora
    if lora is None:
        return going_on.used(found.earlier)
    return Continued(id=lora.id, name=lora.name, file_name=lora.file_name)


def other_options(params: Mapping[str, Any], found: Named) -> Iterator[Fault]:
    """Yield the options that do not fit what is continued."""
    if found.earlier:
        yield from going_on.other_options(params, found.earlier)
    elif found.lora:
        yield from _other_shape(params, found.lora)


def taken_over(found: Named, *, draws: bool) -> Mapping[str, Any]:
    """Return the options that stand in for the preset's, or for all of them.

    `draws` says whether samples are to be drawn.
    """
    if found.earlier:
        return going_on.taken_over(found.earlier, draws=draws)
    return _shape_of(found.lora)


def _shape_of(lora: Model | None) -> dict[str, Any]:
    """Return rank and alpha, as options; what the LoRA's metadata lacks the job must find out.

    SDXL's preset leaves the text encoders out, so one that has them is told to train them.
    """
    header = lora.header if lora else None
    found = {"network_dim": header.rank, "network_alpha": header.alpha} if header else {}
    shape: dict[str, Any] = {name: value for name, value in found.items() if value}
    facts = _facts(lora)
    if lora and facts and lora.fm_type == "sd_xl" and "text_encoder" in facts.targets:
        shape["network_train_unet_only"] = False
    return shape


def _other_shape(params: Mapping[str, Any], lora: Model) -> Iterator[Fault]:
    """Yield the options that do not fit the LoRA: it would not load, or be scaled otherwise."""
    for name in ("network_dim", "network_alpha"):
        value = _shape_of(lora).get(name)
        if value and params.get(name) != value:
            text = f"must be {value:g}, as the LoRA has it, or be left out; not {params.get(name)}"
            yield Fault(pointer("config_params", name), text)
    facts = _facts(lora)
    for name, target, part in _LEAVES_OUT:
        if facts and target in facts.targets and params.get(name):
            text = f"must be false: {lora.name} has layers of the {part}, which would be lost"
            yield Fault(pointer("config_params", name), text)
    module = params.get("network_module")
    if module not in _MODULES:
        text = f"must be one of {', '.join(_MODULES)} to train a LoRA further; not {module}"
        yield Fault(pointer("config_params", "network_module"), text)
