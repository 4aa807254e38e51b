"""Makes a full-size base model of random weights with sd-scripts' own classes and savers.

Runs in the environment of sd-scripts, with their work tree on the path (`local.kohya.model` starts
it so): `python -m local.kohya.random_weights sd_1_5 SEED OUTPUT`. The networks are built without
memory, turned to half precision and only then filled, so no more than the file's size is held.
"""

import resource
import sys
from collections.abc import Callable
from typing import Any

import torch  # type: ignore[import-not-found]
from accelerate import init_empty_weights  # type: ignore[import-not-found]
from diffusers import AutoencoderKL  # type: ignore[import-not-found]
from library import (  # type: ignore[import-not-found]
    model_util,
    original_unet,
    safetensors_utils,
    sdxl_model_util,
    sdxl_original_unet,
)
from transformers import (  # type: ignore[import-not-found]
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
)

Module = Any  # torch.nn.Module; torch is not in the environment that is type-checked

# The shapes that library/model_util.py and library/sdxl_model_util.py load.
CLIP_L = CLIPTextConfig(
    vocab_size=49408,
    hidden_size=768,
    intermediate_size=3072,
    num_hidden_layers=12,
    num_attention_heads=12,
    projection_dim=768,
)
CLIP_BIG_G = CLIPTextConfig(
    vocab_size=49408,
    hidden_size=1280,
    intermediate_size=5120,
    num_hidden_layers=32,
    num_attention_heads=20,
    hidden_act="gelu",
    projection_dim=1280,
)
METADATA = {"format": "pt", "lorastack": "random weights, for tests of the training only"}


def fill(build: Callable[[], Module], generator: torch.Generator) -> Module:
    """Builds a network in half precision with weights drawn from the generator."""
    with init_empty_weights():
        network = build().half()
    network.to_empty(device="cpu")
    with torch.no_grad():
        for name, weight in network.named_parameters():
            _fill(name, weight, generator)
    return network


def _fill(name: str, weight: torch.Tensor, generator: torch.Generator) -> None:
    """PyTorch's default spread for layers, 1 for the scale of a normalisation, 0 for biases."""
    if weight.dim() > 1:
        bound = weight[0].numel() ** -0.5
        weight.uniform_(-bound, bound, generator=generator)
    else:
        weight.fill_(1.0 if name.endswith("weight") else 0.0)


def autoencoder() -> Module:
    """The VAE that both families share."""
    return AutoencoderKL(**model_util.create_vae_diffusers_config())


def unet_of_sd_1_5() -> Module:
    """The U-Net of Stable Diffusion 1.5."""
    config = model_util.create_unet_diffusers_config(v2=False)
    return original_unet.UNet2DConditionModel(**config)


def save_sd_1_5(generator: torch.Generator, output: str) -> int:
    """Writes a Stable Diffusion 1.5 checkpoint; returns its number of tensors."""
    text_encoder = fill(lambda: CLIPTextModel(CLIP_L), generator)
    unet = fill(unet_of_sd_1_5, generator)
    vae = fill(autoencoder, generator)
    count: int = model_util.save_stable_diffusion_checkpoint(
        False, output, text_encoder, unet, None, 0, 0, METADATA, vae=vae
    )
    return count


def save_sd_xl(generator: torch.Generator, output: str) -> int:
    """Writes an SDXL checkpoint; returns its number of tensors."""
    text_encoders = (
        fill(lambda: CLIPTextModel(CLIP_L), generator),
        fill(lambda: CLIPTextModelWithProjection(CLIP_BIG_G), generator),
    )
    unet = fill(sdxl_original_unet.SdxlUNet2DConditionModel, generator)
    vae = fill(autoencoder, generator)
    logit_scale = torch.tensor(4.6052, dtype=torch.float16)
    count: int = sdxl_model_util.save_stable_diffusion_checkpoint(
        output, *text_encoders, unet, 0, 0, None, vae, logit_scale, METADATA
    )
    return count


def write_tensor_by_tensor() -> None:
    """Lets both savers write with sd-scripts' frugal writer; the other copies all tensors first."""
    model_util.save_file = safetensors_utils.mem_eff_save_file
    sdxl_model_util.save_file = safetensors_utils.mem_eff_save_file


SAVERS: dict[str, Callable[[torch.Generator, str], int]] = {
    "sd_1_5": save_sd_1_5,
    "sd_xl": save_sd_xl,
}


def main(fm_type: str, seed: str, output: str) -> None:
    """Writes the file and says how many tensors it has and how much memory that took."""
    write_tensor_by_tensor()
    count = SAVERS[fm_type](torch.Generator().manual_seed(int(seed)), output)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"kohya: {count} tensors written, {peak:.1f} GiB of memory at most", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
