"""What the demo shows: steps done, a progress bar, a loss curve."""

import sys
from collections.abc import Sequence
from typing import Any

_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH = 28


class Screen:
    """A terminal, or a log when there is none: then a line only where something changed."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._open_line = False
        self._last = ""

    def say(self, text: str = "") -> None:
        """Print a line."""
        if self._open_line:
            print()
            self._open_line = False
        print(text, flush=True)

    def step(self, name: str, told: str) -> None:
        """Print what one step of the demo came to."""
        self.say(f"  {name:<10} {told}")

    def progress(self, training: dict[str, Any]) -> None:
        """Show how far a training is."""
        line = f"  {'training':<10} {_progress_line(training)}"
        if self._terminal:
            print(f"\r\x1b[2K{line}", end="", flush=True)
            self._open_line = True
        elif line != self._last:
            print(line, flush=True)
        self._last = line


def _progress_line(training: dict[str, Any]) -> str:
    progress = training["progress"]
    if not progress or not progress["total_steps"]:
        return f"{training['status']} {training['provider_status'] or ''}"
    total = progress["total_steps"]
    filled = _WIDTH * min(progress["step"], total) // total
    bar = "█" * filled + "░" * (_WIDTH - filled)
    loss = progress["average_loss"]
    told = "" if loss is None else f"  loss {loss:.4f}"
    left = progress["seconds_remaining"]
    return (
        f"{bar} step {progress['step']}/{progress['total_steps']}"
        f"  epoch {progress['epoch']}/{progress['total_epochs']}{told}"
        + ("" if left is None else f"  {duration(left)} left")
    )


def duration(seconds: float) -> str:
    """Return e.g. `4 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def curve(losses: Sequence[float], columns: int = 60, rows: int = 5) -> list[str]:
    """Return lines that draw a loss curve, each column the mean of its steps."""
    if not losses:
        return ["(no losses)"]
    columns = min(columns, len(losses))
    means = [
        _mean(losses[index * len(losses) // columns : (index + 1) * len(losses) // columns])
        for index in range(columns)
    ]
    low, high = min(means), max(means)
    heights = [(mean - low) / ((high - low) or 1) * rows * 8 for mean in means]
    lines = []
    for row in range(rows - 1, -1, -1):
        cells = (_BARS[max(0, min(8, round(height - row * 8) + (row == 0)))] for height in heights)
        label = f"{high:.4f}" if row == rows - 1 else f"{low:.4f}" if row == 0 else ""
        lines.append(f"{label:>8} ┤{''.join(cells)}")
    return [*lines, f"{'':>8} └{'─' * columns} step 1 to {len(losses)}"]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
