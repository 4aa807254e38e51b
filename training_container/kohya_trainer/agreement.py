"""What a training must have in common with the one from whose state it goes on.

accelerate loads factors, optimizer and scheduler by position and shape, and sd-scripts reckons the
epoch from the step (train_network.py:1272 at the pinned commit): another network or optimizer does
not load, another batch or dataset counts wrong. Learning rates come with the state, so other ones
would quietly do nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from kohya_trainer.failure import TrainingFailed
from kohya_trainer.job import Job
from kohya_trainer.states import State

_PREFIXES = ("network_", "optimizer_", "lr_scheduler", "lr_warmup", "lr_decay")
_NAMES = frozenset(
    {
        *("learning_rate", "unet_lr", "text_encoder_lr"),
        *("train_batch_size", "gradient_accumulation_steps", "max_grad_norm"),
        *("mixed_precision", "full_fp16", "full_bf16", "seed"),
        *("resolution", "enable_bucket", "bucket_no_upscale", "bucket_reso_steps"),
        *("min_bucket_reso", "max_bucket_reso"),
    }
)
_NOT_OF_THE_STATE = frozenset({"network_weights"})


def setting_of(job: Job, config: Mapping[str, Any], processes: int) -> dict[str, Any]:
    """What is noted with a state: all that must be the same to go on from it."""
    return {
        "fm_type": job.family,
        "model_id": job.model.model_id,
        "datasets": [{"id": one.dataset_id, "repeats": one.repeats} for one in job.datasets],
        "gpus": processes,
        "options": {name: value for name, value in sorted(config.items()) if _counts(name)},
    }


def check_agreement(state: State, wanted: Mapping[str, Any]) -> None:
    """Raise TrainingFailed (bad_option) naming what differs from what the state was made with."""
    if not state.setting:
        raise _differs("the state says nothing of how it was made")
    differing = list(_differences(state.setting, wanted))
    if differing:
        raise _differs("; ".join(differing))


def _counts(name: str) -> bool:
    known = name.startswith(_PREFIXES) or name in _NAMES
    return known and name not in _NOT_OF_THE_STATE


def _differences(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for name in ("fm_type", "model_id", "datasets", "gpus"):
        if kept.get(name) != wanted[name]:
            yield f"{name} is {wanted[name]}, the state has {kept.get(name)}"
    before, now = kept.get("options", {}), wanted["options"]
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            yield f"{name} is {now.get(name)}, the state has {before.get(name)}"


def _differs(what: str) -> TrainingFailed:
    return TrainingFailed(
        "bad_option",
        f"The training does not go on from this state: {what}.",
        "Set it as the state has it, or continue from the earlier training's LoRA instead.",
    )
