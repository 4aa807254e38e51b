"""The metadata of a LoRA file: sd-scripts' ``ss_`` fields, ModelSpec, and what marks a rehearsal.

train_network.py:966 and library/sai_model_spec.py at the pinned commit; what a rehearsal has no
true value for (hashes of the whole base model, noise options) is left out.
"""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kohya_trainer.rehearsal.images import Images
from kohya_trainer.rehearsal.options import Options
from kohya_trainer.rehearsal.plan import Plan

MARK = {"lorastack_engine": "rehearsal"}

_BASE_VERSIONS = {"sd_1_5": "sd_v1", "sd_xl": "sdxl_base_v1-0"}
_ARCHITECTURES = {
    "sd_1_5": ("stable-diffusion-v1/lora", "diffusers"),
    "sd_xl": (
        "stable-diffusion-xl-v1-base/lora",
        "https://github.com/Stability-AI/generative-models",
    ),
}
_MINIMUM = (
    "ss_v2",
    "ss_base_model_version",
    "ss_network_module",
    "ss_network_dim",
    "ss_network_alpha",
)


@dataclass(frozen=True)
class Metadata:
    """What every file of a run carries; ``full`` is false when the user wants none."""

    fields: dict[str, str]
    full: bool

    def at(self, step: int, epoch: int) -> dict[str, str]:
        """The metadata of the file that is saved now."""
        now = {
            "ss_training_finished_at": str(time.time()),
            "ss_steps": str(step),
            "ss_epoch": str(epoch),
        }
        date = {"modelspec.date": datetime.now(UTC).isoformat(timespec="seconds")}
        return self.fields | (now if self.full else {}) | date | MARK


def make_metadata(options: Options, family: str, plan: Plan, images: Images) -> Metadata:
    """The metadata of a run, every value as text."""
    training = _training(options, family, plan)
    if options.no_metadata:
        training = {key: training[key] for key in _MINIMUM}
    else:
        training |= _dataset(options, images)
    values = training | _model_spec(options, family)
    return Metadata({key: str(value) for key, value in values.items()}, not options.no_metadata)


def _training(options: Options, family: str, plan: Plan) -> dict[str, Any]:
    return {
        "ss_training_started_at": time.time(),
        "ss_output_name": options.output_name,
        "ss_base_model_version": _BASE_VERSIONS[family],
        "ss_sd_model_name": Path(options.pretrained_model_name_or_path).name,
        "ss_v2": False,
        "ss_network_module": options.network_module,
        "ss_network_dim": options.network_dim,
        "ss_network_alpha": options.network_alpha,
        "ss_learning_rate": options.learning_rate,
        "ss_unet_lr": options.unet_lr,
        "ss_lr_scheduler": options.lr_scheduler,
        "ss_lr_warmup_steps": options.lr_warmup_steps,
        "ss_optimizer": options.optimizer_type,
        "ss_mixed_precision": options.mixed_precision,
        "ss_seed": options.seed,
        "ss_training_comment": options.training_comment,
        "ss_num_batches_per_epoch": plan.batches_per_epoch,
        "ss_num_epochs": plan.epochs,
        "ss_max_train_steps": plan.steps,
        "ss_gradient_accumulation_steps": options.gradient_accumulation_steps,
        "ss_batch_size_per_device": options.train_batch_size,
    }


def _dataset(options: Options, images: Images) -> dict[str, Any]:
    return {
        "ss_resolution": options.resolution,
        "ss_num_train_images": images.train_images,
        "ss_num_reg_images": images.reg_images,
        "ss_tag_frequency": json.dumps(images.tag_frequency()),
        "ss_dataset_dirs": json.dumps(images.folders()),
    }


def _model_spec(options: Options, family: str) -> dict[str, str]:
    architecture, implementation = _ARCHITECTURES[family]
    sides = [side.strip() for side in options.resolution.split(",")]
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": architecture,
        "modelspec.implementation": implementation,
        "modelspec.title": options.output_name,
        "modelspec.resolution": f"{sides[0]}x{sides[-1]}",
        "modelspec.prediction_type": "epsilon",
    }
