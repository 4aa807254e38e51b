"""The progress bar as tqdm draws it for sd-scripts: on stderr, after a carriage return."""

import sys
import time

REDRAW_SECONDS = 0.1
WIDTH = 10
_EIGHTHS = " ▏▎▍▌▋▊▉"


class Bar:
    """``steps:  25%|██▌       | 2/8 [00:04<00:14,  2.45s/it, avr_loss=1.07]``."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._started = time.monotonic()
        self._drawn = 0.0
        self._last: tuple[int, float | None] = (0, None)
        self.draw(0, None)

    def draw(self, step: int, average: float | None) -> None:
        """Show the step; skipped when the bar was drawn a moment ago."""
        self._last = (step, average)
        if time.monotonic() - self._drawn >= REDRAW_SECONDS:
            self._draw(step, average)

    def close(self) -> None:
        """Draw the last step, which is not the total when the training was resumed."""
        self._draw(*self._last)
        print(file=sys.stderr, flush=True)

    def _draw(self, step: int, average: float | None) -> None:
        now = self._drawn = time.monotonic()
        postfix = "" if average is None else f", avr_loss={average:.3g}"
        text = render(step, self._total, now - self._started)
        print(f"\rsteps: {text}{postfix}]", end="", file=sys.stderr, flush=True)


def render(step: int, total: int, elapsed: float) -> str:
    """The bar without its name and its end."""
    part = step / total
    filled, rest = divmod(int(part * WIDTH * 8), 8)
    blocks = ("█" * filled + (_EIGHTHS[rest] if filled < WIDTH else "")).ljust(WIDTH)
    left = _clock(elapsed / step * (total - step)) if step else "?"
    return f"{part:4.0%}|{blocks}| {step}/{total} [{_clock(elapsed)}<{left}, {_rate(step, elapsed)}"


def _rate(step: int, elapsed: float) -> str:
    if not step:
        return "?it/s"
    seconds = elapsed / step
    return f"{seconds:5.2f}s/it" if seconds > 1 else f"{1 / max(seconds, 1e-9):5.2f}it/s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
