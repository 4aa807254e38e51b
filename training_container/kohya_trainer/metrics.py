"""The loss curve: rows from the engine's scalars, kept in immutable segments.

A segment is named after its first and last step, so a reader knows from a listing what to fetch.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from kohya_trainer.paths import Paths
from kohya_trainer.tfevents import Scalar

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
class Row:
    """One step; None is unknown. Learning rates by the name of what is trained."""

    step: int
    epoch: int | None
    loss: float | None
    average_loss: float | None
    learning_rates: dict[str, float]
    seconds_per_step: float | None

    def as_json(self) -> str:
        """One line; what is no finite number becomes null."""
        return json.dumps(
            {
                "step": self.step,
                "epoch": self.epoch,
                "loss": _finite(self.loss),
                "average_loss": _finite(self.average_loss),
                "learning_rates": {k: _finite(v) for k, v in self.learning_rates.items()},
                "seconds_per_step": self.seconds_per_step,
            }
        )


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
        self._next = after_step + 1
        self._last_time: float | None = None
        self.loss: float | None = None
        self.average_loss: float | None = None
        self.nan_at: int | None = None
        self.epochs: list[EpochEnd] = []
        self.ends_at: int | None = None

    def add(self, scalars: Iterable[Scalar]) -> None:
        """Take scalars in the order in which they were logged."""
        for scalar in scalars:
            if scalar.tag == "loss/epoch_average":  # logged at each epoch's end, under its number
                newest = max(self._drafts, default=self._next - 1)
                self.epochs.append(EpochEnd(self._epoch, scalar.value, newest))
                self._epoch += 1
            elif scalar.step >= 1 and scalar.tag.startswith(("loss/", "lr/")):
                self._add_to_step(scalar)

    def take_rows(self, *, through: int | None = None, complete: int = 0) -> list[Row]:
        """Rows of the steps that are complete: those before the newest, or through a last step.

        complete is a step that is known to be, though it may be the newest.
        """
        newest = max(self._drafts, default=self._next - 1)
        last = max(newest - 1, complete) if through is None else max(newest, through)
        if self.ends_at is not None:
            last = min(last, self.ends_at)
        rows = [self._row(step) for step in range(self._next, last + 1)]
        self._next += len(rows)
        return rows

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

    def _row(self, step: int) -> Row:
        draft = self._drafts.pop(step, None)
        if draft is None:
            return Row(step, None, None, None, {}, None)
        loss = sum(draft.loss) / len(draft.loss) if draft.loss else None
        rates = _named(draft.rates)
        return Row(step, draft.epoch, loss, draft.average, rates, self._seconds(draft))

    def _seconds(self, draft: _Draft) -> float | None:
        before, self._last_time = self._last_time, draft.time
        return None if before is None else round(max(draft.time - before, 0.0), 4)


def write_segment(rows: list[Row], paths: Paths) -> None:
    """Write the rows as one new file, never touched again; no rows, no file."""
    if rows:
        lines = [row.as_json() for row in rows]
        write_lines(lines, rows[0].step, rows[-1].step, paths)


def write_lines(lines: Iterable[str], first: int, last: int, paths: Paths) -> None:
    """Write rows that are JSON already, of the steps from first to last."""
    name = f"{first:08d}-{last:08d}.jsonl"
    paths.write(paths.metrics / name, "".join(f"{line}\n" for line in lines))


def _named(rates: dict[str, float]) -> dict[str, float]:
    """Without ``group0`` and the like, under which sd-scripts logs the same rates again."""
    named = {name: rate for name, rate in rates.items() if not _GROUP.fullmatch(name)}
    return named or rates


def _finite(value: float | None) -> float | None:
    """The number in the seven digits that an event file's 32 bits hold; None when it is none."""
    return float(f"{value:.7g}") if value is not None and math.isfinite(value) else None
