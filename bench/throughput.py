"""Our preset against the options that an SD trainer is mostly left with: images per second, memory.

    KOHYA_HOME=... KOHYA_PYTHON=... python -m bench.throughput --fm-type sd_xl --model FILE

Both through the container program and the real sd-scripts, in turns in one run, with equal rank and
resolution, on drawn images, until both have seen equally many samples. Prints images per second
beyond the warm-up, peak GPU memory, and the mean loss over equal spans of samples, so that a gain
that learns something else is seen. For a machine with a GPU; without one it runs small, to try
itself out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lambdas.trainings import kohya
from lambdas.trainings.instances import INSTANCE_TYPES
from local.demo import engine

WARM_UP = 0.2
"""Of the steps: kernels are chosen and memory is taken then."""
SPANS = 4
USUAL, OURS = "usual", "preset"

_TRUE_SIZE = {"sd_1_5": "512,512", "sd_xl": "1024,1024"}
_USUAL: dict[str, Any] = {
    "network_module": "networks.lora",
    "learning_rate": 1e-4,
    "lr_scheduler": "cosine",
    "mixed_precision": "fp16",
    "train_batch_size": 1,
    "sdpa": True,
    "cache_latents": True,
    "seed": 42,
}


@dataclass(frozen=True)
class Run:
    """What one training showed: its rows of metrics, the peak of GPU memory in MiB."""

    rows: tuple[Mapping[str, Any], ...]
    batch_size: int
    peak_mib: int | None

    @property
    def images_per_second(self) -> float:
        """Of one GPU, beyond the warm-up."""
        timed = [row["seconds_per_step"] for row in self.rows if row["seconds_per_step"]]
        beyond = timed[int(len(timed) * WARM_UP) :]
        return self.batch_size * len(beyond) / sum(beyond)

    @property
    def losses(self) -> list[float]:
        """The mean loss over equal spans of the samples that were seen."""
        losses = [row["loss"] for row in self.rows if row["loss"] is not None]
        size = max(len(losses) // SPANS, 1)
        return [statistics.fmean(losses[at : at + size]) for at in range(0, size * SPANS, size)]


@dataclass
class _Memory:
    """The peak of GPU memory while it is watched, in MiB; None without a GPU."""

    peak: int | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        while not self.done.wait(0.5):
            try:
                told = subprocess.run(query, capture_output=True, text=True, check=True).stdout
            except (OSError, subprocess.CalledProcessError):
                return
            used = max(int(line) for line in told.split())
            self.peak = max(self.peak or 0, used)


def main() -> None:
    """Run both in turns and print how they compare."""
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    parser.add_argument("--fm-type", choices=list(_TRUE_SIZE), default="sd_1_5")
    parser.add_argument("--model", type=Path, required=True, help="a base model of that family")
    parser.add_argument("--instance-type", choices=list(INSTANCE_TYPES), default="ml.p5.48xlarge")
    parser.add_argument("--resolution", help="default: what the family was trained at")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--samples", type=int, default=400, help="that each training sees")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--options", type=json.loads, default={}, help="JSON over our preset's")
    parser.add_argument("--out", type=Path, help="write all figures there, as JSON")
    asked = parser.parse_args()
    arms = {USUAL: _usual(asked), OURS: _ours(asked)}
    runs: dict[str, list[Run]] = {name: [] for name in arms}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.rounds):
            for name, params in arms.items():
                base = Path(folder) / f"{name}-{number}"
                runs[name].append(_train(base, asked, params))
                _print(name, runs[name][-1])
    _compare(runs)
    if asked.out:
        asked.out.write_text(json.dumps(_figures(arms, runs), indent=1))


def _usual(asked: argparse.Namespace) -> dict[str, Any]:
    own: dict[str, Any] = {"no_half_vae": True} if asked.fm_type == "sd_xl" else {}
    own["optimizer_type"] = "AdamW8bit" if _has("bitsandbytes") else "AdamW"
    return _USUAL | own | _equal(asked, 1)


def _ours(asked: argparse.Namespace) -> dict[str, Any]:
    batch = asked.options.get("train_batch_size", 1)
    given = _equal(asked, batch) | asked.options
    resolved = kohya.resolve(given, asked.fm_type, INSTANCE_TYPES[asked.instance_type])
    if resolved.faults:
        sys.exit("\n".join(f"{fault.pointer} {fault.message}" for fault in resolved.faults))
    return resolved.params


def _equal(asked: argparse.Namespace, batch: int) -> dict[str, Any]:
    """Return what both have: rank, resolution, samples seen."""
    return {
        "network_dim": asked.rank,
        "network_alpha": asked.rank / 2,
        "resolution": asked.resolution or _TRUE_SIZE[asked.fm_type],
        "max_train_steps": asked.samples // batch,
    }


def _has(package: str) -> bool:
    python = os.environ.get("KOHYA_PYTHON") or sys.executable
    command = [python, "-c", f"import importlib.util as u; exit(not u.find_spec('{package}'))"]
    return subprocess.run(command, check=False).returncode == 0


def _train(base: Path, asked: argparse.Namespace, params: Mapping[str, Any]) -> Run:
    _lay_out(base, asked, params)
    log = base.with_suffix(".log")
    environment = engine.environment("kohya") | {
        "PYTHONPATH": str(engine.ROOT / "training_container"),
        "LORASTACK_BASE": str(base),
    }
    with log.open("wb") as output, _watched() as memory:
        done = subprocess.run(
            [sys.executable, "-m", "kohya_trainer"],
            env=environment,
            stdout=output,
            stderr=output,
            check=False,
        )
    if done.returncode:
        sys.exit(log.read_text(errors="replace")[-3000:])
    segments = sorted((base / "checkpoints" / "metrics").iterdir())
    rows = [json.loads(line) for one in segments for line in one.read_text().splitlines()]
    return Run(tuple(rows), params.get("train_batch_size", 1), memory.peak)


@contextmanager
def _watched() -> Iterator[_Memory]:
    memory = _Memory()
    thread = threading.Thread(target=memory.watch)
    thread.start()
    try:
        yield memory
    finally:
        memory.done.set()
        thread.join()


def _lay_out(base: Path, asked: argparse.Namespace, params: Mapping[str, Any]) -> None:
    """Make an /opt/ml: the model, drawn images of the resolution, job.json."""
    data = base / "input" / "data"
    for channel in ("config", "model", "dataset_00/1_bench"):
        (data / channel).mkdir(parents=True)
    (data / "model" / "base.safetensors").symlink_to(asked.model.absolute())
    sides = [int(side) for side in params["resolution"].split(",")]
    for number in range(min(asked.samples, 64)):
        noise = np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)
        image = Image.fromarray(noise).resize((sides[0], sides[-1]), Image.Resampling.BICUBIC)
        image.save(data / "dataset_00" / "1_bench" / f"{number}.png")
        (data / "dataset_00" / "1_bench" / f"{number}.txt").write_text(f"pattern {number}")
    (data / "config" / "job.json").write_text(json.dumps(_job(asked.fm_type, params)))


def _job(fm_type: str, params: Mapping[str, Any]) -> dict[str, Any]:
    dataset = {
        "channel": "dataset_00",
        "dataset_id": "ds_bench",
        "folder": "1_bench",
        "repeats": 1,
        "subject": "bench",
        "caption_policy": "required",
    }
    model = {"channel": "model", "model_id": "mdl_bench", "file_name": "base.safetensors"}
    return {
        "version": 1,
        "training_id": "trn_bench",
        "training_name": "bench",
        "workspace": "bench",
        "fm_type": fm_type,
        "output_name": "bench",
        "model": model,
        "datasets": [dataset],
        "config_params": dict(params),
        "keeps_state": False,
    }


def _print(name: str, run: Run) -> None:
    memory = "-" if run.peak_mib is None else f"{run.peak_mib / 1024:.1f} GiB"
    losses = " ".join(f"{loss:.4f}" for loss in run.losses)
    print(f"{name:<12}{run.images_per_second:>8.2f} images/s{memory:>12}   loss {losses}")


def _compare(runs: Mapping[str, list[Run]]) -> None:
    medians = {
        name: statistics.median(one.images_per_second for one in some)
        for name, some in runs.items()
    }
    print(f"preset: {medians[OURS] / medians[USUAL]:.2f}x")


def _figures(arms: Mapping[str, Any], runs: Mapping[str, list[Run]]) -> dict[str, Any]:
    return {
        name: {
            "options": arms[name],
            "images_per_second": [one.images_per_second for one in some],
            "peak_mib": [one.peak_mib for one in some],
            "losses": [one.losses for one in some],
        }
        for name, some in runs.items()
    }


if __name__ == "__main__":
    main()
