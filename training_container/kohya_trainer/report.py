"""What the program tells: progress.json while it works, report.json at the end."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from kohya_trainer.command import Engine
from kohya_trainer.early_stop import Stop
from kohya_trainer.loras import Lora
from kohya_trainer.paths import Paths
from kohya_trainer.progress import Position

Phase = Literal["preparing", "captioning", "training", "saving", "finished", "stopped", "failed"]

HEARTBEAT_SECONDS = 60.0
"""An unchanged progress.json is written again this often; each write is an event in AWS."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where the training stands, as progress.json tells it; None is unknown."""

    phase: Phase
    engine: Engine | None = None
    position: Position = field(default_factory=Position)
    loss: float | None = None
    average_loss: float | None = None
    captioned: tuple[int, int] | None = None
    """Images that the tagger has done, and all that it is to do."""
    loras: Sequence[Lora] = ()
    gpus: Sequence[Mapping[str, Any]] | None = None
    stopped_early: Stop | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON object, without the time of writing."""
        where = self.position
        average = where.average_loss if self.average_loss is None else self.average_loss
        return {
            "version": 1,
            "phase": self.phase,
            "engine": self.engine,
            "step": where.step,
            "total_steps": where.total_steps,
            "epoch": where.epoch,
            "total_epochs": where.total_epochs,
            "loss": _rounded(self.loss),
            "average_loss": _rounded(average),
            "seconds_per_step": _rounded(where.seconds_per_step),
            "seconds_remaining": self._seconds_remaining(),
            "gpus": self.gpus,
            "images_captioned": self.captioned[0] if self.captioned else None,
            "images_to_caption": self.captioned[1] if self.captioned else None,
            "loras": [lora.as_dict() for lora in self.loras],
            "stopped_early": self.stopped_early.as_dict() if self.stopped_early else None,
        }

    def _seconds_remaining(self) -> float | None:
        where = self.position
        if self.phase == "finished":
            return 0.0
        if where.total_steps is None or where.seconds_per_step is None:
            return None
        return round(max(where.total_steps - where.step, 0) * where.seconds_per_step, 1)


class ProgressFile:
    """Writes progress.json when something changed, or as a heartbeat."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._written: dict[str, Any] | None = None
        self._written_at = 0.0

    def write(self, progress: Progress) -> None:
        """Write it, unless it says what was said less than HEARTBEAT_SECONDS ago."""
        body = progress.as_dict()
        weighed = body | {"gpus": None}  # their use alone is no news
        now = time.monotonic()
        if weighed == self._written and now - self._written_at < HEARTBEAT_SECONDS:
            return
        self._written, self._written_at = weighed, now
        self._paths.write(self._paths.progress, json.dumps(body | {"updated_at": _now()}))


def write_report(paths: Paths, report: Mapping[str, Any]) -> None:
    """Write report.json: what ran and what came out."""
    body = {"version": 1, **report, "written_at": _now()}
    text = json.dumps(body, ensure_ascii=False, indent=1, default=str)
    paths.report.write_text(text + "\n", encoding="utf-8", errors="replace")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rounded(value: float | None) -> float | None:
    return round(value, 6) if value is not None and math.isfinite(value) else None
