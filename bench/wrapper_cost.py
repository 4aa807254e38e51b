"""What the container program costs beside bare sd-scripts: `make bench ARGS=wrapper`.

The same options and images, pairwise in one run: through the program, and as the bare `accelerate
launch` that it would start. Which of the two comes first changes from pair to pair.

start-up: from the program's start until it starts the trainer. beyond: all the rest of its time,
against the whole time of the bare trainer, which has its own start-up in both. Aimed at: start-up
of at most 2 s, beyond at most 3% apart.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from local.demo import engine

FOLDER = engine.ROOT / ".lorastack" / "bench" / "wrapper"
CONTAINER = engine.ROOT / "training_container"
PARAMS: dict[str, Any] = {
    "network_dim": 4,
    "network_alpha": 4.0,
    "learning_rate": 1e-4,
    "optimizer_type": "AdamW",
    "mixed_precision": "no",
    "resolution": "64,64",
    "enable_bucket": True,
    "min_bucket_reso": 64,
    "sdpa": True,
    "seed": 42,
    "cache_latents": True,
}
_STARTING = b"lorastack: starting "


@dataclass(frozen=True)
class Pair:
    """Seconds of the same training with the program around it and without."""

    start_up: float
    beyond: float
    bare: float

    @property
    def apart(self) -> float:
        """Return by which share the program's is longer."""
        return self.beyond / self.bare - 1


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each pair, and the medians."""
    parser = argparse.ArgumentParser(prog="bench wrapper", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="pairs (default 5)")
    parser.add_argument("--epochs", type=int, default=2, help="of 8 steps each (default 2)")
    parser.add_argument(
        "--model", type=Path, help="an SD 1.5 checkpoint (default: `make kohya-model`'s)"
    )
    asked = parser.parse_args(arguments)
    env = engine.environment("kohya")
    model = asked.model or Path(env["KOHYA_HOME"]).parent / "models" / "random-sd_1_5.safetensors"
    if not model.exists():
        sys.exit(f"{model} is not there: `make kohya-model` makes it, or name one with --model.")
    print(f"{'pair':>4}{'start-up':>10}{'beyond':>10}{'bare':>10}{'apart':>9}   seconds")
    pairs = []
    for number in range(1, asked.rounds + 1):
        pairs.append(_pair(number, model.absolute(), asked.epochs, env))
        print(_line(str(number), pairs[-1]), flush=True)
    print(_line("all", _medians(pairs)))
    print("\nall: the medians of each column. Aimed at: start-up 2 s, apart 3%.")


def _pair(number: int, model: Path, epochs: int, env: dict[str, str]) -> Pair:
    shutil.rmtree(FOLDER, ignore_errors=True)
    program, bare = FOLDER / "program", FOLDER / "bare"
    for base in (program, bare):
        _make_base(base, model, epochs)
    if number % 2:
        start_up, beyond = _with_program(program, env)
        return Pair(start_up, beyond, _bare(bare, env))
    alone = _bare(bare, env)
    return Pair(*_with_program(program, env), alone)


def _with_program(base: Path, env: dict[str, str]) -> tuple[float, float]:
    """Return the seconds until the trainer was started, and those after that."""
    command = [sys.executable, "-m", "kohya_trainer", "--base", str(base)]
    began = time.perf_counter()
    child = subprocess.Popen(
        command, env=env | {"PYTHONPATH": str(CONTAINER)}, stderr=subprocess.PIPE
    )
    started, lines = 0.0, []
    assert child.stderr
    for line in child.stderr:
        lines.append(line)
        if line.startswith(_STARTING):
            started = time.perf_counter()
    status = child.wait()
    ended = time.perf_counter()
    if status != 0 or not started:
        sys.exit(b"".join(lines[-40:]).decode("utf-8", "replace"))
    return started - began, ended - started


def _bare(base: Path, env: dict[str, str]) -> float:
    """Return the seconds of the trainer as the program would start it, with nobody around it."""
    ready = subprocess.run(
        [sys.executable, "-c", _PREPARE, str(base)],
        env=env | {"PYTHONPATH": str(CONTAINER)},
        check=True,
        capture_output=True,
        text=True,
    )
    launch = json.loads(ready.stdout.splitlines()[-1])
    with (base / "log").open("wb") as log:
        began = time.perf_counter()
        done = subprocess.run(
            launch["argv"],
            env=launch["env"],
            cwd=launch["cwd"],
            stdout=log,
            stderr=log,
            check=False,
        )
    if done.returncode != 0:
        sys.exit((base / "log").read_text(errors="replace")[-4000:])
    return time.perf_counter() - began


_PREPARE = """
import json, sys
from dataclasses import replace
from pathlib import Path
from kohya_trainer import command
from kohya_trainer.inputs import check_inputs
from kohya_trainer.job import read_job
from kohya_trainer.paths import Paths
from kohya_trainer.settings import Settings
settings = replace(Settings.from_environment(), base=Path(sys.argv[1]))
paths = Paths(settings.base)
paths.make_folders()
job = read_job(paths.job)
launch = command.prepare(job, check_inputs(job, paths), paths, settings)
print(json.dumps({"argv": launch.argv, "env": dict(launch.env), "cwd": str(launch.cwd)}))
"""


def _make_base(base: Path, model: Path, epochs: int) -> None:
    data = base / "input" / "data"
    images = data / "dataset_00" / "2_bench"
    for folder in (data / "config", data / "model", images):
        folder.mkdir(parents=True)
    (data / "model" / "base.safetensors").symlink_to(model)
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(images / f"{number}.png")
        (images / f"{number}.txt").write_text(f"bench, {number}")
    (data / "config" / "job.json").write_text(json.dumps(_job(epochs)))


def _job(epochs: int) -> dict[str, Any]:
    dataset = {
        "channel": "dataset_00",
        "dataset_id": "ds_bench",
        "folder": "2_bench",
        "repeats": 2,
        "subject": "bench",
        "caption_policy": "required",
    }
    return {
        "version": 1,
        "training_id": "trn_bench",
        "training_name": "bench",
        "workspace": "bench",
        "fm_type": "sd_1_5",
        "output_name": "bench",
        "model": {"channel": "model", "model_id": "mdl_bench", "file_name": "base.safetensors"},
        "datasets": [dataset],
        "config_params": PARAMS | {"max_train_epochs": epochs},
        "keeps_state": False,
    }


def _medians(pairs: list[Pair]) -> Pair:
    def median(name: str) -> float:
        return statistics.median(getattr(pair, name) for pair in pairs)

    return Pair(median("start_up"), median("beyond"), median("bare"))


def _line(name: str, pair: Pair) -> str:
    times = f"{pair.start_up:>10.2f}{pair.beyond:>10.2f}{pair.bare:>10.2f}"
    return f"{name:>4}{times}{pair.apart:>8.1%}"


if __name__ == "__main__":
    main()
