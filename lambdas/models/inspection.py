"""What a model is, by the names and shapes of its tensors and by its metadata."""

import math
from collections import Counter
from dataclasses import dataclass

from lambdas.models.safetensors import Header
from lambdas.models.schema import FmType, HeaderFacts, ModelType

_BY_TEXT_WIDTH: dict[frozenset[int], FmType] = {
    frozenset({768}): "sd_1_5",
    frozenset({2048}): "sd_xl",
}
_MOST_ALPHA = 1e9
_TEXT_ENCODER: dict[FmType, str] = {
    "sd_1_5": "cond_stage_model.transformer.",
    "sd_xl": "conditioner.embedders.1.model.",
}


@dataclass(frozen=True)
class Inspection:
    """What a file turned out to be."""

    type: ModelType | None
    fm_type: FmType
    facts: HeaderFacts


def inspect(header: Header) -> Inspection:
    """Say what a file is by the names and shapes of its tensors."""
    kind = _type_of(header)
    facts = HeaderFacts(
        tensors=len(header.tensors),
        parameters=sum(math.prod(tensor.shape) for tensor in header.tensors.values()),
        precision=_precision(header),
        rank=_integer(header.metadata.get("ss_network_dim")),
        alpha=_number(header.metadata.get("ss_network_alpha")),
        engine=header.metadata.get("lorastack_engine", "")[:20] or None,
    )
    return Inspection(kind, _family_of(header, kind), facts)


def _type_of(header: Header) -> ModelType | None:
    names = header.tensors
    if any(name.endswith((".lora_down.weight", ".lora_A.weight", ".hada_w1_a")) for name in names):
        return "lora"
    if any(name.startswith("model.diffusion_model.") for name in names):
        return "checkpoint"
    if any(name.startswith(("control_model.", "controlnet_")) for name in names):
        return "controlnet"
    if any(name in names for name in ("emb_params", "clip_g", "clip_l", "string_to_param")):
        return "embedding"
    if any(name.startswith(("decoder.", "first_stage_model.decoder.")) for name in names):
        return "vae"
    return None


def _family_of(header: Header, kind: ModelType | None) -> FmType:
    if kind == "lora":
        return _lora_family(header)
    return _checkpoint_family(header) if kind == "checkpoint" else "other"


def _checkpoint_family(header: Header) -> FmType:
    """Tell by the width of the text that the U-Net's cross attention takes: 768 in SD 1.x, 1024 in
    SD 2.x, 2048 in SDXL base, 1280 in its refiner (the `context_dim` of Stability's configs); by 4
    latent channels in, where inpainting models have 9; and by the text encoders and the VAE, since
    sd-scripts loads a checkpoint whole."""
    unet = "model.diffusion_model."
    first = header.tensors.get(f"{unet}input_blocks.0.0.weight")
    if first is None or first.shape[1:2] != (4,):
        return "other"
    widths = frozenset(
        tensor.shape[-1]
        for name, tensor in header.tensors.items()
        if name.startswith(unet) and name.endswith("attn2.to_k.weight") and tensor.shape
    )
    family = _BY_TEXT_WIDTH.get(widths)
    if family is None:
        return "other"
    needed = (_TEXT_ENCODER[family], "first_stage_model.decoder.")
    whole = all(any(name.startswith(part) for name in header.tensors) for part in needed)
    return family if whole else "other"


def _lora_family(header: Header) -> FmType:
    version = header.metadata.get("ss_base_model_version", "")
    if version.startswith("sdxl_base"):
        return "sd_xl"
    if version == "sd_v1" or version.startswith("sd_1"):
        return "sd_1_5"
    widths = frozenset(
        tensor.shape[-1]
        for name, tensor in header.tensors.items()
        if name.endswith("attn2_to_k.lora_down.weight") and tensor.shape
    )
    return _BY_TEXT_WIDTH.get(widths, "other")


def _precision(header: Header) -> str:
    sizes: Counter[str] = Counter()
    for tensor in header.tensors.values():
        sizes[tensor.dtype] += math.prod(tensor.shape)
    return sizes.most_common(1)[0][0]


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 7 else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < _MOST_ALPHA else None
