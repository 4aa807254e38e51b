import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from kohya_trainer import command
from kohya_trainer.failure import TrainingFailed
from kohya_trainer.inputs import check_inputs
from kohya_trainer.job import parse_job
from kohya_trainer.paths import Paths
from kohya_trainer.settings import Settings
from kohya_trainer.states import State
from tests.container.support import dataset, job, make_base

CONFIG = {"max_train_epochs": 3, "mixed_precision": "bf16", "optimizer_type": "AdamW8bit"}


@pytest.fixture
def home(tmp_path):
    """A folder that looks like a checkout of sd-scripts."""
    home = tmp_path / "sd-scripts"
    home.mkdir()
    for name in ("train_network.py", "sdxl_train_network.py"):
        (home / name).write_text("")
    return home


def launched(base, body=None, **settings):
    paths = Paths(make_base(base, body))
    paths.make_folders()
    parsed = parse_job(body or job())
    return command.prepare(parsed, check_inputs(parsed, paths), paths, Settings(**settings))


def config_of(base):
    return tomllib.loads((base / "staging" / "config.toml").read_text(encoding="utf-8"))


def datasets_of(base):
    return tomllib.loads((base / "staging" / "dataset.toml").read_text(encoding="utf-8"))


def test_without_sd_scripts_the_rehearsal_runs_in_this_interpreter(tmp_path):
    launch = launched(tmp_path)

    config = str(tmp_path / "staging" / "config.toml")
    module = "kohya_trainer.rehearsal"
    assert launch.engine == "rehearsal"
    assert launch.argv == (sys.executable, "-m", module, "--config_file", config)


def test_kohyas_command_line_on_one_gpu(tmp_path, home):
    launch = launched(
        tmp_path, job(config_params=CONFIG), kohya_home=home, kohya_python="/k/python", gpus=1
    )

    assert launch.engine == "kohya"
    assert launch.cwd == home
    assert launch.argv == (
        "/k/python",
        "-m",
        "accelerate.commands.launch",
        "--num_processes",
        "1",
        "--num_machines",
        "1",
        "--num_cpu_threads_per_process",
        "2",
        "--dynamo_backend",
        "no",
        "--mixed_precision",
        "bf16",
        str(home / "train_network.py"),
        "--config_file",
        str(tmp_path / "staging" / "config.toml"),
    )
    assert launch.adjusted == {}


def test_several_gpus_are_all_used_and_the_family_picks_the_script(tmp_path, home):
    launch = launched(tmp_path, job(fm_type="sd_xl"), kohya_home=home, gpus=4)

    assert launch.argv[3:6] == ("--multi_gpu", "--num_processes", "4")
    assert str(home / "sdxl_train_network.py") in launch.argv


def test_on_a_cpu_what_needs_a_gpu_is_replaced_and_said(tmp_path, home):
    body = job(config_params=CONFIG | {"mixed_precision": "fp16", "xformers": True})
    launch = launched(tmp_path, body, kohya_home=home, kohya_cpu=True)

    assert launch.argv[3:6] == ("--cpu", "--num_processes", "1")
    assert set(launch.adjusted) == {"mixed_precision", "optimizer_type", "xformers"}
    written = config_of(tmp_path)
    assert (written["mixed_precision"], written["optimizer_type"]) == ("no", "AdamW")
    assert written["xformers"] is False
    assert written["max_data_loader_n_workers"] == 0


def test_the_child_sees_no_hub_and_prints_at_once(tmp_path, home):
    env = launched(tmp_path, kohya_home=home, gpus=1).env

    assert env["HF_HUB_OFFLINE"] == "1"
    assert env["PYTHONUNBUFFERED"] == "1"
    assert Path(env["PYTHONPATH"].split(":")[0], "kohya_trainer").is_dir()


def test_the_services_options_are_written_over_the_users_and_the_defaults(tmp_path, home):
    body = job(config_params=CONFIG | {"save_every_n_epochs": 2, "learning_rate": 1e-05})
    launched(tmp_path, body, kohya_home=home, gpus=1, kohya_tokenizers=Path("/t"))

    written = config_of(tmp_path)
    assert written["pretrained_model_name_or_path"].endswith("/input/data/model/base.safetensors")
    assert written["output_dir"] == str(tmp_path / "staging" / "lora")
    assert written["output_name"] == "tusiji-style"
    assert written["save_model_as"] == "safetensors"
    assert written["logging_dir"] == str(tmp_path / "output" / "tensorboard")
    assert written["log_with"] == "tensorboard"
    assert written["caption_extension"] == ".txt"
    assert written["tokenizer_cache_dir"] == "/t"
    assert written["dataset_config"] == str(tmp_path / "staging" / "dataset.toml")
    assert written["network_module"] == "networks.lora"
    assert written["save_every_n_epochs"] == 2
    assert written["learning_rate"] == 1e-05
    assert not any(isinstance(value, dict) for value in written.values())


def test_a_lora_is_saved_each_epoch_unless_the_user_says_otherwise(tmp_path):
    launched(tmp_path / "a")
    launched(tmp_path / "b", job(config_params={"save_n_epoch_ratio": 2}))

    assert config_of(tmp_path / "a")["save_every_n_epochs"] == 1
    assert "save_every_n_epochs" not in config_of(tmp_path / "b")


def test_who_sets_the_workers_sets_both_options_of_them(tmp_path):
    launched(tmp_path / "a")
    launched(tmp_path / "b", job(config_params={"max_data_loader_n_workers": 0}))

    assert config_of(tmp_path / "a")["persistent_data_loader_workers"] is True
    assert "persistent_data_loader_workers" not in config_of(tmp_path / "b")


@pytest.mark.parametrize("key", ["output_dir", "pretrained_model_name_or_path", "logging_dir"])
def test_an_option_of_the_service_is_refused(tmp_path, key):
    with pytest.raises(TrainingFailed) as caught:
        launched(tmp_path, job(config_params={key: "/etc"}))

    assert caught.value.code == "bad_option"
    assert key in caught.value.message


def test_the_dataset_config_has_a_subset_for_each_folder(tmp_path):
    second = dataset(channel="dataset_01", folder="5_b", repeats=5, caption_policy="subject")
    launched(tmp_path, job(datasets=[dataset(), second]))

    (only,) = datasets_of(tmp_path)["datasets"]
    first, second = only["subsets"]
    assert first["image_dir"].endswith('dataset_00/10_兔子 "x", y\'s')
    assert first["num_repeats"] == 10
    assert first["caption_extension"] == ".txt"
    assert "class_tokens" not in first
    assert second["class_tokens"] == "兔子, jade"


def test_a_kohya_home_without_the_script_is_refused(tmp_path):
    with pytest.raises(TrainingFailed, match=r"KOHYA_HOME has no train_network\.py"):
        launched(tmp_path, kohya_home=tmp_path, gpus=1)


def test_gpus_are_counted_as_the_instance_lists_them(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: A10G (UUID: x)'\necho 'GPU 1: A10G (UUID: y)'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert command.count_gpus(Settings()) == 2
    assert command.count_gpus(Settings(gpus=8)) == 8


def test_without_the_tool_one_gpu_is_assumed(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    assert command.count_gpus(Settings()) == 1


def test_settings_come_from_the_environment():
    settings = Settings.from_environment(
        {
            "LORASTACK_BASE": "/b",
            "KOHYA_HOME": "/k",
            "KOHYA_CPU": "1",
            "LORASTACK_REPORT_SECONDS": "1",
            "SM_NUM_GPUS": "8",
        }
    )

    expected = Settings(
        base=Path("/b"), kohya_home=Path("/k"), kohya_cpu=True, report_seconds=1.0, gpus=8
    )
    assert settings == expected
    assert Settings.from_environment({}) == replace(Settings(), base=Path("/opt/ml"))
    assert Settings.from_environment({"LORASTACK_REPORT_SECONDS": "soon"}).report_seconds == 5.0


@pytest.mark.parametrize("keeps", [True, False])
def test_state_is_kept_only_where_the_job_says_so(tmp_path, home, keeps):
    paths = Paths(make_base(tmp_path))
    paths.make_folders()
    parsed = parse_job(job() | {"keeps_state": keeps})

    command.prepare(parsed, check_inputs(parsed, paths), paths, Settings(kohya_home=home, gpus=1))

    assert config_of(tmp_path)["save_state"] is keeps


def test_a_training_begins_from_a_state_else_from_a_lora_else_afresh(tmp_path, home):
    begun = []
    for name, start in {
        "afresh": {},
        "lora": {"init": Path("/i/old.safetensors")},
        "state": {"init": Path("/i/old.safetensors"), "state": State(Path("/s"), 60, 2, "x")},
    }.items():
        paths = Paths(make_base(tmp_path / name))
        paths.make_folders()
        parsed = parse_job(job())
        inputs = replace(check_inputs(parsed, paths), **start)
        launch = command.prepare(parsed, inputs, paths, Settings(kohya_home=home, gpus=1))
        written = config_of(tmp_path / name)
        options = ("network_weights", "resume", "initial_step", "skip_until_initial_step")
        begun.append({key: written[key] for key in options if key in written})
        assert written["save_state"] is True
        counted = "--module" in launch.argv and "kohya_trainer.resumed_script" in launch.argv
        assert counted is (name == "state")

    assert begun == [
        {},
        {"network_weights": "/i/old.safetensors"},
        {"resume": "/s", "initial_step": 60},
    ]


@pytest.mark.parametrize("key", ["resume", "initial_epoch", "network_weights", "save_state"])
def test_where_to_begin_is_not_for_the_user_to_say(tmp_path, key):
    with pytest.raises(TrainingFailed, match=key):
        launched(tmp_path, job(config_params={key: 1}))
