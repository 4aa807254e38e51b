"""Which layers of a base model get a LoRA, under which names, as sd-scripts' default has it.

The targets are every Linear and 1x1 convolution in the U-Net's transformers and in the attention
and MLP blocks of the text encoders (networks/lora.py, LoRANetwork, at the pinned commit). SD 1.5
layers bear diffusers' names, SDXL layers those of the checkpoint.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kohya_trainer.safetensors_file import Tensor

_UNET = "model.diffusion_model."
_TRANSFORMER = re.compile(r"(.+?)\.transformer_blocks\.\d+\..+")
_CLIP = re.compile(
    r"(?P<encoder>cond_stage_model|conditioner\.embedders\.0)\.transformer\.(?:text_model\.)?"
    r"(?P<layer>encoder\.layers\.\d+\.(?:self_attn\.\w+_proj|mlp\.fc\d))\.weight"
)
_OPEN_CLIP = re.compile(
    r"conditioner\.embedders\.1\.model\.transformer\.resblocks\.(?P<number>\d+)\."
    r"(?P<layer>attn\.in_proj_weight|attn\.out_proj\.weight|mlp\.c_fc\.weight|mlp\.c_proj\.weight)"
)
_OPEN_CLIP_LAYERS = {
    "attn.in_proj_weight": ("self_attn_q_proj", "self_attn_k_proj", "self_attn_v_proj"),
    "attn.out_proj.weight": ("self_attn_out_proj",),
    "mlp.c_fc.weight": ("mlp_fc1",),
    "mlp.c_proj.weight": ("mlp_fc2",),
}


@dataclass(frozen=True)
class Layer:
    """A layer of the base model: the LoRA's name for it and where its weight lies.

    Of a fused weight it is one part of ``parts``, cut along the rows.
    """

    name: str
    weight: Tensor
    part: int = 0
    parts: int = 1

    @property
    def rows(self) -> int:
        return self.weight.shape[0] // self.parts

    @property
    def columns(self) -> int:
        return self.weight.shape[1]

    @property
    def kernel(self) -> tuple[int, ...]:
        """``(1, 1)`` for a convolution, else nothing."""
        return self.weight.shape[2:]


def unet_layers(tensors: Mapping[str, Tensor], family: str) -> list[Layer]:
    """The U-Net's layers, sorted by name."""
    names = [name.removeprefix(_UNET) for name in tensors if name.startswith(_UNET)]
    transformers = {found[1] for name in names if (found := _TRANSFORMER.fullmatch(name))}
    layers = [
        Layer(_unet_name(prefix, rest, family), tensors[_UNET + name])
        for name in names
        for prefix, rest in _inside(name, transformers)
        if _is_target(tensors[_UNET + name])
    ]
    return sorted(layers, key=lambda layer: layer.name)


def text_encoder_layers(tensors: Mapping[str, Tensor]) -> list[Layer]:
    """The layers of one or two text encoders, sorted by name."""
    layers = [layer for name, tensor in tensors.items() for layer in _text_layers(name, tensor)]
    return sorted(layers, key=lambda layer: layer.name)


def _inside(name: str, transformers: set[str]) -> Iterator[tuple[str, str]]:
    """The transformer that the weight lies in, and the layer's name there."""
    for depth in (2, 3):
        prefix = ".".join(name.split(".")[:depth])
        if prefix in transformers and name.endswith(".weight"):
            yield prefix, name[len(prefix) + 1 : -len(".weight")]


def _is_target(tensor: Tensor) -> bool:
    return len(tensor.shape) == 2 or tensor.shape[2:] == (1, 1)


def _unet_name(prefix: str, rest: str, family: str) -> str:
    where = prefix if family == "sd_xl" else _diffusers_name(prefix)
    return f"lora_unet_{where}_{rest}".replace(".", "_")


def _diffusers_name(prefix: str) -> str:
    """``input_blocks.4.1`` is ``down_blocks.1.attentions.0``: three entries to a level."""
    parts = prefix.split(".")
    if parts[0] == "middle_block":
        return "mid_block.attentions.0"
    number = int(parts[1])
    if parts[0] == "input_blocks":
        return f"down_blocks.{(number - 1) // 3}.attentions.{(number - 1) % 3}"
    return f"up_blocks.{number // 3}.attentions.{number % 3}"


def _text_layers(name: str, tensor: Tensor) -> Iterator[Layer]:
    if clip := _CLIP.fullmatch(name):
        encoder = "lora_te" if clip["encoder"] == "cond_stage_model" else "lora_te1"
        yield Layer(f"{encoder}_text_model_{clip['layer']}".replace(".", "_"), tensor)
    elif open_clip := _OPEN_CLIP.fullmatch(name):
        where = f"lora_te2_text_model_encoder_layers_{open_clip['number']}"
        parts = _OPEN_CLIP_LAYERS[open_clip["layer"]]
        for part, layer in enumerate(parts):
            yield Layer(f"{where}_{layer}", tensor, part, len(parts))
