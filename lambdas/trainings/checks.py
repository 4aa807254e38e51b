"""Options against each other, before they cost anything: what sd-scripts would stop at, and what it
would quietly do otherwise than was meant.

Each check looks at the completed options and yields findings. The lines are of sd-scripts at the
pinned commit.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.trainings import arguments
from lambdas.trainings.instances import InstanceType
from lambdas.trainings.option_values import sides
from lambdas.trainings.options import options


@dataclass(frozen=True)
class Finding:
    """What is wrong with an option among the others, and what would do."""

    option: str
    message: str
    fatal: bool = True


@dataclass(frozen=True)
class Setting:
    """The options that would be trained with, and on what."""

    params: Mapping[str, Any]
    fm_type: str
    instance: InstanceType

    def get(self, name: str) -> Any:
        """Return what an option has, sd-scripts' own default where nobody set it."""
        return self.params.get(name, options()[name].default)

    @property
    def sdxl(self) -> bool:
        """Say whether SDXL is trained."""
        return self.fm_type == "sd_xl"

    @property
    def caches_texts(self) -> bool:
        """Say whether captions are encoded once (sdxl_train_util.py:372: to disk means it too)."""
        return self.sdxl and bool(
            self.get("cache_text_encoder_outputs") or self.get("cache_text_encoder_outputs_to_disk")
        )

    @property
    def caches_latents(self) -> bool:
        """Say whether images are encoded once (train_util.py:4424: to disk means it too)."""
        return bool(self.get("cache_latents") or self.get("cache_latents_to_disk"))


Findings = Iterator[Finding]


def findings(params: Mapping[str, Any], fm_type: str, instance: InstanceType) -> list[Finding]:
    """Return all that is wrong with options among each other; warnings are not `fatal`."""
    setting = Setting(params, fm_type, instance)
    return [finding for check in _CHECKS for finding in check(setting)]


def against_steps(params: Mapping[str, Any], total_steps: int, epochs: int) -> list[Finding]:
    """Return warnings of options that ask for more than the training has."""
    limits = {
        "save_every_n_steps": (total_steps, "steps"),
        "save_every_n_epochs": (epochs, "epochs"),
        "lr_warmup_steps": (total_steps, "steps"),
    }
    return [
        _warning(name, f"is {params[name]}, but the training has {most} {unit}: lower it")
        for name, (most, unit) in limits.items()
        if params.get(name, 0) > most
    ]


def _fault(option: str, message: str) -> Finding:
    return Finding(option, message)


def _warning(option: str, message: str) -> Finding:
    return Finding(option, message, fatal=False)


def _resolution(s: Setting) -> Findings:
    width, height = sides(s.get("resolution"))
    step = 32 if s.sdxl else 64
    if not s.get("enable_bucket"):
        if width % step or height % step:
            yield _warning(
                "resolution", f"is cut to multiples of {step}: choose one, or set enable_bucket"
            )
    else:
        yield from _buckets(s, width, height, step)
    usual = (768, 1536) if s.sdxl else (384, 1024)
    if not usual[0] <= (width * height) ** 0.5 <= usual[1]:
        yield _warning(
            "resolution",
            f"is far from what {'SDXL' if s.sdxl else 'SD 1.5'} was trained at; "
            f"{'1024,1024' if s.sdxl else '512,512'} is usual",
        )


def _buckets(s: Setting, width: int, height: int, step: int) -> Findings:
    steps = s.get("bucket_reso_steps")
    if steps % step:  # train_network.py:175, sdxl_train_network.py:43
        yield _fault("bucket_reso_steps", f"must be a multiple of {step} here, not {steps}")
    low, high = s.get("min_bucket_reso"), s.get("max_bucket_reso")
    low, high = low - low % steps, high + -high % steps  # train_util.py:744, adjusted to steps
    if min(width, height) < low:  # train_util.py:766
        yield _fault(
            "min_bucket_reso",
            f"must be at most the resolution's shorter side, {min(width, height)}: lower it",
        )
    if max(width, height) > high:  # train_util.py:769
        yield _fault(
            "max_bucket_reso",
            f"must be at least the resolution's longer side, {max(width, height)}: raise it",
        )


def _cached_texts(s: Setting) -> Findings:
    if not s.caches_texts:
        return
    if not s.get("network_train_unet_only"):  # sdxl_train_network.py:39
        yield _fault(
            "cache_text_encoder_outputs",
            "rules out training the text encoders: set network_train_unet_only, or leave this out",
        )
    for name in (
        "shuffle_caption",
        "caption_dropout_rate",
        "caption_tag_dropout_rate",
        "token_warmup_step",
    ):
        if s.get(name):  # train_util.py:1102
            yield _fault(
                name,
                "changes captions in each step, and cache_text_encoder_outputs encodes them once: "
                "leave one of them out",
            )
    for name in (
        "caption_dropout_every_n_epochs",
        "caption_prefix",
        "caption_suffix",
        "enable_wildcard",
        "keep_tokens_separator",
        "secondary_separator",
    ):
        # The check in train_util.py:1102 does not name them, and what is cached are captions as
        # they stand in the files (strategy_sdxl.py:266): no effect, no word.
        if s.get(name):
            yield _warning(
                name, "has no effect when cache_text_encoder_outputs encodes captions once"
            )


def _cached_latents(s: Setting) -> Findings:
    for name in ("color_aug", "random_crop"):
        if s.caches_latents and s.get(name):  # train_network.py:582, train_util.py:1099
            yield _fault(
                name,
                "changes images in each step, and cache_latents encodes them once: leave one of "
                "them out",
            )


def _precision(s: Setting) -> Findings:
    mixed = s.get("mixed_precision")
    for precision in ("fp16", "bf16"):
        if s.get(f"full_{precision}") and mixed != precision:  # train_network.py:815, :821
            yield _fault(
                f"full_{precision}", f'needs mixed_precision "{precision}", which is "{mixed}"'
            )
    if (s.get("fp8_base") or s.get("fp8_base_unet")) and mixed == "no":  # train_network.py:831
        yield _fault(
            "fp8_base" if s.get("fp8_base") else "fp8_base_unet",
            'needs mixed_precision "fp16" or "bf16", which is "no"',
        )
    if mixed == "bf16" and not s.instance.bf16:
        yield _fault(
            "mixed_precision",
            f"the {s.instance.gpu} of {s.instance.name} has no bf16 (NVIDIA has it from Ampere "
            'on): set "fp16", or choose an instance such as ml.g5.xlarge',
        )
    if mixed == "fp16" and s.sdxl and not s.get("no_half_vae"):
        # Cached latents stop at the first NaN (train_util.py:3097), others become zeros (:409).
        yield _warning(
            "no_half_vae",
            "SDXL's own VAE overflows in fp16: set it to true, unless the base model's is mended",
        )


def _attention(s: Setting) -> Findings:
    if s.get("mem_eff_attn"):  # train_util.py:3362: it goes before the others
        yield _warning(
            "mem_eff_attn",
            "is slow and goes before sdpa, which then does nothing: leave it out unless memory "
            "runs out",
        )
    elif not s.get("sdpa"):
        yield _warning("sdpa", "without it attention is slow and takes much memory: set it to true")


def _memory(s: Setting) -> Findings:
    small = s.instance.gpu_memory_gib <= 24
    if s.sdxl and small and not s.get("gradient_checkpointing"):
        yield _warning(
            "gradient_checkpointing",
            f"SDXL hardly fits in {s.instance.gpu_memory_gib} GiB without it: set it to true",
        )
    if s.get("cpu_offload_checkpointing") and not s.get("gradient_checkpointing"):
        yield _warning("cpu_offload_checkpointing", "does nothing without gradient_checkpointing")
    if s.get("persistent_data_loader_workers") and s.get("max_data_loader_n_workers") == 0:
        # train_network.py:786: torch refuses persistent workers where there are none
        yield _fault(
            "persistent_data_loader_workers",
            "needs max_data_loader_n_workers of at least 1: raise that, or leave this out",
        )


def _what_is_trained(s: Setting) -> Findings:
    unet_only, texts_only = (
        s.get("network_train_unet_only"),
        s.get("network_train_text_encoder_only"),
    )
    if unet_only and texts_only:  # train_network.py:707, :221: neither would be trained
        yield _fault(
            "network_train_text_encoder_only",
            "with network_train_unet_only nothing would be trained: leave one of them out",
        )
    if unet_only and s.get("text_encoder_lr") is not None:
        yield _warning("text_encoder_lr", "has no effect with network_train_unet_only")
    if texts_only and s.get("unet_lr") is not None:
        yield _warning("unet_lr", "has no effect with network_train_text_encoder_only")


def _network(s: Setting) -> Findings:
    alpha, dim = s.get("network_alpha"), s.get("network_dim")
    if dim and alpha > dim:  # networks/lora.py:71: the scale is alpha / dim
        yield _warning(
            "network_alpha",
            f"is over network_dim ({dim}), so that what is learnt is blown up {alpha / dim:g} "
            "times: half of it is usual",
        )
    for option, message in arguments.faults(s.params):
        yield _fault(option, message)


def _optimizer(s: Setting) -> Findings:
    kind = s.get("optimizer_type")
    if s.get("fused_backward_pass"):  # train_util.py:4848-4855
        if kind != "AdaFactor":
            yield _fault("fused_backward_pass", "works with optimizer_type AdaFactor only")
        if s.get("gradient_accumulation_steps") > 1:
            yield _fault("fused_backward_pass", "needs gradient_accumulation_steps of 1")
    if kind == "Prodigy" and (s.get("unet_lr") or s.get("learning_rate")) <= 0.1:
        yield _warning(  # train_util.py:4990
            "learning_rate", "Prodigy finds the rate by itself and wants 1.0 here"
        )
    if kind == "Prodigy" and s.get("text_encoder_lr") is not None:
        yield _warning(  # train_util.py:4995: only the first rate takes effect
            "text_encoder_lr", "Prodigy takes one rate for all: leave it out"
        )
    if kind == "AdaFactor":
        yield from _adafactor(s)
    elif s.get("lr_scheduler") == "adafactor":  # train_util.py:5314
        yield _fault("lr_scheduler", "adafactor belongs to optimizer_type AdaFactor")
    if kind.endswith("ScheduleFree") and s.get("lr_scheduler") != "constant":
        yield _warning("lr_scheduler", f"{kind} has its own and ignores it")  # train_util.py:5270


def _adafactor(s: Setting) -> Findings:
    given = arguments.keyed(s.get("optimizer_args"))
    relative = given.get("relative_step", "True") != "False" or given.get("warmup_init") == "True"
    if relative:  # train_util.py:5058-5079
        for name in ("unet_lr", "text_encoder_lr"):
            if s.params.get(name) is not None:
                yield _warning(
                    name,
                    "AdaFactor finds rates by itself and ignores it; "
                    'optimizer_args ["relative_step=False"] makes it heed it',
                )
        if s.get("lr_scheduler") != "adafactor":
            yield _warning("lr_scheduler", "AdaFactor with relative steps takes its own instead")
    elif s.get("lr_scheduler") == "adafactor":  # train_util.py:5317 looks for a rate behind a colon
        yield _fault(
            "lr_scheduler", 'adafactor needs relative steps: set "constant_with_warmup" instead'
        )


def _schedule(s: Setting) -> Findings:
    scheduler, warmup = s.get("lr_scheduler"), s.get("lr_warmup_steps")
    own = s.get("optimizer_type").endswith("ScheduleFree")
    if warmup and scheduler in ("constant", "adafactor") and not own:  # train_util.py:5296
        yield _fault(
            "lr_warmup_steps",
            f'lr_scheduler "{scheduler}" has none: leave it out, or set "constant_with_warmup"',
        )
    for name in ("lr_warmup_steps", "lr_decay_steps"):
        share = s.get(name)
        if isinstance(share, float) and share >= 1:  # train_util.py:5276: a share of all steps
            yield _fault(
                name, f"{share} would be that many times all steps: write a whole number of steps"
            )
    if scheduler == "cosine_with_min_lr" and s.get("lr_scheduler_min_lr_ratio") is None:
        # train_util.py:5366 hands it on, and transformers refuses to go without
        yield _fault("lr_scheduler", "cosine_with_min_lr needs lr_scheduler_min_lr_ratio, 0.1 say")


def _noise(s: Setting) -> Findings:
    low, high = s.get("min_timestep"), s.get("max_timestep")
    low, high = 0 if low is None else low, 1000 if high is None else high
    if low >= high:  # train_util.py:6063: then all timesteps are max_timestep, or over the end
        yield _fault("min_timestep", f"must be below max_timestep, {high}")
    if s.get("adaptive_noise_scale") is not None and s.get("noise_offset") is None:
        yield _fault("adaptive_noise_scale", "needs noise_offset: set it")  # train_util.py:4444
    v_prediction = s.get("v_parameterization")
    if s.get("scale_v_pred_loss_like_noise_pred") and not v_prediction:  # train_util.py:4446
        yield _fault("scale_v_pred_loss_like_noise_pred", "needs v_parameterization")
    if s.get("v_pred_like_loss") and v_prediction:  # train_util.py:4451
        yield _fault("v_pred_like_loss", "can't go with v_parameterization: leave one out")
    if s.get("zero_terminal_snr") and not v_prediction:  # train_util.py:4456
        yield _warning("zero_terminal_snr", "is for models with v_parameterization")
    if s.get("masked_loss") and not s.get("alpha_mask"):
        # train_network.py:471, custom_train_functions.py:487: without a mask the loss stays whole
        yield _warning("masked_loss", "does nothing without a mask: set alpha_mask")


def _captions(s: Setting) -> Findings:
    if s.sdxl and s.get("clip_skip") is not None:  # sdxl_train_util.py:352
        yield _warning("clip_skip", "does nothing for SDXL: leave it out")
    crop = s.get("face_crop_aug_range")
    if crop is not None and not _is_range(crop):  # train_util.py:5419
        yield _fault("face_crop_aug_range", 'must be two numbers, the lower first, as in "2.0,4.0"')


def _is_range(text: str) -> bool:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        return False
    return low <= high


def _gpus(s: Setting) -> Findings:
    gpus = s.instance.gpus
    if gpus > 1:  # train_network.py:800: steps are divided by the processes
        batch = s.get("train_batch_size") * s.get("gradient_accumulation_steps") * gpus
        yield _warning(
            "train_batch_size",
            f"{s.instance.name} has {gpus} GPUs: each step learns from {batch} images, so there "
            f"are {gpus} times fewer steps; a higher learning_rate or more epochs make up for it",
        )
    for name in ("ddp_timeout", "ddp_gradient_as_bucket_view", "ddp_static_graph"):
        if gpus == 1 and s.get(name):
            yield _warning(name, f"does nothing on the one GPU of {s.instance.name}")


_CHECKS: tuple[Callable[[Setting], Findings], ...] = (
    _resolution,
    _cached_texts,
    _cached_latents,
    _precision,
    _attention,
    _memory,
    _what_is_trained,
    _network,
    _optimizer,
    _schedule,
    _noise,
    _captions,
    _gpus,
)
