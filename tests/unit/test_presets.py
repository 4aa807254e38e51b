"""Presets: a whole set of options for each family, GPU and purpose, each with its reason."""

import pytest

from lambdas.trainings import kohya, presets
from lambdas.trainings.instances import INSTANCE_TYPES
from lambdas.trainings.presets import MEMORY_CLASSES, PRESETS, defaults_of, instance_of

A10G = INSTANCE_TYPES["ml.g5.xlarge"]
CASES = [
    (preset, fm_type, memory)
    for preset in PRESETS
    for fm_type in ("sd_1_5", "sd_xl")
    for memory in MEMORY_CLASSES
]


@pytest.mark.parametrize(("preset", "fm_type", "memory"), CASES)
def test_a_preset_is_faultless_and_each_default_has_its_reason(preset, fm_type, memory) -> None:
    instance = instance_of(memory)
    defaults = defaults_of(preset, fm_type, instance)
    values = {name: one.value for name, one in defaults.items()}

    alone = kohya.resolve({}, fm_type, instance, preset=preset)
    sent_back = kohya.resolve(values, fm_type, instance, preset=preset)

    assert alone.faults == sent_back.faults == ()
    assert alone.params == sent_back.params == values
    assert all(one.reason and not one.reason.endswith(".") for one in defaults.values())
    if instance.gpus == 1:
        assert alone.warnings == ()


@pytest.mark.parametrize(
    ("instance_type", "memory"),
    [
        ("ml.g4dn.xlarge", 16),
        ("ml.g6.xlarge", 24),
        ("ml.p4d.24xlarge", 48),
        ("ml.g6e.xlarge", 48),
        ("ml.p5.48xlarge", 80),
    ],
)
def test_an_instance_takes_the_presets_of_its_gpu(instance_type: str, memory: int) -> None:
    assert presets.memory_class(INSTANCE_TYPES[instance_type]) == memory


def test_what_is_learnt_does_not_hang_on_the_gpu() -> None:
    speed_only = {"mixed_precision", "gradient_checkpointing"}

    for preset, fm_type, memory in CASES:
        here = defaults_of(preset, fm_type, instance_of(memory))
        there = defaults_of(preset, fm_type, A10G)
        assert {n for n in here | there if here.get(n) != there.get(n)} <= speed_only


def test_what_a_user_sets_goes_over_the_preset() -> None:
    resolved = kohya.resolve({"network_dim": 64}, "sd_1_5", A10G, preset="character")

    assert resolved.params["network_dim"] == 64
    assert resolved.params["network_alpha"] == 32
    assert resolved.params["min_snr_gamma"] == 5.0


@pytest.mark.parametrize(
    "given",
    [
        {"optimizer_type": "Prodigy"},
        {"optimizer_type": "AdaFactor"},
        {"max_train_steps": 100},
        {"shuffle_caption": True},
        {"network_train_unet_only": False},
        {"network_dim": 3},
        {"resolution": 640, "random_crop": True, "mem_eff_attn": True, "full_fp16": True},
    ],
)
@pytest.mark.parametrize("fm_type", ["sd_1_5", "sd_xl"])
def test_resolved_options_sent_back_resolve_to_themselves(given: dict, fm_type: str) -> None:
    first = kohya.resolve(given, fm_type, A10G)
    second = kohya.resolve(first.params, fm_type, A10G)

    assert second.params == first.params
    assert second.faults == first.faults == ()
    assert second.warnings == first.warnings
    assert second.corrections == ()
