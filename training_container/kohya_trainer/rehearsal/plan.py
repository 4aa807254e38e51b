"""How many steps and epochs, counted as sd-scripts counts them when each dataset has one bucket.

train_network.py:806 and :938 at the pinned commit.
"""

import math
from dataclasses import dataclass

from kohya_trainer.rehearsal.options import Options


@dataclass(frozen=True)
class Plan:
    """Steps are optimiser steps; a batch is what one forward pass takes."""

    batches_per_epoch: int
    steps_per_epoch: int
    epochs: int
    steps: int
    save_every_n_epochs: int | None

    def saves_after(self, epoch: int) -> bool:
        """Whether a file is saved at the end of this epoch; the last one has its own name."""
        every = self.save_every_n_epochs
        return every is not None and epoch % every == 0 and epoch < self.epochs


def make_plan(options: Options, batches: int) -> Plan:
    """The plan for an epoch of so many batches."""
    steps_per_epoch = math.ceil(batches / options.gradient_accumulation_steps)
    steps = options.max_train_steps
    if options.max_train_epochs is not None:
        steps = options.max_train_epochs * steps_per_epoch
    epochs = math.ceil(steps / steps_per_epoch)
    return Plan(batches, steps_per_epoch, epochs, steps, _save_every(options, epochs))


def _save_every(options: Options, epochs: int) -> int | None:
    if options.save_n_epoch_ratio:
        return math.floor(epochs / options.save_n_epoch_ratio) or 1
    return options.save_every_n_epochs


def rate_factor(options: Options, step: int, steps: int) -> float:
    """What the scheduler makes of the learning rate at a step (from 0).

    Warm-up, then constant, linear or cosine; every other scheduler is rehearsed as constant.
    """
    warmup = options.lr_warmup_steps
    warmup = warmup * steps if 0 < warmup < 1 else warmup
    if step < warmup:
        return step / warmup
    progress = (step - warmup) / max(steps - warmup, 1)
    if options.lr_scheduler == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    return 1 - progress if options.lr_scheduler == "linear" else 1.0
