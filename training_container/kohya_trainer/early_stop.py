"""End a training whose loss falls no more, by the average of each epoch.

The epochs of earlier attempts count as well: their averages come from the loss curve. Those of
another training whose state this one goes on from do not.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kohya_trainer.job import EarlyStop
from kohya_trainer.metrics import EpochEnd
from kohya_trainer.paths import Paths


@dataclass(frozen=True)
class Stop:
    """The training ends after an epoch, whose last step is told; the best one's LoRA counts."""

    after_epoch: int
    best_epoch: int
    step: int

    def as_dict(self) -> dict[str, Any]:
        return {"after_epoch": self.after_epoch, "best_epoch": self.best_epoch}


def stop_by(epochs: Sequence[EpochEnd], wanted: EarlyStop) -> Stop | None:
    """Whether the average losses of these epochs say to stop.

    The best epoch is the last whose average was lower than the best before it by the share
    ``min_improvement`` of that.
    """
    best_epoch, best = 0, 0.0
    for one in epochs:
        if best_epoch == 0 or one.average < best * (1 - wanted.min_improvement):
            best_epoch, best = one.epoch, one.average
        if one.epoch - best_epoch >= wanted.patience_epochs:
            return Stop(one.epoch, best_epoch, one.step)
    return None


def kept_epochs(paths: Paths) -> list[EpochEnd]:
    """The epochs that earlier attempts finished, from the loss curve as it was cut for this one."""
    by_epoch: dict[int, list[Any]] = {}
    for path in sorted(paths.metrics.glob("*.jsonl")):
        for row in map(json.loads, path.read_text("utf-8").splitlines()):
            if row["epoch"] is not None and row["loss"] is not None:
                by_epoch.setdefault(row["epoch"], []).append(row)
    return [_end_of(epoch, rows) for epoch, rows in sorted(by_epoch.items())]


def _end_of(epoch: int, rows: Sequence[dict[str, Any]]) -> EpochEnd:
    steps = [row.get("steps", 1) for row in rows]
    average = sum(row["loss"] * many for row, many in zip(rows, steps, strict=True)) / sum(steps)
    return EpochEnd(epoch, average, rows[-1]["step"])
