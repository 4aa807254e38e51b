"""A training small enough for the real sd-scripts on a CPU, and how to run and to kill it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.container.support import dataset, job, read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
KOHYA = Path(os.environ.get("KOHYA_HOME") or ROOT / ".kohya" / "sd-scripts").absolute().parent
MODEL = KOHYA / "models" / "random-sd_1_5.safetensors"
STEPS_PER_EPOCH = 8
SECONDS = 600
PARAMS = {
    "max_train_epochs": 3,
    "network_dim": 4,
    "network_alpha": 4.0,
    "learning_rate": 1e-4,
    "lr_scheduler": "cosine",
    "lr_warmup_steps": 3,
    "optimizer_type": "AdamW",
    "mixed_precision": "no",
    "resolution": "64,64",
    "enable_bucket": True,
    "min_bucket_reso": 64,
    "sdpa": True,
    "seed": 42,
    "cache_latents": True,
}


def make_base(
    base: Path,
    *,
    init: dict[str, Any] | None = None,
    captioning: dict[str, Any] | None = None,
    **params: Any,
) -> Path:
    """An /opt/ml with the real model, four images, and a job of these options."""
    if not MODEL.exists():
        pytest.fail("run `make kohya kohya-model` first, or say where sd-scripts is: KOHYA_HOME")
    data = base / "input" / "data"
    subject = dataset(folder="2_tusiji 兔", repeats=2, subject="tusiji", caption_policy="subject")
    body = job(output_name="style", datasets=[subject], config_params=params, init=init)
    body["captioning"] = captioning
    write_json(data / "config" / "job.json", body)
    (data / "model").mkdir()
    (data / "model" / "base.safetensors").symlink_to(MODEL)
    _images(data / "dataset_00" / subject["folder"])
    return base


def _images(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"图 {number}.png")
        (folder / f"图 {number}.txt").write_text(f"tusiji, {number}", encoding="utf-8")


def start(base: Path, **more: str) -> subprocess.Popen[bytes]:
    """Start the program; its log lands beside the base folder."""
    variables = {
        "PYTHONPATH": str(ROOT / "training_container"),
        "KOHYA_HOME": str(KOHYA / "sd-scripts"),
        "KOHYA_PYTHON": str(KOHYA / "venv" / "bin" / "python"),
        "KOHYA_TOKENIZERS": str(KOHYA / "tokenizers"),
        "KOHYA_CPU": "1",
        "LORASTACK_REPORT_SECONDS": "0.5",
        **more,
    }
    with base.with_suffix(".log").open("wb") as log:
        command = [sys.executable, "-m", "kohya_trainer", "--base", str(base)]
        return subprocess.Popen(command, env=os.environ | variables, stdout=log, stderr=log)


def finish(base: Path, **more: str) -> Path:
    """Run to the end."""
    status = start(base, **more).wait(SECONDS)
    assert status == 0, base.with_suffix(".log").read_text(errors="replace")[-4000:]
    return base


def kill_in_epoch(base: Path, epoch: int) -> None:
    """Run until the epoch's third step is told and the state before it kept, then kill at once."""
    process = start(base)
    deadline = time.monotonic() + SECONDS
    state = base / "checkpoints" / "state" / f"style-{epoch - 1:06d}-state"
    while not state.exists() or _step(base) < STEPS_PER_EPOCH * (epoch - 1) + 3:
        assert process.poll() is None, base.with_suffix(".log").read_text(errors="replace")[-4000:]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.kill()
    process.wait()
    _await_its_engine(base)


def _step(base: Path) -> int:
    try:
        step: int = read_json(base / "checkpoints" / "progress.json")["step"]
    except (OSError, json.JSONDecodeError):
        return 0
    return step


def _await_its_engine(base: Path) -> None:
    """The engine ends when nobody reads its output; two at once would not fit in memory."""
    mark = str(base / "staging").encode()
    while any(mark in _command_line(path) for path in Path("/proc").glob("[0-9]*/cmdline")):
        time.sleep(0.2)


def _command_line(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
