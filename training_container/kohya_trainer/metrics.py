"""The loss curve: rows from the engine's scalars."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kohya_trainer.rows import Row, unknown
from kohya_trainer.tfevents import Scalar
from kohya_trainer.thinning import Thinner

_GROUP = re.compile(r"group\d+")


@dataclass
class _Draft:
    """What is known of a step so far. ``loss`` has an entry for each accumulated batch."""

    epoch: int
    time: float
    loss: list[float] = field(default_factory=list)
    average: float | None = None
    rates: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochEnd:
    """An epoch that has ended: its average loss and its last step."""

    epoch: int
    average: float
    step: int


class Curve:
    """Collects scalars into rows without a gap.

    ``loss`` and ``average_loss`` are the newest; ``nan_at`` is the first step whose loss was no
    number; ``epochs`` has those that ended. Steps after ``ends_at`` do not count: the training is
    ended there, before the engine ends.
    """

    def __init__(self, *, after_step: int = 0, after_epoch: int = 0) -> None:
        self._drafts: dict[int, _Draft] = {}
        self._epoch = after_epoch + 1
        self._newest = after_step
        self._next = after_step + 1
        self._last_time: float | None = None
        self._thinner = Thinner()
        self.loss: float | None = None
        self.average_loss: float | None = None
        self.nan_at: int | None = None
        self.epochs: list[EpochEnd] = []
        self.ends_at: int | None = None

    def add(self, scalars: Iterable[Scalar]) -> None:
        """Take scalars in the order in which they were logged."""
        for scalar in scalars:
            if scalar.tag == "loss/epoch_average":  # logged at each epoch's end, under its number
                self.epochs.append(EpochEnd(self._epoch, scalar.value, self._newest))
                self._epoch += 1
            elif scalar.step >= 1 and scalar.tag.startswith(("loss/", "lr/")):
                self._newest = max(self._newest, scalar.step)
                self._add_to_step(scalar)

    def end_of(self, epoch: int) -> int:
        """The last step of an epoch, the newest one while nobody has said."""
        return next((one.step for one in self.epochs if one.epoch == epoch), self._newest)

    def epoch_of(self, step: int) -> int:
        """The epoch that a step belongs to."""
        return min((one.epoch for one in self.epochs if step <= one.step), default=self._epoch)

    def take_rows(
        self,
        *,
        through: int | None = None,
        complete: int = 0,
        gpus: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[Row]:
        """Rows of the steps that are complete: those before the newest, or through a last step.

        complete is a step that is known to be, though it may be the newest; it has a row, and so
        has the last one of all. gpus is what the GPUs have now.
        """
        newest = max(self._drafts, default=self._next - 1)
        last = max(newest - 1, complete) if through is None else max(newest, through)
        if self.ends_at is not None:
            last = min(last, self.ends_at)
        kept = {complete} if through is None else {complete, last}
        steps = range(self._next, last + 1)
        self._next = max(self._next, last + 1)
        rows = (self._row(step, gpus, must=step in kept) for step in steps)
        return [row for row in rows if row]

    def _add_to_step(self, scalar: Scalar) -> None:
        draft = self._drafts.setdefault(scalar.step, _Draft(self._epoch, scalar.time))
        if scalar.tag == "loss/current":
            draft.loss.append(scalar.value)
            self.loss = self._checked(scalar)
        elif scalar.tag == "loss/average":
            draft.average = self.average_loss = self._checked(scalar)
        elif scalar.tag.startswith("lr/"):
            draft.rates[scalar.tag.removeprefix("lr/")] = scalar.value

    def _checked(self, scalar: Scalar) -> float:
        if not math.isfinite(scalar.value) and self.nan_at is None:
            self.nan_at = scalar.step
        return scalar.value

    def _row(
        self, step: int, gpus: Sequence[Mapping[str, Any]] | None, *, must: bool
    ) -> Row | None:
        draft = self._drafts.pop(step, None)
        if draft is None:
            return self._thinner.take(unknown(step), None, must=must)
        row = Row(
            step=step,
            epoch=draft.epoch,
            loss=sum(draft.loss) / len(draft.loss) if draft.loss else None,
            average_loss=draft.average,
            learning_rates=_named(draft.rates),
            seconds_per_step=self._seconds(draft),
            gpus=gpus,
        )
        return self._thinner.take(row, draft.time, must=must)

    def _seconds(self, draft: _Draft) -> float | None:
        before, self._last_time = self._last_time, draft.time
        return None if before is None else round(max(draft.time - before, 0.0), 4)


def _named(rates: dict[str, float]) -> dict[str, float]:
    """Without ``group0`` and the like, under which sd-scripts logs the same rates again."""
    named = {name: rate for name, rate in rates.items() if not _GROUP.fullmatch(name)}
    return named or rates
