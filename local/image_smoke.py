"""Builds the training image and runs a tiny training in it: `python -m local.image_smoke`.

The container gets what SageMaker gives it: `train` as its command, a folder mounted at /opt/ml, no
network. Two images without captions are captioned by the tagger that the image holds and trained
for one epoch; on a machine with a GPU there, else on the CPU.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from local.demo.material import PREFIX, draw_dataset
from local.kohya.model import is_complete
from local.kohya.settings import PROJECT, Places

TAG = "lorastack-training:smoke"
CONTEXT = PROJECT / "training_container"
IMAGES = 2
PARAMS: dict[str, Any] = {
    "max_train_epochs": 1,
    "network_dim": 4,
    "optimizer_type": "AdamW",
    "mixed_precision": "no",
    "resolution": "64,64",
    "min_bucket_reso": 64,
    "sdpa": True,
}
CAPTIONING: dict[str, Any] = {
    "tagger": "wd14",
    "general_threshold": 0.35,
    "character_threshold": 0.35,
    "blacklist": [],
    "prepend": ["tusiji"],
    "append": [],
    "existing": "keep",
}


class SmokeError(Exception):
    """The image could not be tried, or does not work; the text says what to do."""


def smoke(base: Path, model: Path, tag: str) -> Path:
    """Build, run, and return the LoRA that came out; raises SmokeError."""
    require_docker()
    if not is_complete(model):
        raise SmokeError(f"{model} is not there; run `make kohya kohya-model` first.")
    lay_out(base, model)
    _run(["docker", "build", "--platform", "linux/amd64", "--tag", tag, str(CONTEXT)], "build")
    _run(run_command(base, tag), "run")
    return _result(base)


def require_docker() -> None:
    """Raises SmokeError unless Docker is installed and its daemon answers."""
    if shutil.which("docker") is None:
        raise SmokeError("Docker is not installed: the image can be built and tried only with it.")
    answer = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    if answer.returncode:
        lines = answer.stderr.strip().splitlines() or ["it gave no reason"]
        raise SmokeError(f"Docker is installed and its daemon does not answer: {lines[-1]}")


def lay_out(base: Path, model: Path) -> None:
    """Write job, model and images as SageMaker would."""
    data = base / "input" / "data"
    images = draw_dataset(data / "dataset_00")
    for path in sorted(images.iterdir()):
        if path.suffix == ".txt" or int(path.stem.rpartition("-")[2]) >= IMAGES:
            path.unlink()
    (data / "model").mkdir()
    os.link(model, data / "model" / model.name)  # a symbolic link would lead out of the container
    (data / "config").mkdir()
    (data / "config" / "job.json").write_text(json.dumps(_job(model)), encoding="utf-8")


def run_command(base: Path, tag: str) -> list[str]:
    """The command line that runs the container as SageMaker does."""
    gpu = shutil.which("nvidia-smi") is not None
    hardware = ["--gpus", "all"] if gpu else ["--env", "KOHYA_CPU=1"]
    return [
        *("docker", "run", "--rm", "--network", "none", *hardware),
        *("--volume", f"{base}:/opt/ml", tag, "train"),
    ]


def _job(model: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "training_id": "trn_smoke",
        "training_name": "smoke",
        "workspace": "smoke",
        "fm_type": "sd_1_5",
        "output_name": "smoke",
        "model": {"channel": "model", "model_id": "mdl_smoke", "file_name": model.name},
        "datasets": [
            {
                "channel": "dataset_00",
                "dataset_id": "ds_smoke",
                "folder": PREFIX,
                "repeats": 1,
                "subject": "tusiji",
                "caption_policy": "required",
            }
        ],
        "config_params": PARAMS,
        "keeps_state": False,
        "init": None,
        "captioning": CAPTIONING,
    }


def _run(command: list[str], what: str) -> None:
    print(f"smoke: {' '.join(command)}", flush=True)
    status = subprocess.run(command, check=False).returncode
    if status:
        raise SmokeError(f"`docker {what}` ended with {status}; its own words are above.")


def _result(base: Path) -> Path:
    lora = base / "checkpoints" / "lora" / "smoke.safetensors"
    if not is_complete(lora):
        raise SmokeError("the container ended well and left no whole LoRA.")
    captions = base / "checkpoints" / "captions" / "ds_smoke" / "captions.jsonl"
    if len(captions.read_text(encoding="utf-8").splitlines()) != 1 + IMAGES:
        raise SmokeError("the container did not caption every image.")
    return lora


def main() -> int:
    """Exit status 0, or 1 with one sentence that says what to do."""
    parser = argparse.ArgumentParser(prog="python -m local.image_smoke", description=__doc__)
    parser.add_argument("--tag", default=TAG, help="the image's name, default: %(default)s")
    parser.add_argument("--model", type=Path, default=Places().models / "random-sd_1_5.safetensors")
    given = parser.parse_args()
    model = given.model.resolve()
    place = model.parent if model.parent.is_dir() else None  # of one file system, to be linked
    with tempfile.TemporaryDirectory(
        prefix="smoke-", dir=place, ignore_cleanup_errors=True
    ) as base:
        try:
            lora = smoke(Path(base), model, given.tag)
        except SmokeError as exc:
            print(f"smoke: {exc}", file=sys.stderr)
            return 1
        print(f"smoke: the image works: {lora.name}, {lora.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
