"""What a LoRA is, by the names and shapes of its tensors, in each of the forms they come in.

kohya and LyCORIS write `lora_unet_…_to_k.lora_down.weight` (`.hada_w1_b`, `.lokr_w2_b`); PEFT
writes `unet.….to_k.lora_A.weight`; diffusers wrote `unet.….to_k_lora.down.weight` and
`….lora.down.weight`.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lambdas.models import families
from lambdas.models.header_schema import (
    Family,
    LoraAlgorithm,
    LoraFacts,
    LoraForm,
    LoraTarget,
    TriggerTag,
)
from lambdas.models.safetensors import Header, Tensor

_MOST = 20
_MOST_RANKS = 16
_MOST_COUNT = 10**9
# The tensor of each layer that has rank and inputs as its sides, and whose form it is.
_DOWN = re.compile(
    r"(?P<layer>.+?)(?:"
    r"\.(?P<kohya>lora_down\.weight|hada_w1_b|lokr_w1(?:_b)?)"
    r"|\.(?P<peft>lora_A(?:\.[^.]+)?\.weight)"
    r"|(?P<diffusers>\.lora\.down\.weight|_lora\d?\.down\.weight"
    r"|\.lora_linear_layer\.down\.weight))"
)
_IS_LORA = re.compile(
    r".*\.(lora_(down|up|mid)\.weight|lora_[AB](\.[^.]+)?\.weight|hada_w[12]_[ab]|lokr_w[12](_[ab])?"
    r"|lora\.(down|up)\.weight|lora_linear_layer\.(down|up)\.weight)|.*_lora\d?\.(down|up)\.weight"
)
_KIND = re.compile(r".*(?:blocks|layers|attentions|resnets|samplers|block)_\d+(?:_\d+)*_(.+)")
_TEXT_ENCODER = re.compile(r"lora_te|text_encoder|text_model|base_model\.model\.text_model|te\d?\.")
_SD_3_WIDTHS, _FLUX_WIDTH = {1536, 2432}, 3072


@dataclass(frozen=True)
class Layer:
    """A layer that a LoRA changes: its name with underscores, and the sides of its factors."""

    name: str
    form: LoraForm
    algorithm: LoraAlgorithm
    rank: int | None
    inputs: int


def is_lora(header: Header) -> bool:
    """Say whether the tensors are those of a LoRA in any form."""
    return any(_IS_LORA.fullmatch(name) for name in header.tensors)


def read(header: Header) -> tuple[LoraFacts, Family]:
    """Return what a LoRA's header tells, and the family of its base model."""
    layers = _layers(header.tensors)
    facts = LoraFacts(
        form=layers[0].form if layers else "kohya",
        algorithm=layers[0].algorithm if layers else "lora",
        dora=any(
            name.endswith((".dora_scale", ".lora_magnitude_vector")) for name in header.tensors
        ),
        ranks=sorted({layer.rank for layer in layers if layer.rank})[:_MOST_RANKS],
        targets=_targets(header.tensors),
        modules=[kind for kind, _ in Counter(map(_kind, layers)).most_common(_MOST)],
        module_count=len(layers),
        trigger_tags=_trigger_tags(header.metadata.get("ss_tag_frequency", "")),
    )
    told = _family(layers)
    return facts, told if told != "unknown" else families.of_metadata(header.metadata)


def alpha_of_adapter(metadata: Mapping[str, str]) -> object:
    """Return the alpha that diffusers keeps as JSON in the metadata; None where it does not."""
    told = _json_object(metadata.get("lora_adapter_metadata", ""))
    return next((value for name, value in told.items() if name.endswith("lora_alpha")), None)


def _layers(tensors: Mapping[str, Tensor]) -> list[Layer]:
    layers = []
    for name, tensor in tensors.items():
        match = _DOWN.fullmatch(name)
        if match and len(tensor.shape) >= 2:
            layers.append(_layer(match, tensor, tensors))
    return layers


def _layer(match: re.Match[str], down: Tensor, tensors: Mapping[str, Tensor]) -> Layer:
    layer, kohya = match["layer"], match["kohya"] or ""
    name = layer.replace(".processor.", ".").replace(".", "_")
    if kohya.startswith("lokr"):
        return _kronecker(name, layer, down, kohya, tensors)
    form: LoraForm = "peft" if match["peft"] else "diffusers" if match["diffusers"] else "kohya"
    algorithm: LoraAlgorithm = "loha" if kohya.startswith("hada") else "lora"
    return Layer(name, form, algorithm, down.shape[0], down.shape[1])


def _kronecker(
    name: str, layer: str, first: Tensor, kind: str, tensors: Mapping[str, Tensor]
) -> Layer:
    """A LoKr layer: the Kronecker product of two matrices, each whole or itself of low rank."""
    factors = tensors.get(f"{layer}.lokr_w2_b")
    second = factors or tensors.get(f"{layer}.lokr_w2")
    split = first if kind.endswith("_b") else None
    low = factors or split
    rank = low.shape[0] if low and low.shape else None
    inputs = first.shape[1] * (second.shape[1] if second and len(second.shape) > 1 else 1)
    return Layer(name, "kohya", "lokr", rank, inputs)


def _kind(layer: Layer) -> str:
    match = _KIND.fullmatch(layer.name)
    return (match[1] if match else layer.name)[-60:]


def _targets(tensors: Mapping[str, Tensor]) -> list[LoraTarget]:
    changed = [name for name in tensors if _IS_LORA.fullmatch(name)]
    of_text = {_TEXT_ENCODER.match(name) is not None for name in changed}
    found: list[LoraTarget] = ["diffusion"] if False in of_text else []
    return [*found, "text_encoder"] if True in of_text else found


def _family(layers: list[Layer]) -> Family:
    if _any_has(layers, "double_blocks_", "single_blocks_", "single_transformer_blocks_"):
        return "flux"
    if _any_has(layers, "joint_blocks_"):
        return "sd_3"
    text = {layer.inputs for layer in layers if layer.name.endswith(("attn2_to_k", "attn2_to_v"))}
    if text:
        return families.of_text_widths(text)
    joint = {layer.inputs for layer in layers if layer.name.endswith(("attn_to_q", "attn_to_k"))}
    if joint:
        return "flux" if joint == {_FLUX_WIDTH} else "sd_3" if joint <= _SD_3_WIDTHS else "unknown"
    if _any_has(layers, "lora_unet_input_blocks_", "lora_unet_output_blocks_"):
        return "sd_xl"  # kohya names the layers of SD 1 and 2 as diffusers does
    return _family_of_text_encoders(layers)


def _family_of_text_encoders(layers: list[Layer]) -> Family:
    if _any_has(layers, "lora_te3_"):
        return "unknown"
    if _any_has(layers, "lora_te2_", "text_encoder_2_"):
        return "sd_xl"
    width = {layer.inputs for layer in layers if layer.name.endswith("q_proj")}
    if width == {768} and _any_has(layers, "lora_te_"):
        return "sd_1_5"
    return "sd_2" if width == {1024} else "unknown"


def _any_has(layers: list[Layer], *parts: str) -> bool:
    return any(part in layer.name for layer in layers for part in parts)


def _trigger_tags(text: str) -> list[TriggerTag]:
    counts: Counter[str] = Counter()
    for tags in _json_object(text).values():
        for tag, count in tags.items() if isinstance(tags, dict) else ():
            if type(count) is int and 0 < count < _MOST_COUNT and tag.strip():
                counts[tag.strip()[:100]] += count
    return [
        TriggerTag(tag=tag, count=count)
        for tag, count in counts.most_common(_MOST)
        if not any("\ud800" <= character <= "\udfff" for character in tag)
    ]


def _json_object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
