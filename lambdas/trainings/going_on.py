"""Going on from another training's saved state: what must be as it was, and what may change.

accelerate loads optimizer and scheduler as they were, learning rates with them, so an option of
these would do nothing, and one that changes the network or the batches does not fit the state. What
may change has no part in either; `training_container/kohya_trainer/agreement.py` holds the same
against the state itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.trainings.instances import INSTANCE_TYPES, InstanceType
from lambdas.trainings.option_values import shown
from lambdas.trainings.options import options
from lambdas.trainings.schema import (
    FINAL,
    Continued,
    DatasetUsed,
    ModelUsed,
    NewTraining,
    Steps,
    Training,
)
from lambdas.trainings.states import SavedState

_POINTER = "/continue_from"
GOALS = ("max_train_epochs", "max_train_steps")
_MAY_CHANGE = frozenset(
    {
        *GOALS,
        *("gradient_checkpointing", "sdpa", "mem_eff_attn", "lowram", "highvram"),
        *("vae_batch_size", "max_data_loader_n_workers", "persistent_data_loader_workers"),
        *("no_metadata", "training_comment"),
    }
)
_MAY_CHANGE_PREFIXES = ("save_", "sample_", "metadata_")
_RATE_STAYS = ("constant", "constant_with_warmup", "adafactor")
_OF_A_DATASET = ("repeats", "regularisation", "caption_policy", "options")
"""What a request says of a dataset; how it lies in groups follows from that."""


@dataclass(frozen=True)
class Earlier:
    """The training that a request goes on from, and its newest state, when it has one."""

    training: Training
    state: SavedState | None

    @property
    def epoch(self) -> int:
        """Return after which epoch the new training begins."""
        return self.state.epoch if self.state else 0


def used(earlier: Earlier | None) -> Continued | None:
    """Return what the record tells of it."""
    if earlier is None or earlier.state is None:
        return None
    training, state = earlier.training, earlier.state
    return Continued(
        kind="state", id=training.id, name=training.name, step=state.step, epoch=state.epoch
    )


def taken_over(earlier: Earlier, *, draws: bool) -> dict[str, Any]:
    """Return its options; when samples are drawn is none of one that has no prompts."""
    params = earlier.training.config_params
    return {
        name: value for name, value in params.items() if draws or not name.startswith("sample_")
    }


def has_a_state(wanted: str, earlier: Earlier | None) -> Iterator[Fault]:
    """Yield why there is nothing to go on from."""
    if earlier is None:
        yield Fault(_POINTER, f"there is no training {wanted}: GET /trainings lists them")
        return
    training = earlier.training
    if training.status not in FINAL:
        text = f"{training.name} is {training.status}: wait until it has ended, or cancel it"
        yield Fault(_POINTER, text)
    elif training.status == "deleting":
        yield Fault(_POINTER, f"{training.name} is being deleted{_instead(training)}")
    elif earlier.state is None:
        why = "no epoch was finished" if training.keep_state else "its keep_state was false"
        text = f"{training.name} has left no state ({why}, or it was removed)"
        yield Fault(_POINTER, f"{text}{_instead(training)}")


def differences(
    request: NewTraining,
    earlier: Earlier,
    model: ModelUsed | None,
    datasets: Sequence[tuple[int, DatasetUsed]] | None,
    instance: InstanceType,
) -> Iterator[Fault]:
    """Yield what is otherwise than the state has it, but for the options.

    Datasets go with their places in the request; None where there are faults with them already.
    """
    training = earlier.training
    before = training.model
    if model and model.id != before.id:
        text = f"must be {before.id} ({before.name}), as the state has it"
        yield Fault("/model", f"{text}{_instead(training)}")
    if datasets is not None:
        yield from dict.fromkeys(_other_datasets(datasets, training))
    gpus = INSTANCE_TYPES[training.instance_type].gpus
    if instance.gpus != gpus:
        text = f"{instance.name} has {instance.gpus} GPUs, but the state was made with {gpus}"
        yield Fault(
            "/instance_type", f"{text}: take {training.instance_type}, or another of so many"
        )
    if request.preset not in (None, training.preset):
        text = f"the options come from the training, whose preset was {training.preset}"
        yield Fault("/preset", f"{text}: leave it out")


def other_options(params: Mapping[str, Any], earlier: Earlier) -> Iterator[Fault]:
    """Yield the options that must be as the state has them and are not."""
    before = earlier.training.config_params
    for name in sorted(before.keys() | params.keys()):
        if name in _MAY_CHANGE or name.startswith(_MAY_CHANGE_PREFIXES):
            continue
        old, new = (given.get(name, _default(name)) for given in (before, params))
        if old != new:
            text = f"must be {shown(old)}, as the state has it, or be left out; not {shown(new)}"
            if old is None:
                text = f"must be left out, as the state has none; not {shown(new)}"
            yield Fault(pointer("config_params", name), f"{text}{_instead(earlier.training)}")


def too_short(params: Mapping[str, Any], steps: Steps, earlier: Earlier) -> Iterator[Fault]:
    """Yield why the steps to be trained do not go on from the state's."""
    state = earlier.state
    if state is None:
        return
    if steps.assumption is None and state.step != state.epoch * steps.steps_per_epoch:
        text = f"its epochs had {state.step // max(state.epoch, 1)} steps, now they have"
        yield Fault(_POINTER, f"{text} {steps.steps_per_epoch}{_instead(earlier.training)}")
    if steps.total_steps <= state.step:
        goal = "max_train_epochs" if "max_train_epochs" in params else "max_train_steps"
        done = state.epoch if goal == "max_train_epochs" else state.step
        text = f"must be more than {done}, which {earlier.training.name} has done: it counts from"
        yield Fault(pointer("config_params", goal), f"{text} the beginning")


def schedule_jumps(params: Mapping[str, Any], steps: Steps, earlier: Earlier) -> tuple[Fault, ...]:
    """Return a warning when the learning rate would not go on from where it was."""
    scheduler = str(params.get("lr_scheduler", _default("lr_scheduler")))
    if scheduler in _RATE_STAYS or steps.total_steps == earlier.training.steps.total_steps:
        return ()
    text = (
        f"{scheduler} is laid out over {steps.total_steps} steps instead of "
        f"{earlier.training.steps.total_steps}, so the learning rate jumps where it goes on"
    )
    return (Fault(pointer("config_params", "lr_scheduler"), text),)


def other_captions(request: NewTraining, earlier: Earlier) -> tuple[Fault, ...]:
    """Return a warning when images get their captions otherwise than they did."""
    if request.captioning == earlier.training.captioning:
        return ()
    did = "otherwise" if earlier.training.captioning else "without a tagger"
    text = f"{earlier.training.name} was trained {did}, so that the same images have other captions"
    return (Fault("/captioning", f"{text} from where it goes on"),)


def _other_datasets(
    datasets: Sequence[tuple[int, DatasetUsed]], training: Training
) -> Iterator[Fault]:
    if len(datasets) != len(training.datasets):
        names = ", ".join(dict.fromkeys(one.name for one in training.datasets))
        text = f"must be {names}, in this order, as the state has them{_instead(training)}"
        yield Fault("/datasets", text)
        return
    for (entry, now), before in zip(datasets, training.datasets, strict=True):
        yield from _otherwise(entry, now, before, training)


def _otherwise(
    entry: int, now: DatasetUsed, before: DatasetUsed, training: Training
) -> Iterator[Fault]:
    if now.id != before.id:
        text = f"must be {before.id} ({before.name}), as the state has it"
        yield Fault(f"/datasets/{entry}/dataset", f"{text}{_instead(training)}")
        return
    for name in _OF_A_DATASET:
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            text = f"must be {shown(old)}, as the state has it; not {shown(new)}"
            yield Fault(f"/datasets/{entry}/{name}", f"{text}{_instead(training)}")


def _default(name: str) -> Any:
    option = options().get(name)
    return option.default if option else None


def _instead(training: Training) -> str:
    if training.lora_id is None:
        return ""
    return f". Or continue from its LoRA instead: {training.lora_id}"
