"""The options of sd-scripts: each sorted, typed and completed."""

import tomllib

import pytest

from lambdas.trainings import kohya
from lambdas.trainings.instances import INSTANCE_TYPES
from lambdas.trainings.options import open_options, options, sections

A10G = INSTANCE_TYPES["ml.g5.xlarge"]
T4 = INSTANCE_TYPES["ml.g4dn.xlarge"]


def message(name: str, value: object, fm_type: str = "sd_1_5") -> str:
    resolved = kohya.resolve({name: value}, fm_type, A10G)
    assert [fault.pointer for fault in resolved.faults] == [f"/config_params/{name}"]
    return resolved.faults[0].message


def accepted(name: str, value: object, fm_type: str = "sd_1_5") -> object:
    resolved = kohya.resolve({name: value}, fm_type, A10G)
    assert resolved.faults == ()
    return resolved.params[name]


def test_every_option_of_the_scripts_is_open_owned_or_refused() -> None:
    for option in options().values():
        ways = [bool(option.section), option.owned is not None, option.refused is not None]
        assert ways.count(True) == 1, option.name


def test_every_open_option_is_described_and_stands_in_a_section() -> None:
    for option in open_options().values():
        assert option.description.endswith("."), option.name
        assert option.section in sections()
        if option.minimum is not None and option.maximum is not None:
            assert option.minimum < option.maximum


def test_every_open_number_has_a_range() -> None:
    numbers = [
        one for one in open_options().values() if one.type in {"int", "float", "int_or_float"}
    ]

    unbounded = [one.name for one in numbers if one.minimum is None and not one.choices]

    assert unbounded == []


@pytest.mark.parametrize("name", ["network_module", "optimizer_type", "lr_scheduler"])
def test_what_names_code_has_an_allow_list(name: str) -> None:
    assert options()[name].choices
    assert message(name, "os.system").startswith("must be one of")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, option in options().items()
        if option.type == "Path" or name.endswith(("_dir", "_file", "_path", "_token", "_key"))
    ],
)
def test_no_option_that_names_a_path_or_a_secret_is_open(name: str) -> None:
    assert message(name, "x").startswith(("is set by the service", "can't be used here"))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("network_dimm", "network_dim"),
        ("learningrate", "learning_rate"),
        ("Resolution", "resolution"),
    ],
)
def test_an_unknown_option_is_told_what_was_meant(name: str, near: str) -> None:
    assert message(name, 1) == f"is no option of sd-scripts: did you mean {near}?"


def test_an_option_that_the_service_owns_is_never_what_was_meant() -> None:
    assert "output" not in message("output_dirr", "x")


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("network_dim", "8", "whole number"),
        ("network_dim", True, "whole number"),
        ("network_dim", 1.5, "whole number"),
        ("network_dim", 5000, "from 1 to 1024"),
        ("train_batch_size", 0, "from 1 to 256"),
        ("save_every_n_epochs", 0, "from 1 to 10000"),
        ("learning_rate", "1e-4", "a number"),
        ("cache_latents", "true", "true or false"),
        ("cache_latents", 1, "true or false"),
        ("mixed_precision", "fp64", "no, fp16, bf16"),
        ("resolution", "big", "512,768"),
        ("resolution", [1, 2, 3], "512,768"),
        ("resolution", 512.0, "whole number"),
        ("network_module", "os", "networks.lora"),
        ("optimizer_args", [1], "a text"),
        ("caption_prefix", "x" * 3000, "at most 2000"),
    ],
)
def test_a_value_that_will_not_do_is_told_what_would(name: str, value: object, word: str) -> None:
    assert word in message(name, value)


def test_an_option_of_sdxl_alone_is_refused_for_sd_1_5() -> None:
    assert "sd_xl only" in message("cache_text_encoder_outputs", True)
    assert accepted("cache_text_encoder_outputs", True, "sd_xl") is True


@pytest.mark.parametrize(
    ("given", "read"),
    [(512, "512,512"), ("512", "512,512"), ("512x768", "512,768"), ([512, 768], "512,768")],
)
def test_a_resolution_is_read_in_each_form_that_people_write(given: object, read: str) -> None:
    assert accepted("resolution", given) == read


def test_a_whole_number_will_do_for_a_fraction_and_one_value_for_a_list() -> None:
    assert accepted("learning_rate", 1) == 1.0
    assert accepted("text_encoder_lr", 5e-5) == [5e-5]


def test_steps_take_the_place_of_epochs_and_both_are_refused() -> None:
    assert "max_train_epochs" not in kohya.resolve({"max_train_steps": 5}, "sd_1_5", A10G).params
    both = kohya.resolve({"max_train_steps": 5, "max_train_epochs": 1}, "sd_1_5", A10G)
    assert [fault.pointer for fault in both.faults] == ["/config_params/max_train_steps"]


def test_precision_follows_what_the_gpu_can() -> None:
    assert kohya.resolve({}, "sd_xl", A10G).params["mixed_precision"] == "bf16"
    assert kohya.resolve({}, "sd_xl", T4).params["mixed_precision"] == "fp16"


def test_defaults_give_way_where_an_option_rules_them_out() -> None:
    shuffled = kohya.resolve({"shuffle_caption": True}, "sd_xl", A10G).params
    cropped = kohya.resolve({"random_crop": True}, "sd_1_5", A10G).params

    assert "cache_text_encoder_outputs" not in shuffled
    assert "cache_latents" not in cropped


def test_toml_is_read_with_or_without_sections_and_its_faults_are_told() -> None:
    text = '[network_arguments]\nnetwork_dim = 4\n[training]\nlearning_rate = 1e-3\nseed = "x"'

    resolved = kohya.resolve(text, "sd_1_5", A10G)
    broken = kohya.resolve("network_dim = = 4", "sd_1_5", A10G)

    assert resolved.params["network_dim"] == 4
    assert [fault.pointer for fault in resolved.faults] == ["/config_params/seed"]
    assert "line 1" in broken.faults[0].message


def test_the_toml_that_is_written_reads_back_the_same() -> None:
    params = {"caption_prefix": 'a "quoted" \\ 兔 \n\x7f', "list": [1.5, 2], "yes": True, "n": 3}

    assert tomllib.loads(kohya.to_toml(params)) == params
