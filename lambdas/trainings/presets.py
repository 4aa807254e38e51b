"""What an option has that the user does not set: by family, GPU and purpose, each with its reason.

A preset learns the same on every GPU: memory decides only what costs time (checkpointing, how many
images go through the VAE at once), never the batch, the rank or the learning rate.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

from lambdas.trainings.arguments import keyed
from lambdas.trainings.instances import INSTANCE_TYPES, InstanceType
from lambdas.trainings.option_values import sides
from lambdas.trainings.schema import Preset

Params = dict[str, Any]

PRESETS: tuple[Preset, ...] = get_args(Preset)
DEFAULT_PRESET: Preset = "style"
MEMORY_CLASSES = (16, 24, 48, 80)


@dataclass(frozen=True)
class Default:
    """What an option has in a preset, and why."""

    value: Any
    reason: str


Defaults = dict[str, Default]

_ALWAYS: Defaults = {
    "network_module": Default("networks.lora", "the form that WebUI and ComfyUI load as it is"),
    "network_dim": Default(16, "enough for one style; a file of 19 MB for SD 1.5"),
    "network_alpha": Default(8.0, "half the rank: the usual damping, keeps learning rates alike"),
    "optimizer_type": Default("AdamW", "a LoRA's own states are small, 8 bit would save little"),
    "learning_rate": Default(1e-4, "what most published LoRAs were trained with"),
    "lr_scheduler": Default("cosine", "ends quietly, so the last epoch is usually a good one"),
    "max_train_epochs": Default(10, "ten LoRAs to choose from; the best is seldom the first"),
    "train_batch_size": Default(1, "the same steps on every GPU, so presets compare"),
    "save_every_n_epochs": Default(1, "an earlier epoch is often the better one, and none is lost"),
    "save_precision": Default("fp16", "what WebUI and ComfyUI load without a conversion"),
    "sdpa": Default(True, "PyTorch's own attention, as quick as xformers and always there"),
    "cache_latents": Default(True, "the VAE runs once for each image instead of once a step"),
    "enable_bucket": Default(True, "images keep their shape"),
    "bucket_no_upscale": Default(True, "small images are not blown up"),
    "min_bucket_reso": Default(256, "smaller images hold too little to learn from"),
    "bucket_reso_steps": Default(64, "what both families accept"),
    "max_data_loader_n_workers": Default(2, "cached latents leave them little to do"),
    "seed": Default(42, "the same training again gives the same LoRA"),
}

_FAMILY: dict[str, Defaults] = {
    "sd_1_5": {
        "resolution": Default("512,512", "what SD 1.5 was trained at"),
        "max_bucket_reso": Default(1024, "twice the resolution: room for long shapes"),
        "text_encoder_lr": Default([5e-5], "half the U-Net's, against overfitting the words"),
    },
    "sd_xl": {
        "resolution": Default("1024,1024", "what SDXL was trained at"),
        "max_bucket_reso": Default(2048, "twice the resolution: room for long shapes"),
        "network_train_unet_only": Default(True, "two text encoders cost much and give little"),
        "cache_text_encoder_outputs": Default(True, "captions are encoded once, not every step"),
        "no_half_vae": Default(True, "SDXL's VAE overflows in fp16"),
    },
}

_PURPOSE: dict[Preset, Defaults] = {
    "style": {},
    "character": {
        "network_dim": Default(32, "a face and clothes are more to hold than one manner"),
        "network_alpha": Default(16.0, "half the rank, as ever"),
        "min_snr_gamma": Default(5.0, "evens the timesteps out, so that likeness settles sooner"),
    },
    "object": {
        "network_dim": Default(8, "one thing is little to hold; a small rank leaves the rest out"),
        "network_alpha": Default(4.0, "half the rank, as ever"),
        "min_snr_gamma": Default(5.0, "evens the timesteps out, so that the shape settles sooner"),
    },
}

_SHUFFLED: Defaults = {
    "shuffle_caption": Default(True, "no feature hangs on its place in the caption"),
    "keep_tokens": Default(1, "the first word, which calls the character, stays first"),
}


def memory_class(instance: InstanceType) -> int:
    """Return the class of an instance's GPU, in GiB; 40 GiB count as 48."""
    return max((one for one in MEMORY_CLASSES if instance.gpu_memory_gib >= one * 0.8), default=16)


def instance_of(memory: int) -> InstanceType:
    """Return an instance type of a class."""
    return next(one for one in INSTANCE_TYPES.values() if memory_class(one) == memory)


def defaults_of(preset: Preset, fm_type: str, instance: InstanceType) -> Defaults:
    """Return what a preset sets on an instance, each with its reason."""
    defaults = _ALWAYS | _FAMILY[fm_type] | _PURPOSE[preset] | _precision(instance)
    if preset == "character" and fm_type == "sd_1_5":
        defaults |= _SHUFFLED  # for SDXL it would forbid to cache what the text encoders say
    if fm_type == "sd_xl" and memory_class(instance) <= 24:
        reason = "SDXL at 1024 fits in 16 and 24 GB with it"
        defaults["gradient_checkpointing"] = Default(True, reason)
    return defaults


def _precision(instance: InstanceType) -> Defaults:
    if instance.bf16:
        return {"mixed_precision": Default("bf16", "does not overflow, and this GPU has it")}
    return {"mixed_precision": Default("fp16", "this GPU has no bf16")}


def completed(
    checked: Params,
    preset: Preset,
    fm_type: str,
    instance: InstanceType,
    of_datasets: Iterable[Params] = ({},),
) -> Params:
    """Return what a user set over what the preset sets, less what the former rules out, be it for
    one dataset alone."""
    defaults = {name: one.value for name, one in defaults_of(preset, fm_type, instance).items()}
    for name in {name for own in of_datasets for name in _ruled_out(checked | own, fm_type)}:
        defaults.pop(name, None)
    return defaults | _following(checked, defaults) | checked


def _ruled_out(checked: Params, fm_type: str) -> set[str]:
    out: set[str] = set()
    if "max_train_steps" in checked:
        out.add("max_train_epochs")
    if checked.get("mem_eff_attn"):
        out.add("sdpa")
    if checked.get("color_aug") or checked.get("random_crop"):
        out.add("cache_latents")
    if fm_type == "sd_xl" and _trains_text_encoder(checked):
        out |= {"cache_text_encoder_outputs", "network_train_unet_only"}
    if _captions_change(checked):
        out.add("cache_text_encoder_outputs")
    if checked.get("network_train_unet_only") or _one_rate(checked):
        out.add("text_encoder_lr")
    return out


def _following(checked: Params, defaults: Params) -> Params:
    """Return the defaults that follow from what the user set."""
    follow: Params = {}
    if _one_rate(checked):
        follow["learning_rate"] = 1.0  # Prodigy finds the rate; train_util.py:4993
    optimizer = checked.get("optimizer_type", "")
    if optimizer == "AdaFactor":
        follow["lr_scheduler"] = "constant_with_warmup" if _own_rate(checked) else "adafactor"
    if optimizer.endswith("ScheduleFree"):
        follow["lr_scheduler"] = "constant"  # which it ignores; train_util.py:5270
    for precision in ("fp16", "bf16"):
        if checked.get(f"full_{precision}"):
            follow["mixed_precision"] = precision
    if "network_dim" in checked:
        follow["network_alpha"] = (
            checked["network_dim"] / 2
        )  # half the rank, as the presets have it
    if "resolution" in checked:
        width, height = sides(checked["resolution"])
        follow["min_bucket_reso"] = min(defaults["min_bucket_reso"], width, height)
        follow["max_bucket_reso"] = max(defaults["max_bucket_reso"], width, height)
    return follow


def _one_rate(checked: Params) -> bool:
    return bool(checked.get("optimizer_type") == "Prodigy")


def _own_rate(checked: Params) -> bool:
    return keyed(checked.get("optimizer_args")).get("relative_step") == "False"


def _trains_text_encoder(checked: Params) -> bool:
    return (
        checked.get("network_train_unet_only") is False
        or bool(checked.get("network_train_text_encoder_only"))
        or "text_encoder_lr" in checked
    )


def _captions_change(checked: Params) -> bool:
    names = ("shuffle_caption", "caption_dropout_rate", "caption_tag_dropout_rate")
    words = ("caption_prefix", "caption_suffix")  # which are not encoded when captions are cached
    return any(checked.get(name) for name in (*names, *words, "token_warmup_step"))
