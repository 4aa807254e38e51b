"""What a model is, by the names and shapes of its tensors and by its metadata."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lambdas.models import families, lora_header
from lambdas.models.header_schema import (
    Family,
    HeaderFacts,
    LoraFacts,
    ModelSpec,
    Part,
    Prediction,
)
from lambdas.models.safetensors import Header, Tensor
from lambdas.models.schema import FmType, ModelType

_MOST_ALPHA = 1e9
_LONGEST_FIELD = 500
_NETWORK = "model.diffusion_model."
_CONTROL = ("control_model.", "controlnet_", "lllite_", "lora_controlnet")
_EMBEDDING = ("emb_params", "clip_g", "clip_l", "string_to_param")
_BARE_NETWORK = (
    *("double_blocks.", "single_transformer_blocks.", "joint_blocks."),
    *("down_blocks.", "transformer_blocks.", "input_blocks."),
)
_TEXT_ENCODERS = ("cond_stage_model.", "conditioner.embedders.", "text_encoders.")
_VAES = ("first_stage_model.decoder.", "vae.decoder.", "decoder.")
# What sd-scripts loads besides U-Net and VAE; without it a checkpoint can't be trained on.
_TRAINED_TEXT_ENCODER: dict[Family, str] = {
    "sd_1_5": "cond_stage_model.transformer.",
    "sd_xl": "conditioner.embedders.1.model.",
}
_FM_TYPES: dict[Family, FmType] = {"sd_1_5": "sd_1_5", "sd_xl": "sd_xl"}
# How many channels the first layer takes where it takes a mask and an image as well.
_INPAINTING_CHANNELS = {"input_blocks.0.0.weight": 9, "conv_in.weight": 9, "img_in.weight": 384}
_EMBEDDING_WIDTHS = {768, 1024, 1280}


@dataclass(frozen=True)
class Inspection:
    """What a file turned out to be."""

    type: ModelType | None
    fm_type: FmType
    facts: HeaderFacts


def inspect(header: Header) -> Inspection:
    """Say what a file is by the names and shapes of its tensors."""
    kind = _type_of(header)
    lora, family = _family_of(header, kind)
    facts = HeaderFacts(
        tensors=len(header.tensors),
        parameters=sum(math.prod(tensor.shape) for tensor in header.tensors.values()),
        precision=_precision(header),
        family=family,
        parts=_parts(header) if kind == "checkpoint" else [],
        inpainting=kind == "checkpoint" and _takes_a_mask(_network(header)),
        prediction=_prediction(header),
        rank=_rank(header, lora),
        alpha=_alpha(header.metadata),
        lora=lora,
        modelspec=_modelspec(header.metadata),
        engine=header.metadata.get("lorastack_engine", "")[:20] or None,
    )
    return Inspection(kind, _fm_type(header, kind, family), facts)


def _type_of(header: Header) -> ModelType | None:
    names = header.tensors
    if lora_header.is_lora(header):
        return "lora"
    if any(name.startswith(_CONTROL) for name in names):
        return "controlnet"
    if any(name.startswith((_NETWORK, *_BARE_NETWORK)) for name in names):
        return "checkpoint"
    if any(name in names for name in _EMBEDDING) or _is_one_token(names):
        return "embedding"
    if any(name.startswith(_VAES) for name in names):
        return "vae"
    return None


def _is_one_token(tensors: Mapping[str, Tensor]) -> bool:
    """A textual inversion of diffusers: one tensor, named by the token, a vector or a few."""
    shapes = [tensor.shape for tensor in tensors.values()]
    return len(shapes) == 1 and len(shapes[0]) in (1, 2) and shapes[0][-1] in _EMBEDDING_WIDTHS


def _family_of(header: Header, kind: ModelType | None) -> tuple[LoraFacts | None, Family]:
    if kind == "lora":
        return lora_header.read(header)
    if kind == "embedding":
        told = families.of_embedding(header.tensors)
    elif kind in ("checkpoint", "controlnet"):
        told = families.of_network(_network(header))
    else:
        told = "unknown"
    return None, told if told != "unknown" else families.of_metadata(header.metadata)


def _network(header: Header) -> dict[str, Tensor]:
    """Return the tensors of the diffusion network, without the prefix that holds it."""
    for prefix in (_NETWORK, "control_model."):
        inside = {
            name.removeprefix(prefix): tensor
            for name, tensor in header.tensors.items()
            if name.startswith(prefix)
        }
        if inside:
            return inside
    return dict(header.tensors)


def _fm_type(header: Header, kind: ModelType | None, family: Family) -> FmType:
    """Return what can be trained with it. Of a checkpoint sd-scripts needs all parts, a U-Net that
    takes the four latent channels and nothing else, and the names of Stability's checkpoints."""
    if kind == "checkpoint":
        first = header.tensors.get(f"{_NETWORK}input_blocks.0.0.weight")
        if first is None or first.shape[1:2] != (4,) or family not in _TRAINED_TEXT_ENCODER:
            return "other"
        needed = (_TRAINED_TEXT_ENCODER[family], "first_stage_model.decoder.")
        if not all(any(name.startswith(part) for name in header.tensors) for part in needed):
            return "other"
    return _FM_TYPES.get(family, "other")


def _parts(header: Header) -> list[Part]:
    starts: dict[Part, tuple[str, ...]] = {
        "diffusion": (_NETWORK, *_BARE_NETWORK),
        "text_encoder": _TEXT_ENCODERS,
        "vae": _VAES,
    }
    return [
        part
        for part, prefixes in starts.items()
        if any(name.startswith(prefixes) for name in header.tensors)
    ]


def _takes_a_mask(network: Mapping[str, Tensor]) -> bool:
    return any(
        name in network and network[name].shape[1:2] == (channels,)
        for name, channels in _INPAINTING_CHANNELS.items()
    )


def _prediction(header: Header) -> Prediction | None:
    """Return what the network predicts, where it is told.

    `v_pred` is the empty tensor by which several tools mark a checkpoint; nothing else in the
    tensors tells it.
    """
    metadata = header.metadata
    told = metadata.get("modelspec.prediction_type", "").lower()
    versions = (
        metadata.get("modelspec.architecture", ""),
        metadata.get("ss_base_model_version", ""),
    )
    if "v_pred" in header.tensors or told in ("v", "v_prediction", "v-prediction"):
        return "v"
    if any(version.lower().partition("/")[0].endswith(("768-v", "_v")) for version in versions):
        return "v"
    return "epsilon" if told in ("epsilon", "eps") else None


def _precision(header: Header) -> str:
    sizes: Counter[str] = Counter()
    for tensor in header.tensors.values():
        sizes[tensor.dtype] += math.prod(tensor.shape)
    return sizes.most_common(1)[0][0]


def _rank(header: Header, lora: LoraFacts | None) -> int | None:
    """Return a LoRA's rank: its network_dim, or else the one that all its layers have."""
    told = _integer(header.metadata.get("ss_network_dim"))
    return lora.ranks[0] if told is None and lora and len(lora.ranks) == 1 else told


def _alpha(metadata: Mapping[str, str]) -> float | None:
    # Each layer's own alpha is a tensor, whose value no header tells.
    told = _number(metadata.get("ss_network_alpha"))
    return told if told is not None else _number(lora_header.alpha_of_adapter(metadata))


def _modelspec(metadata: Mapping[str, str]) -> ModelSpec | None:
    found = {
        name: metadata[f"modelspec.{name}"][:_LONGEST_FIELD]
        for name in ModelSpec.model_fields
        if metadata.get(f"modelspec.{name}")
    }
    return ModelSpec(**found) if found else None


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 7 else None


def _number(told: object) -> float | None:
    if not isinstance(told, str | int | float) or told == "":
        return None
    try:
        number = float(told)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < _MOST_ALPHA else None
