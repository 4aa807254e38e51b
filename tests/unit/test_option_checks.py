"""Options against each other: what sd-scripts would stop at, before it costs anything."""

from typing import Any

import pytest

from lambdas.trainings import checks, kohya
from lambdas.trainings.instances import INSTANCE_TYPES
from lambdas.trainings.options import options

A10G = INSTANCE_TYPES["ml.g5.xlarge"]
T4 = INSTANCE_TYPES["ml.g4dn.xlarge"]
FOUR = INSTANCE_TYPES["ml.g5.12xlarge"]

Given = dict[str, Any]
AT = "/config_params/"


def resolve(given: Given, fm_type: str = "sd_1_5", instance=A10G) -> kohya.Resolved:
    return kohya.resolve(given, fm_type, instance)


REFUSED: list[tuple[Given, str, str, str]] = [
    ({"bucket_reso_steps": 32}, "sd_1_5", "bucket_reso_steps", "multiple of 64"),
    ({"bucket_reso_steps": 48}, "sd_xl", "bucket_reso_steps", "multiple of 32"),
    ({"resolution": "256", "min_bucket_reso": 320}, "sd_1_5", "min_bucket_reso", "lower it"),
    ({"resolution": "768", "max_bucket_reso": 640}, "sd_1_5", "max_bucket_reso", "raise it"),
    (
        {"cache_text_encoder_outputs": True, "network_train_unet_only": False},
        "sd_xl",
        "cache_text_encoder_outputs",
        "network_train_unet_only",
    ),
    (
        {"cache_text_encoder_outputs_to_disk": True, "text_encoder_lr": 1e-5},
        "sd_xl",
        "cache_text_encoder_outputs",
        "network_train_unet_only",
    ),
    *(
        ({"cache_text_encoder_outputs": True, name: value}, "sd_xl", name, "leave one of them out")
        for name, value in [
            ("shuffle_caption", True),
            ("caption_dropout_rate", 0.1),
            ("caption_tag_dropout_rate", 0.1),
            ("token_warmup_step", 10.0),
        ]
    ),
    ({"cache_latents": True, "color_aug": True}, "sd_1_5", "color_aug", "leave one"),
    ({"cache_latents_to_disk": True, "random_crop": True}, "sd_1_5", "random_crop", "leave one"),
    ({"full_fp16": True, "mixed_precision": "bf16"}, "sd_1_5", "full_fp16", '"bf16"'),
    ({"full_bf16": True, "mixed_precision": "no"}, "sd_1_5", "full_bf16", '"no"'),
    ({"full_bf16": True, "full_fp16": True}, "sd_1_5", "full_fp16", "mixed_precision"),
    ({"fp8_base": True, "mixed_precision": "no"}, "sd_1_5", "fp8_base", '"fp16" or "bf16"'),
    ({"fp8_base_unet": True, "mixed_precision": "no"}, "sd_xl", "fp8_base_unet", '"fp16"'),
    (
        {"persistent_data_loader_workers": True, "max_data_loader_n_workers": 0},
        "sd_1_5",
        "persistent_data_loader_workers",
        "raise that",
    ),
    (
        {"network_train_unet_only": True, "network_train_text_encoder_only": True},
        "sd_1_5",
        "network_train_text_encoder_only",
        "nothing would be trained",
    ),
    ({"fused_backward_pass": True}, "sd_1_5", "fused_backward_pass", "AdaFactor"),
    (
        {
            "fused_backward_pass": True,
            "optimizer_type": "AdaFactor",
            "gradient_accumulation_steps": 2,
        },
        "sd_1_5",
        "fused_backward_pass",
        "steps of 1",
    ),
    ({"lr_scheduler": "adafactor"}, "sd_1_5", "lr_scheduler", "AdaFactor"),
    (
        {
            "optimizer_type": "AdaFactor",
            "optimizer_args": ["relative_step=False"],
            "lr_scheduler": "adafactor",
        },
        "sd_1_5",
        "lr_scheduler",
        "constant_with_warmup",
    ),
    ({"lr_warmup_steps": 10, "lr_scheduler": "constant"}, "sd_1_5", "lr_warmup_steps", "has none"),
    (
        {"lr_warmup_steps": 10, "optimizer_type": "AdaFactor"},
        "sd_xl",
        "lr_warmup_steps",
        "has none",
    ),
    ({"lr_warmup_steps": 100.0}, "sd_1_5", "lr_warmup_steps", "whole number of steps"),
    ({"lr_scheduler": "cosine_with_min_lr"}, "sd_1_5", "lr_scheduler", "lr_scheduler_min_lr_ratio"),
    ({"min_timestep": 500, "max_timestep": 400}, "sd_1_5", "min_timestep", "below max_timestep"),
    ({"adaptive_noise_scale": 0.1}, "sd_1_5", "adaptive_noise_scale", "noise_offset"),
    (
        {"scale_v_pred_loss_like_noise_pred": True},
        "sd_1_5",
        "scale_v_pred_loss_like_noise_pred",
        "v_parameterization",
    ),
    (
        {"v_pred_like_loss": 0.5, "v_parameterization": True},
        "sd_1_5",
        "v_pred_like_loss",
        "v_parameterization",
    ),
    ({"face_crop_aug_range": "4,2"}, "sd_1_5", "face_crop_aug_range", "the lower first"),
    ({"face_crop_aug_range": "big"}, "sd_1_5", "face_crop_aug_range", "the lower first"),
    ({"network_args": ["conv_dim"]}, "sd_1_5", "network_args", "key=value"),
    ({"network_args": ["algo=loha"]}, "sd_1_5", "network_args", "knows no algo"),
    (
        {"network_module": "lycoris.kohya", "network_args": ["preset=/etc/passwd"]},
        "sd_xl",
        "network_args",
        "preset must be one of",
    ),
    (
        {"network_module": "lycoris.kohya", "network_args": ["algo=magic"]},
        "sd_xl",
        "network_args",
        "algo must be one of",
    ),
    ({"optimizer_args": ["weight_decay=a lot"]}, "sd_1_5", "optimizer_args", "Python literal"),
    ({"optimizer_args": ["a=b=c"]}, "sd_1_5", "optimizer_args", "key=value"),
    ({"lr_scheduler_args": ["__import__('os')"]}, "sd_1_5", "lr_scheduler_args", "key=value"),
    ({"metadata_thumbnail": "/etc/passwd"}, "sd_1_5", "metadata_thumbnail", "by its path"),
    ({"xformers": True}, "sd_1_5", "xformers", "sdpa"),
    ({"dim_from_weights": True}, "sd_1_5", "dim_from_weights", "set by the service"),
]


@pytest.mark.parametrize(("given", "fm_type", "option", "words"), REFUSED)
def test_what_sd_scripts_would_stop_at_is_refused_with_a_remedy(
    given: Given, fm_type: str, option: str, words: str
) -> None:
    faults = resolve(given, fm_type).faults

    assert (AT + option) in [fault.pointer for fault in faults]
    assert any(words in fault.message for fault in faults if fault.pointer == AT + option)


WARNED: list[tuple[Given, str, str, str]] = [
    ({"resolution": "500", "enable_bucket": False}, "sd_1_5", "resolution", "multiples of 64"),
    ({"resolution": "512"}, "sd_xl", "resolution", "1024,1024"),
    ({"resolution": "2048"}, "sd_1_5", "resolution", "512,512"),
    ({"caption_dropout_every_n_epochs": 2}, "sd_xl", "caption_dropout_every_n_epochs", "no effect"),
    (
        {"caption_prefix": "sks, ", "cache_text_encoder_outputs": True},
        "sd_xl",
        "caption_prefix",
        "no effect",
    ),
    ({"enable_wildcard": True}, "sd_xl", "enable_wildcard", "no effect"),
    ({"mixed_precision": "fp16", "no_half_vae": False}, "sd_xl", "no_half_vae", "overflows"),
    ({"mem_eff_attn": True, "sdpa": True}, "sd_1_5", "mem_eff_attn", "slow"),
    ({"sdpa": False}, "sd_1_5", "sdpa", "set it to true"),
    ({"gradient_checkpointing": False}, "sd_xl", "gradient_checkpointing", "24 GiB"),
    ({"cpu_offload_checkpointing": True}, "sd_1_5", "cpu_offload_checkpointing", "nothing"),
    (
        {"network_train_unet_only": True, "text_encoder_lr": 1e-5},
        "sd_1_5",
        "text_encoder_lr",
        "no effect",
    ),
    ({"network_train_text_encoder_only": True, "unet_lr": 1e-5}, "sd_1_5", "unet_lr", "no effect"),
    ({"network_dim": 4, "network_alpha": 8}, "sd_1_5", "network_alpha", "2 times"),
    ({"optimizer_type": "Prodigy", "learning_rate": 1e-4}, "sd_1_5", "learning_rate", "1.0"),
    ({"optimizer_type": "Prodigy", "text_encoder_lr": 1}, "sd_1_5", "text_encoder_lr", "one rate"),
    ({"optimizer_type": "AdaFactor", "unet_lr": 1e-3}, "sd_xl", "unet_lr", "relative_step=False"),
    (
        {"optimizer_type": "AdaFactor", "lr_scheduler": "cosine"},
        "sd_xl",
        "lr_scheduler",
        "takes its own",
    ),
    (
        {"optimizer_type": "AdamWScheduleFree", "lr_scheduler": "cosine"},
        "sd_1_5",
        "lr_scheduler",
        "ignores it",
    ),
    ({"zero_terminal_snr": True}, "sd_1_5", "zero_terminal_snr", "v_parameterization"),
    ({"masked_loss": True}, "sd_1_5", "masked_loss", "alpha_mask"),
    ({"clip_skip": 2}, "sd_xl", "clip_skip", "nothing"),
    ({"ddp_static_graph": True}, "sd_1_5", "ddp_static_graph", "one GPU"),
]


@pytest.mark.parametrize(("given", "fm_type", "option", "words"), WARNED)
def test_what_is_hardly_meant_is_a_warning_and_no_fault(
    given: Given, fm_type: str, option: str, words: str
) -> None:
    resolved = resolve(given, fm_type)

    assert resolved.faults == ()
    found = {warning.pointer: warning.message for warning in resolved.warnings}
    assert words in found[AT + option]


@pytest.mark.parametrize("fm_type", ["sd_1_5", "sd_xl"])
def test_bf16_is_refused_where_the_gpu_has_none(fm_type: str) -> None:
    faults = resolve({"mixed_precision": "bf16"}, fm_type, T4).faults

    assert [fault.pointer for fault in faults] == [AT + "mixed_precision"]
    assert "T4" in faults[0].message
    assert '"fp16"' in faults[0].message


def test_several_gpus_are_told_to_take_fewer_steps() -> None:
    warnings = resolve({}, instance=FOUR).warnings

    assert [warning.pointer for warning in warnings] == [AT + "train_batch_size"]
    assert "4 times fewer steps" in warnings[0].message


def test_a_rate_of_its_own_is_followed_by_defaults_that_go_with_it() -> None:
    prodigy = resolve({"optimizer_type": "Prodigy"})
    adafactor = resolve({"optimizer_type": "AdaFactor"}, "sd_xl")
    own = resolve(
        {"optimizer_type": "AdaFactor", "optimizer_args": ["relative_step=False"]}, "sd_xl"
    )
    free = resolve({"optimizer_type": "AdamWScheduleFree"})

    assert prodigy.params["learning_rate"] == 1.0
    assert "text_encoder_lr" not in prodigy.params
    assert adafactor.params["lr_scheduler"] == "adafactor"
    assert own.params["lr_scheduler"] == "constant_with_warmup"
    for resolved in (prodigy, adafactor, own, free):
        assert (resolved.faults, resolved.warnings) == ((), ())


def test_buckets_follow_a_resolution_that_the_defaults_do_not_hold() -> None:
    small, large = resolve({"resolution": "64"}), resolve({"resolution": "1280"})

    assert small.params["min_bucket_reso"] == 64
    assert large.params["max_bucket_reso"] == 1280
    assert small.faults == large.faults == ()


def test_an_option_that_is_wrong_in_itself_is_not_told_twice() -> None:
    faults = resolve({"network_args": "x", "network_module": "os", "lr_scheduler": "never"}).faults

    assert [fault.pointer for fault in faults].count(AT + "lr_scheduler") == 1


def test_what_asks_for_more_than_the_training_has_is_a_warning() -> None:
    params = {"save_every_n_steps": 500, "save_every_n_epochs": 20, "lr_warmup_steps": 400}

    found = checks.against_steps(params, total_steps=300, epochs=10)

    assert {finding.option for finding in found} == set(params)
    assert not any(finding.fatal for finding in found)


def test_the_cases_above_name_options_of_sd_scripts() -> None:
    for given, _, option, _ in [*REFUSED, *WARNED]:
        assert {option, *given} <= set(options())
