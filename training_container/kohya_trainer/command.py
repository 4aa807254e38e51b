"""The one place that knows which engine runs, and with which files and command line.

Both engines take the same two files: a flat TOML of options and a dataset config.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kohya_trainer.dataset_config import dataset_config
from kohya_trainer.failure import TrainingFailed
from kohya_trainer.inputs import Inputs
from kohya_trainer.job import Job
from kohya_trainer.paths import Paths
from kohya_trainer.resumed_script import can_count_on
from kohya_trainer.sample_prompts import without_prompts, write_prompts
from kohya_trainer.settings import Settings
from kohya_trainer.toml_writer import Value, table

Engine = Literal["kohya", "rehearsal"]

SCRIPTS = {"sd_1_5": "train_network.py", "sd_xl": "sdxl_train_network.py"}

WITHOUT_GPU: dict[tuple[str, Value], Value] = {
    ("mixed_precision", "fp16"): "no",  # accelerate: fp16 mixed precision requires a GPU
    ("optimizer_type", "AdamW8bit"): "AdamW",  # bitsandbytes needs CUDA
    ("optimizer_type", "PagedAdamW8bit"): "AdamW",
    ("optimizer_type", "Lion8bit"): "Lion",
    ("optimizer_type", "PagedLion8bit"): "Lion",
    ("optimizer_type", "SGDNesterov8bit"): "SGDNesterov",
    ("xformers", True): False,
    ("full_fp16", True): False,
}
"""What cannot run without a GPU, and what runs in its place on a machine without one."""

_START = frozenset(
    {
        "resume",
        "initial_step",
        "initial_epoch",
        "skip_until_initial_step",
        "network_weights",
        "sample_prompts",
    }
)

_WORKERS = frozenset({"max_data_loader_n_workers", "persistent_data_loader_workers"})
"""Set by the user or by us, not one by each: torch refuses persistent workers where there are none.
"""


@dataclass(frozen=True)
class Launch:
    """A program to start: argument list, environment, folder."""

    engine: Engine
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    config: Mapping[str, Value]
    adjusted: Mapping[str, str]
    processes: int = 1


def engine(settings: Settings) -> Engine:
    """kohya where there is a checkout of sd-scripts, else the rehearsal."""
    return "kohya" if settings.kohya_home else "rehearsal"


def can_resume(settings: Settings) -> bool:
    """Whether the engine can go on from a state and count its steps right."""
    home = settings.kohya_home
    return home is None or can_count_on(home)


def prepare(job: Job, inputs: Inputs, paths: Paths, settings: Settings) -> Launch:
    """Write the engine's two files into the staging folder and say how to start it.

    Raises TrainingFailed (bad_option) for options that cannot be written or belong to the service.
    """
    chosen = engine(settings)
    config_file = paths.staging / "config.toml"
    dataset_file = paths.staging / "dataset.toml"
    gpus = 0 if chosen == "rehearsal" or settings.kohya_cpu else count_gpus(settings)
    config = options(job, inputs, paths, settings) | {"dataset_config": str(dataset_file)}
    prompts = write_prompts(job.sample_prompts, paths)
    config = config | prompts if prompts else without_prompts(config)
    adjusted = {} if gpus or chosen == "rehearsal" else _without_gpu(config)
    config_file.write_text(table(config), encoding="utf-8")
    dataset_file.write_text(dataset_config(inputs.folders), encoding="utf-8")
    if chosen == "rehearsal":
        argv, cwd = rehearsal_command(config_file), paths.staging
    else:
        argv, cwd = kohya_command(job, settings, config_file, config, gpus)
    return Launch(chosen, argv, environment(), cwd, config, adjusted, max(gpus, 1))


def options(job: Job, inputs: Inputs, paths: Paths, settings: Settings) -> dict[str, Value]:
    """The user's options over our defaults, and under them what belongs to the service."""
    owned = _owned(job, inputs, paths, settings)
    taken = sorted((owned.keys() | _START) & job.config_params.keys())
    if taken:
        raise TrainingFailed(
            "bad_option",
            f"The options {', '.join(taken)} belong to the service.",
            "Leave them out of config_params.",
        )
    return {**_defaults(job, settings), **job.config_params, **owned}


def _defaults(job: Job, settings: Settings) -> dict[str, Value]:
    """What the user may set otherwise: sd-scripts' own default does not serve here."""
    defaults: dict[str, Value] = {"network_module": "networks.lora"}
    if not job.config_params.keys() & {"save_every_n_epochs", "save_n_epoch_ratio"}:
        defaults["save_every_n_epochs"] = 1
    if not job.config_params.keys() & _WORKERS:
        workers = 0 if settings.kohya_cpu else min(8, max((os.cpu_count() or 2) - 1, 1))
        defaults["max_data_loader_n_workers"] = workers
        defaults["persistent_data_loader_workers"] = workers > 0
    return defaults


def _owned(job: Job, inputs: Inputs, paths: Paths, settings: Settings) -> dict[str, Value]:
    owned: dict[str, Value] = {
        "pretrained_model_name_or_path": str(inputs.model),
        "output_dir": str(paths.engine_output),
        "output_name": job.output_name,
        "save_model_as": "safetensors",
        "logging_dir": str(paths.tensorboard),
        "log_with": "tensorboard",
        "caption_extension": ".txt",
        "console_log_simple": True,  # rich would fold our log at 80 columns
        "save_state": job.keeps_state,  # with each LoRA of an epoch; states.py keeps what is of use
        **_start(inputs),
    }
    if settings.kohya_tokenizers:
        owned["tokenizer_cache_dir"] = str(settings.kohya_tokenizers)
    return owned


def _start(inputs: Inputs) -> dict[str, Value]:
    """From where: a saved state, else the LoRA to be continued, else nothing.

    The step is said because sd-scripts reckons ``initial_epoch`` wrong on several GPUs: the loader
    that it counts is one process's share already (train_network.py:1243). Without
    ``skip_until_initial_step`` it begins the epoch after the state's, on the same order of images:
    all shuffles before are repeated, and the state holds the random generators.
    """
    if inputs.state:
        return {"resume": str(inputs.state.folder), "initial_step": inputs.state.step}
    return {"network_weights": str(inputs.init)} if inputs.init else {}


def rehearsal_command(config_file: Path) -> tuple[str, ...]:
    """The rehearsal engine, in this interpreter."""
    return (sys.executable, "-m", "kohya_trainer.rehearsal", "--config_file", str(config_file))


def kohya_command(
    job: Job, settings: Settings, config_file: Path, config: Mapping[str, Value], gpus: int
) -> tuple[tuple[str, ...], Path]:
    """``accelerate launch`` of the family's script, and the sd-scripts folder to run it in."""
    home = settings.kohya_home or Path()
    script = home / SCRIPTS[job.family]
    if not script.is_file():
        raise TrainingFailed(
            "bad_job",
            f"KOHYA_HOME has no {script.name}.",
            "Point KOHYA_HOME at a checkout of sd-scripts, or unset it to rehearse.",
        )
    launcher = (settings.kohya_python, "-m", "accelerate.commands.launch", *_hardware(gpus))
    precision = ("--mixed_precision", str(config.get("mixed_precision", "no")))
    module = ("--module", "kohya_trainer.resumed_script") if "resume" in config else ()
    return (*launcher, *precision, *module, str(script), "--config_file", str(config_file)), home


def _hardware(gpus: int) -> tuple[str, ...]:
    """Everything that accelerate would otherwise guess, with a warning in the log."""
    threads = 2 if gpus else os.cpu_count() or 1
    kind = ("--cpu",) if gpus == 0 else ("--multi_gpu",) if gpus > 1 else ()
    return (
        *kind,
        *("--num_processes", str(max(gpus, 1))),
        *("--num_machines", "1"),
        *("--num_cpu_threads_per_process", str(threads)),
        *("--dynamo_backend", "no"),
    )


def count_gpus(settings: Settings) -> int:
    """How many GPUs the instance has; 1 where nobody can say, so that a missing GPU is an error."""
    if settings.gpus is not None:
        return max(settings.gpus, 1)
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 1
    return max(sum(line.startswith("GPU ") for line in listed.stdout.splitlines()), 1)


def _without_gpu(config: dict[str, Value]) -> dict[str, str]:
    """Replace in place what only a GPU can do; returns what was replaced, for log and report."""
    adjusted = {}
    for (key, value), instead in WITHOUT_GPU.items():
        if config.get(key) == value:
            config[key] = instead
            adjusted[key] = f"{value} -> {instead}: there is no GPU"
    return adjusted


def environment() -> dict[str, str]:
    """What every program that we start finds in its environment."""
    package_root = str(Path(__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([package_root, inherited] if inherited else [package_root]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
