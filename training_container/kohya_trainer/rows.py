"""A row of the loss curve, as it stands in a segment."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One step; None is unknown. Learning rates by the name of what is trained.

    Where steps are more than one, it stands for so many that end with its own, and loss and pace
    are their means. gpus is what each GPU had at about that time.
    """

    step: int
    epoch: int | None
    loss: float | None
    average_loss: float | None
    learning_rates: Mapping[str, float]
    seconds_per_step: float | None
    steps: int = 1
    gpus: Sequence[Mapping[str, Any]] | None = None

    @property
    def first_step(self) -> int:
        return self.step - self.steps + 1

    def as_json(self) -> str:
        """One line; what is no finite number becomes null."""
        return json.dumps(
            {
                "step": self.step,
                "steps": self.steps,
                "epoch": self.epoch,
                "loss": _finite(self.loss),
                "average_loss": _finite(self.average_loss),
                "learning_rates": {k: _finite(v) for k, v in self.learning_rates.items()},
                "seconds_per_step": self.seconds_per_step,
                "gpus": self.gpus,
            }
        )


def unknown(step: int) -> Row:
    """A step of which nobody knows anything."""
    return Row(step, None, None, None, {}, None)


def _finite(value: float | None) -> float | None:
    """The number in the seven digits that an event file's 32 bits hold; None when it is none."""
    return float(f"{value:.7g}") if value is not None and math.isfinite(value) else None
