"""Whether an early stop makes sense for a training."""

from collections.abc import Iterator, Mapping
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.trainings.schema import EarlyStop, Steps


def against_options(wanted: EarlyStop | None, params: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the options that keep the LoRA of an epoch from being there to be chosen."""
    if wanted is None:
        return
    every = params.get("save_every_n_epochs", 1)
    if every != 1:
        text = f"must be 1 with early_stop, since any epoch's LoRA may be the best; not {every}"
        yield Fault(pointer("config_params", "save_every_n_epochs"), text)
    if params.get("save_n_epoch_ratio"):
        text = "leave it out with early_stop, which needs a LoRA of every epoch"
        yield Fault(pointer("config_params", "save_n_epoch_ratio"), text)


def against_epochs(wanted: EarlyStop | None, steps: Steps, done: int) -> Iterator[Fault]:
    """Yield why it could never come to an early stop; `done` epochs lie before this training.

    The first epoch is what the others are compared with, and after the last there is no stop.
    """
    if wanted is None:
        return
    most = steps.epochs - done - 2
    if most < 1:
        text = f"needs at least 3 epochs, and {steps.epochs - done} are trained: leave it out"
        yield Fault("/early_stop", text)
    elif wanted.patience_epochs > most:
        text = f"must be at most {most} with {steps.epochs - done} epochs; or train more epochs"
        yield Fault("/early_stop/patience_epochs", text)
