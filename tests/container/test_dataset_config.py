"""The dataset config that both engines read, and how the rehearsal counts by it."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from kohya_trainer.dataset_config import dataset_config
from kohya_trainer.failure import TrainingFailed
from kohya_trainer.inputs import ImageFolder
from kohya_trainer.job import Dataset
from tests.container.support import dataset, job, make_base, metrics_rows, read_json

CONTAINER = Path(__file__).parents[2] / "training_container"


def folder(name="10_a", **changes):
    found = Dataset("dataset_00", "ds_1", name, 10, "rabbit", "required", **changes)
    return ImageFolder(found, Path("/data") / name, 3, 3)


def written(*folders):
    return tomllib.loads(dataset_config(folders))["datasets"]


def test_folders_alike_in_dataset_options_are_one_dataset():
    large = {"resolution": "768,1024", "train_batch_size": 2, "enable_bucket": False}

    one, other = written(
        folder("a"), folder("b", dataset_options=large), folder("c", options={"flip_aug": True})
    )

    assert [Path(subset["image_dir"]).name for subset in one["subsets"]] == ["a", "c"]
    assert set(one) == {"subsets"}
    assert [Path(subset["image_dir"]).name for subset in other["subsets"]] == ["b"]
    assert {name: value for name, value in other.items() if name != "subsets"} == {
        "resolution": [768, 1024],
        "batch_size": 2,
        "enable_bucket": False,
    }


def test_a_folders_own_options_stand_with_it_as_sd_scripts_takes_them():
    own = {"caption_prefix": 'a "b", ', "face_crop_aug_range": "2,4.5", "token_warmup_step": 0.5}

    ((plain, regularising),) = (
        one["subsets"]
        for one in written(folder("a", options=own), folder("b", regularisation=True))
    )

    assert {name: plain[name] for name in own} == own | {"face_crop_aug_range": [2.0, 4.5]}
    assert "is_reg" not in plain
    assert regularising["is_reg"] is True
    assert "class_tokens" not in regularising


@pytest.mark.parametrize("own", [{"face_crop_aug_range": "a,b"}, {"caption_prefix": {"a": 1}}])
def test_what_cannot_be_written_is_bad_option(own):
    with pytest.raises(TrainingFailed) as caught:
        dataset_config([folder(options=own)])

    assert caught.value.code == "bad_option"
    assert next(iter(own)) in caught.value.message


def rehearsed(base):
    environment = os.environ | {"PYTHONPATH": str(CONTAINER), "LORASTACK_REPORT_SECONDS": "0.2"}
    command = [sys.executable, "-m", "kohya_trainer", "--base", str(base)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout + done.stderr


def metadata_of(base):
    data = (base / "checkpoints" / "lora" / "tusiji-style.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length])["__metadata__"]


def test_the_rehearsal_counts_batches_of_each_dataset_with_its_regularisation(tmp_path):
    """Five images, 10 and 3 times, in batches of 4 and 2: with as many of the class as of them."""
    large = {"resolution": "768,768", "train_batch_size": 2}
    datasets = [
        dataset(),
        dataset(channel="dataset_01", folder="2_class", repeats=2, regularisation=True),
        dataset(channel="dataset_02", folder="3_b", repeats=3, dataset_options=large),
    ]
    params = {"max_train_epochs": 2, "network_dim": 2, "train_batch_size": 4}
    params |= {"gradient_accumulation_steps": 3}
    base = make_base(tmp_path, job(datasets=datasets, config_params=params), images=5)

    log = rehearsed(base)

    # 50 + 50 in fours and 15 in twos are 25 + 8 batches, 11 steps of three
    assert len(metrics_rows(base)) == 2 * 11
    assert read_json(base / "checkpoints" / "progress.json")["total_steps"] == 22
    assert "5 images, 5 captions, x2, regularisation" in log
    metadata = metadata_of(base)
    assert metadata["ss_num_train_images"] == "65"
    assert metadata["ss_num_reg_images"] == "10"
    assert metadata["ss_num_batches_per_epoch"] == "33"
    assert list(json.loads(metadata["ss_dataset_dirs"])) == [dataset()["folder"], "3_b"]
    regularising = [
        one["regularisation"] for one in read_json(base / "model" / "report.json")["datasets"]
    ]
    assert regularising == [False, True, False]


def test_regularisation_images_that_are_too_many_are_not_seen(tmp_path):
    datasets = [
        dataset(repeats=1),
        dataset(channel="dataset_01", folder="3_class", repeats=3, regularisation=True),
    ]
    params = {"max_train_epochs": 1, "network_dim": 2}
    base = make_base(tmp_path, job(datasets=datasets, config_params=params), images=4)

    rehearsed(base)

    assert len(metrics_rows(base)) == 4 + 6  # the first two of the class, three times each


def test_a_folder_in_two_datasets_is_learnt_in_both_and_told_once(tmp_path):
    datasets = [dataset(), dataset(repeats=2, dataset_options={"resolution": "768,768"})]
    params = {"max_train_epochs": 1, "network_dim": 2}
    base = make_base(tmp_path, job(datasets=datasets[:1], config_params=params))
    body = job(datasets=datasets, config_params=params)
    (base / "input" / "data" / "config" / "job.json").write_text(json.dumps(body))

    rehearsed(base)

    metadata = metadata_of(base)
    assert len(metrics_rows(base)) == 30 + 6
    name = dataset()["folder"]
    assert list(json.loads(metadata["ss_dataset_dirs"])) == [name, f"{name} (2)"]
    assert json.loads(metadata["ss_tag_frequency"])[name]["a jade rabbit"] == 3
