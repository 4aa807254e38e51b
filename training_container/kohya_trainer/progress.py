"""Read where the training stands from what the engine prints.

sd-scripts draws a tqdm bar on stderr with carriage returns
(``steps:  25%|##5       | 2/8 [00:04<00:14,  2.45s/it, avr_loss=1.07]``) and says ``epoch 1/2`` on
stdout (train_network.py at the pinned commit). Reads may end anywhere, inside a character too.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

_BAR = re.compile(r"[^|]*\d+%\|[^|]*\|\s*\d+/\d+\s+\[[^\]]*\]")
_STEPS = re.compile(
    r"\s*steps:\s+\d+%\|[^|]*\|\s*(?P<step>\d+)/(?P<total>\d+)\s+\[[\d:]+<[\d:?]+,"
    r"\s*(?P<rate>[\d.]+|\?)(?P<unit>s/it|it/s)(?P<rest>[^\]]*)\]"
)
_COUNT = re.compile(r"\s*\d+%\|[^|]*\|\s*(?P<done>\d+)/(?P<total>\d+)\s+\[")
"""A bar without a name, as the tagger draws it."""
_LOSS = re.compile(r"avr_loss=(?P<loss>[^,\]\s]+)")
_EPOCH = re.compile(r"epoch (?P<epoch>\d+)/(?P<total>\d+)\s*")
_TOTAL_EPOCHS = re.compile(r"\s*num epochs\b.*:\s*(?P<total>\d+)\s*")
_TOTAL_STEPS = re.compile(r"\s*total optimization steps\b.*:\s*(?P<total>\d+)\s*")
_ENDS = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Position:
    """Where the training stands; None is what nobody has said yet. Times are seconds."""

    step: int = 0
    total_steps: int | None = None
    epoch: int = 0
    total_epochs: int | None = None
    average_loss: float | None = None
    seconds_per_step: float | None = None


class OutputReader:
    """Turns the engine's output into lines and keeps the position that they tell."""

    def __init__(self, on_line: Callable[[str], None], on_bar: Callable[[str], None]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._on_line = on_line
        self._on_bar = on_bar
        self.position = Position()
        self.part = 0.0
        """How much of the last bar without a name is done, from 0 to 1."""

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Take more bytes; final hands out the last line though nothing ends it."""
        *lines, self._rest = _ENDS.split(self._rest + self._decoder.decode(data, final))
        for line in lines:
            self._take(line)
        # tqdm puts the carriage return before a bar, so the newest one has no end yet.
        self.position = read_line(self.position, self._rest)
        self._count(self._rest)
        if final:
            self._take(self._rest)
            self._rest = ""

    def _count(self, line: str) -> None:
        if bar := _COUNT.match(line):
            self.part = int(bar["done"]) / max(int(bar["total"]), 1)

    def _take(self, line: str) -> None:
        self.position = read_line(self.position, line)
        self._count(line)
        if bar := _BAR.match(line):
            self._on_bar(bar[0])
            line = line[bar.end() :]  # what is printed next goes on behind the bar
        if line.strip():
            self._on_line(line)


def read_line(position: Position, line: str) -> Position:
    """The position after one line of output."""
    if bar := _STEPS.match(line):
        return _from_bar(position, bar)
    if epoch := _EPOCH.fullmatch(line):
        return replace(position, epoch=int(epoch["epoch"]), total_epochs=int(epoch["total"]))
    if total := _TOTAL_EPOCHS.fullmatch(line):
        return replace(position, total_epochs=int(total["total"]))
    if total := _TOTAL_STEPS.fullmatch(line):
        return replace(position, total_steps=int(total["total"]))
    return position


def _from_bar(position: Position, bar: re.Match[str]) -> Position:
    loss = _LOSS.search(bar["rest"])
    return replace(
        position,
        step=int(bar["step"]),
        total_steps=int(bar["total"]),
        average_loss=_number(loss["loss"]) if loss else position.average_loss,
        seconds_per_step=_seconds_per_step(bar) or position.seconds_per_step,
    )


def _seconds_per_step(bar: re.Match[str]) -> float | None:
    rate = _number(bar["rate"])
    if not rate:
        return None
    return rate if bar["unit"] == "s/it" else 1 / rate


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
