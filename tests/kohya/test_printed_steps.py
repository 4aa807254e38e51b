"""What a real run of train_network.py prints about its steps is what `validate` would have said."""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kohya_trainer.dataset_config import dataset_config
from kohya_trainer.inputs import ImageFolder
from kohya_trainer.job import Dataset
from lambdas.trainings.arithmetic import BucketedDataset, Sizes, Subset, lay_out, schedule
from lambdas.trainings.buckets import BucketSettings
from local.kohya.settings import Places, Settings

pytestmark = pytest.mark.kohya

SIZES = [(64, 64), (200, 100), (100, 200), (130, 129), (300, 310), (64, 190), (128, 128)]
SETTINGS = BucketSettings((128, 128), enable_bucket=True, min_bucket_reso=64, max_bucket_reso=256)
PRINTED = {
    "samples": r"num train images \* repeats.*: (\d+)",
    "regularisation": r"num reg images.*: (\d+)",
    "batches": r"num batches per epoch.*: (\d+)",
    "epochs": r"num epochs.*: (\d+)",
    "steps": r"total optimization steps.*: (\d+)",
}


def test_a_training_prints_the_steps_that_we_reckon(tmp_path: Path) -> None:
    layout = lay_out(
        BucketedDataset((Subset(tuple(Sizes(*one, 1) for one in SIZES), 3),), SETTINGS, 2)
    )
    steps = schedule(layout.batches, accumulation=3, max_train_epochs=5)

    printed = _printed(tmp_path, {"train_data_dir": _images(tmp_path / "images" / "3_x").parent})

    assert printed == {
        "samples": 3 * len(SIZES),
        "regularisation": 0,
        "batches": layout.batches,
        "epochs": steps.epochs,
        "steps": steps.total_steps,
    }


def test_datasets_with_options_of_their_own_and_regularisation_print_what_we_reckon(
    tmp_path: Path,
) -> None:
    """As a job has them: three datasets of sd-scripts from the file that the container writes."""
    folder = _images(tmp_path / "all")
    datasets = [
        _dataset(folder, 3),
        _dataset(_images(tmp_path / "class"), 4, regularisation=True),
        _dataset(folder, 2, dataset_options={"resolution": "192,128", "train_batch_size": 5}),
    ]
    written = tmp_path / "dataset.toml"
    written.write_text(dataset_config(datasets), encoding="utf-8")
    sizes = tuple(Sizes(*one, 1) for one in SIZES)
    regularised = (Subset(sizes, 3), Subset(sizes, 4, regularisation=True))
    larger = replace(SETTINGS, resolution=(192, 128))
    layouts = [
        lay_out(BucketedDataset(regularised, SETTINGS, 2)),
        lay_out(BucketedDataset((Subset(sizes, 2),), larger, 5)),
    ]
    steps = schedule(sum(one.batches for one in layouts), accumulation=3, max_train_epochs=5)

    printed = _printed(tmp_path, {"dataset_config": written})

    assert printed == {
        "samples": 5 * len(SIZES),
        "regularisation": 4 * len(SIZES),  # as many as there are, used or not
        "batches": steps.batches,
        "epochs": steps.epochs,
        "steps": steps.total_steps,
    }


def _dataset(folder: Path, repeats: int, **own: Any) -> ImageFolder:
    dataset = Dataset("dataset_00", "ds_1", folder.name, repeats, "rabbit", "subject", **own)
    return ImageFolder(dataset, folder, len(SIZES), 0)


def _printed(folder: Path, given: dict[str, Path]) -> dict[str, int]:
    """Start a training and read what it prints before its first step; then end it."""
    log = folder / "log.txt"
    with log.open("w") as output:
        training = subprocess.Popen(
            _command(folder, given),
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
            cwd=Settings.read(Places()).home,
            start_new_session=True,
        )
        try:
            found = _read_until_complete(training, log)
        finally:
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                os.killpg(training.pid, signal.SIGKILL)
            training.wait()
    assert len(found) == len(PRINTED), log.read_text()[-3000:]
    return found


def _read_until_complete(training: subprocess.Popen[bytes], log: Path) -> dict[str, int]:
    for _ in range(300):
        ended = training.poll() is not None
        text = log.read_text()
        hits = {name: re.search(pattern, text) for name, pattern in PRINTED.items()}
        if ended or all(hits.values()):
            break
        try:
            training.wait(1)
        except subprocess.TimeoutExpired:
            continue
    return {name: int(hit[1]) for name, hit in hits.items() if hit}


def _images(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for index, size in enumerate(SIZES):
        Image.new("RGB", size).save(folder / f"{index}.png")
    return folder


def _command(folder: Path, given: dict[str, Path]) -> list[str]:
    settings, home = Settings.read(Places()), _built()
    options = given | {
        "pretrained_model_name_or_path": home / "models" / "random-sd_1_5.safetensors",
        "tokenizer_cache_dir": home / "tokenizers",
        "output_dir": folder / "out",
        "network_module": "networks.lora",
        "network_dim": 4,
        "resolution": "128,128",
        "min_bucket_reso": SETTINGS.min_bucket_reso,
        "max_bucket_reso": SETTINGS.max_bucket_reso,
        "train_batch_size": 2,
        "gradient_accumulation_steps": 3,
        "max_train_epochs": 5,
        "max_data_loader_n_workers": 0,
        "optimizer_type": "AdamW",
        "mixed_precision": "no",
    }
    flat = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    launch = [settings.python, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    launch += ["--num_machines", "1", "--dynamo_backend", "no", "--mixed_precision", "no"]
    script = settings.home / "train_network.py"
    return [*map(str, launch), str(script), "--enable_bucket", "--console_log_simple", *flat]


def _built() -> Path:
    """The folder that make kohya and make kohya-model filled, beside sd-scripts by default."""
    return Settings.read(Places()).home.parent
