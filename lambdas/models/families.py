"""Which family a network belongs to, by the names and shapes of its tensors.

The names are those of Stability's and Black Forest Labs' own checkpoints and of diffusers; a prefix
that holds the whole network (`model.diffusion_model.`) is cut off before. What the tensors do not
tell, metadata may: sd-scripts' `ss_base_model_version` and ModelSpec's architecture.
"""

from collections.abc import Mapping, Set

from lambdas.models.header_schema import Family
from lambdas.models.safetensors import Tensor

Tensors = Mapping[str, Tensor]

# The width of the text that cross attention takes, `context_dim` in Stability's configs.
BY_TEXT_WIDTH: dict[int, Family] = {
    768: "sd_1_5",
    1024: "sd_2",
    2048: "sd_xl",
    1280: "sd_xl_refiner",
}
_BY_EMBEDDING_WIDTH: dict[int, Family] = {768: "sd_1_5", 1024: "sd_2", 1280: "sd_xl"}
_BY_VERSION: tuple[tuple[str, Family], ...] = (
    ("sdxl_base", "sd_xl"),
    ("sd_v1", "sd_1_5"),
    ("sd_1", "sd_1_5"),
    ("sd_v2", "sd_2"),
    ("sd3", "sd_3"),
    ("flux1", "flux"),
)
_BY_ARCHITECTURE: tuple[tuple[str, Family], ...] = (
    ("stable-diffusion-v1", "sd_1_5"),
    ("stable-diffusion-v2", "sd_2"),
    ("stable-diffusion-xl-v1-base", "sd_xl"),
    ("stable-diffusion-xl-v1-refiner", "sd_xl_refiner"),
    ("stable-diffusion-3", "sd_3"),
    ("stable-diffusion-v3", "sd_3"),
    ("flux-1", "flux"),
    ("flux.1", "flux"),
)


def of_network(tensors: Tensors) -> Family:
    """Return the family of a U-Net, a transformer or a ControlNet, its prefix cut off."""
    if any(name.startswith("distilled_guidance_layer.") for name in tensors):
        return "unknown"  # Chroma: of Flux's make, but not to be used as one
    if any(name.startswith(("double_blocks.", "single_transformer_blocks.")) for name in tensors):
        return "flux"
    if any(name.startswith("joint_blocks.") for name in tensors):
        return "sd_3"
    if any(name.endswith(".attn.add_k_proj.weight") for name in tensors):
        return "sd_3"
    return of_text_widths(
        {
            tensor.shape[-1]
            for name, tensor in tensors.items()
            if name.endswith("attn2.to_k.weight") and tensor.shape
        }
    )


def of_text_widths(widths: Set[int]) -> Family:
    """Return the family by the widths of text that its layers take; they must agree."""
    return BY_TEXT_WIDTH.get(next(iter(widths)), "unknown") if len(widths) == 1 else "unknown"


def of_embedding(tensors: Tensors) -> Family:
    """Return the family of a textual inversion by the width of its vectors."""
    if "clip_g" in tensors:
        return "sd_xl"
    widths = {tensor.shape[-1] for tensor in tensors.values() if tensor.shape}
    return _BY_EMBEDDING_WIDTH.get(next(iter(widths)), "unknown") if len(widths) == 1 else "unknown"


def of_metadata(metadata: Mapping[str, str]) -> Family:
    """Return the family that the metadata names."""
    version = metadata.get("ss_base_model_version", "").lower()
    architecture = metadata.get("modelspec.architecture", "").lower()
    named = [family for start, family in _BY_VERSION if version.startswith(start)]
    named += [family for start, family in _BY_ARCHITECTURE if architecture.startswith(start)]
    return named[0] if named else "unknown"
