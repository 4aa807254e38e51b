"""What "Format Config Params" corrects, and what it leaves to be refused."""

import json
import tomllib
from typing import Any

import pytest

from lambdas.trainings import kohya
from lambdas.trainings.corrections import ALIASES
from lambdas.trainings.instances import INSTANCE_TYPES
from lambdas.trainings.options import open_options, options

A10G = INSTANCE_TYPES["ml.g5.xlarge"]
AT = "/config_params/"


def formatted(given: Any, fm_type: str = "sd_1_5") -> kohya.Resolved:
    return kohya.resolve(given, fm_type, A10G, corrects=True)


def strict(given: Any, fm_type: str = "sd_1_5") -> kohya.Resolved:
    return kohya.resolve(given, fm_type, A10G)


CORRECTED: list[tuple[str, Any, str, Any, str]] = [
    ("learning_rate", "1e-4", "learning_rate", 1e-4, "a text"),
    ("network_dim", "16", "network_dim", 16, "a text"),
    ("network_dim", 16.0, "network_dim", 16, "needless fraction"),
    ("lr_warmup_steps", "0.1", "lr_warmup_steps", 0.1, "a text"),
    ("cache_latents", "true", "cache_latents", True, "true or false"),
    ("cache_latents", 1, "cache_latents", True, "true or false"),
    ("flip_aug", 0, "flip_aug", False, "true or false"),
    ("optimizer_type", "adamw8bit", "optimizer_type", "AdamW8bit", "otherwise"),
    ("mixed_precision", "FP16", "mixed_precision", "fp16", "otherwise"),
    ("text_encoder_lr", "5e-5", "text_encoder_lr", [5e-5], "one value"),
    ("network_args", "conv_dim=4 conv_alpha=1", "network_args", ["conv_dim=4", "conv_alpha=1"], ""),
    ("network_args", {"conv_dim": 4}, "network_args", ["conv_dim=4"], "one value"),
    ("metadata_title", 5, "metadata_title", "5", "as a number"),
    ("lr", 1e-3, "learning_rate", 1e-3, "lr is called learning_rate"),
    ("batch_size", "2", "train_batch_size", 2, "batch_size is called"),
    ("rank", 8, "network_dim", 8, "is called network_dim"),
    ("--network-dim", 8, "network_dim", 8, "is called network_dim"),
    ("Network_Dim", 8, "network_dim", 8, "is called network_dim"),
    ("network_dimm", 8, "network_dim", 8, "is called network_dim"),
    ("learning_rat", 1e-3, "learning_rate", 1e-3, "is called learning_rate"),
    ("mn_timestep", 5, "min_timestep", 5, "is called min_timestep"),
    ("use_8bit_adam", True, "optimizer_type", "AdamW8bit", "deprecated"),
    ("xformers", "true", "sdpa", True, "no xformers"),
]


@pytest.mark.parametrize(("name", "given", "option", "taken", "why"), CORRECTED)
def test_what_can_only_mean_one_thing_is_corrected_and_said(
    name: str, given: Any, option: str, taken: Any, why: str
) -> None:
    resolved = formatted({name: given})

    assert resolved.faults == ()
    assert resolved.params[option] == taken
    assert type(resolved.params[option]) is type(taken)
    (correction,) = resolved.corrections
    assert (correction.option, correction.taken) == (option, taken)
    assert given in (
        correction.given,
        correction.given.get(name) if isinstance(correction.given, dict) else None,
    )
    assert why in correction.why


@pytest.mark.parametrize(
    ("name", "given"), [(name, given) for name, given, *_ in CORRECTED if name != "text_encoder_lr"]
)
def test_starting_a_training_corrects_none_of_it(name: str, given: Any) -> None:
    assert [fault.pointer for fault in strict({name: given}).faults] == [
        AT + name.replace("~", "~0").replace("/", "~1")
    ] or name == "network_args"


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("network_dim", "many"),
        ("network_dim", 1.5),
        ("network_dim", "0"),
        ("learning_rate", "fast"),
        ("learning_rate", "nan"),
        ("learning_rate", None),
        ("cache_latents", 2),
        ("cache_latents", "maybe"),
        ("optimizer_type", "os.system"),
        ("network_module", "Networks.os"),
        ("max_bucket_reso_steps_size", 3),
        ("save_every_n", 1),
        ("output_dir", "/tmp"),
        ("resume", "/tmp/state"),
        ("base_weights", ["x"]),
        ("network_weights", "x"),
        ("", 1),
        ("x" * 500, 1),
    ],
)
def test_what_may_mean_anything_is_refused_under_the_name_that_was_given(
    name: str, given: Any
) -> None:
    resolved = formatted({name: given})

    assert [fault.pointer for fault in resolved.faults] == [AT + name]


def test_a_pasted_dataset_config_is_told_where_its_datasets_belong() -> None:
    (fault,) = formatted("[general]\nseed = 1\n[[datasets]]\nresolution = 512").faults

    assert fault.pointer == AT + "datasets"
    assert "dataset config" in fault.message


def test_a_fault_of_a_corrected_name_points_at_the_given_one() -> None:
    assert [fault.pointer for fault in formatted({"rank": 0}).faults] == [AT + "rank"]
    twice = formatted({"rank": 4, "network_dim": 8}).faults
    assert [fault.message for fault in twice] == ["is given twice, under two names"]


def test_every_alias_leads_to_an_open_option_and_is_none_itself() -> None:
    for alias, name in ALIASES.items():
        assert name in open_options()
        assert alias not in options()


PASTED = """
# kohya's own file
[model_arguments]
pretrained_model_name_or_path = "/content/model.safetensors"
v2 = false
xformers = true
[dataset_arguments]
train_data_dir = "/content/train"
resolution = 512
caption_extention = ".txt"
[training_arguments]
output_dir = "/content/out"
learning_rate = "1e-4"
max_train_epochs = 5
"""


def test_a_pasted_file_is_flattened_and_loses_the_other_machines_paths() -> None:
    resolved = formatted(PASTED)

    assert resolved.faults == ()
    assert resolved.params["max_train_epochs"] == 5
    told = {one.option: one for one in resolved.corrections}
    assert {"model_arguments", "dataset_arguments", "training_arguments"} <= set(told)
    assert told["output_dir"].taken is None
    assert (
        "writes" in told["pretrained_model_name_or_path"].why
        or "model" in told["pretrained_model_name_or_path"].why
    )
    assert told["learning_rate"].taken == 1e-4
    assert told["caption_extention"].taken is None
    assert told["sdpa"].given == {"xformers": True}
    assert {fault.pointer for fault in strict(PASTED).faults} >= {
        AT + "output_dir",
        AT + "xformers",
    }


@pytest.mark.parametrize("name", ["resume", "network_weights", "reg_data_dir", "initial_epoch"])
def test_a_pasted_option_that_changes_what_is_learnt_is_never_quietly_left_out(name: str) -> None:
    assert [fault.pointer for fault in formatted(f'{name} = "x"').faults] == [AT + name]


def test_an_option_in_two_sections_with_two_values_is_a_fault() -> None:
    for resolve in (formatted, strict):
        faults = resolve("[a]\nseed = 1\n[b]\nseed = 2").faults
        assert [(one.pointer, one.message) for one in faults] == [
            (AT + "seed", "stands twice, with two values")
        ]


WINDOW = {
    "LoRA_type": "LyCORIS/LoHa",
    "LyCORIS_preset": "full",
    "adaptive_noise_scale": 0,
    "conv_alpha": 1,
    "conv_dim": 4,
    "cache_latents": True,
    "epoch": 5,
    "flux1_cache": "yes",
    "learning_rate": "0.0002",
    "lr_warmup": 10,
    "max_resolution": "512,512",
    "max_train_epochs": "",
    "max_train_steps": 0,
    "network_dim": 8,
    "optimizer": "AdamW8bit",
    "output_dir": "C:/lora/out",
    "sdxl": False,
    "train_data_dir": "C:/lora/img",
    "use_wandb": False,
    "v2": False,
    "xformers": "xformers",
}


@pytest.mark.parametrize("given", [WINDOW, json.dumps(WINDOW)])
def test_what_the_kohya_ss_window_saved_is_understood(given: Any) -> None:
    resolved = formatted(given)

    assert resolved.faults == ()
    assert (
        resolved.params
        | {
            "network_module": "lycoris.kohya",
            "network_args": ["algo=loha", "conv_dim=4", "conv_alpha=1", "preset=full"],
            "max_train_epochs": 5,
            "learning_rate": 2e-4,
            "lr_warmup_steps": 0.1,
            "optimizer_type": "AdamW8bit",
            "sdpa": True,
        }
        == resolved.params
    )
    told = {one.option: one for one in resolved.corrections}
    assert told["kohya_ss"].given == ["flux1_cache"]


FROM_THE_WINDOW = """
bucket_reso_steps = 64
caption_extension = ".txt"
clip_skip = 1
dynamo_backend = "no"
dynamo_mode = "default"
epoch = 1
huber_scale = 1
lr_scheduler = "cosine"
lr_scheduler_args = []
lr_warmup_steps = 160
max_bucket_reso = 2048
max_data_loader_n_workers = 0
max_timestep = 1000
max_token_length = 75
max_train_steps = 1600
mixed_precision = "bf16"
network_alpha = 1
network_args = []
network_dim = 8
network_module = "networks.lora"
noise_offset_type = "Original"
optimizer_type = "AdamW8bit"
output_name = "last"
pretrained_model_name_or_path = "runwayml/stable-diffusion-v1-5"
resolution = "512,512"
sample_prompts = "/out/sample/prompt.txt"
save_model_as = "safetensors"
sdpa = false
text_encoder_lr = [ 0.0001,]
train_data_dir = "/img"
xformers = true
"""


def test_the_file_that_the_kohya_ss_window_writes_for_sd_scripts_is_understood() -> None:
    resolved = formatted(FROM_THE_WINDOW)

    assert resolved.faults == resolved.warnings == ()
    assert resolved.params["max_train_steps"] == 1600
    assert resolved.params["sdpa"] is True
    assert not {"max_train_epochs", "max_token_length", "epoch"} & set(resolved.params)
    left_out = {one.option for one in resolved.corrections if one.taken is None}
    assert {"epoch", "dynamo_mode", "output_name", "sample_prompts", "sdpa"} <= left_out


def test_a_kind_of_network_that_the_image_lacks_is_refused() -> None:
    faults = formatted(WINDOW | {"LoRA_type": "Flux1"}).faults

    assert [fault.pointer for fault in faults] == [AT + "network_module"]


@pytest.mark.parametrize("text", ["{", "[]", '{"a": NaN', "= 3", "{}}", "a = 1\na = 2", "[" * 5000])
def test_what_can_not_be_read_is_one_fault(text: str) -> None:
    resolved = formatted(text)

    assert [fault.pointer for fault in resolved.faults] == ["/config_params"]
    assert "is no" in resolved.faults[0].message


def test_the_formatted_toml_has_its_sections_as_comments_and_reads_back() -> None:
    resolved = formatted({"lr": "1e-3", "shuffle_caption": "true"})
    text = kohya.to_toml(resolved.params)

    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings[:3] == ["# network", "# training", "# optimizer"]
    assert tomllib.loads(text) == resolved.params
    assert strict(text).params == resolved.params
