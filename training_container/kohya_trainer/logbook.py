"""The log of a training in the checkpoint folder, for the API to read: the newest lines, bounded.

Lines are numbered from 1. Full segments of them never change and the oldest go; the rest stands in
a tail that is rewritten while lines come. So hours of training leave a dozen objects in S3.
"""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from kohya_trainer.paths import Paths

SEGMENT_LINES = 500
SEGMENT_BYTES = 128 * 1024
"""About: a segment ends with the line that passes it. So the tail, which is uploaded again and
again, is no larger."""
KEPT_LINES = 4500
"""At least, as far as there are so many; at most a segment more. Of longer lines fewer:"""
KEPT_BYTES = 2 * 1024 * 1024
LONGEST_LINE = 1000
TAIL = "tail.jsonl"

_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]*://)(?:[^\s/@]*@)?([^\s/?#\"'<>]*)[^\s\"'<>]*", re.IGNORECASE
)
_TOKEN = re.compile(r"\b(?:lsk|hf|ghp|github_pat)_[A-Za-z0-9_]{8,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")


@dataclass(frozen=True)
class Line:
    """A line: its number, when it was said (ISO 8601, UTC), by whom, and what."""

    number: int
    at: str
    source: str
    text: str

    @property
    def size(self) -> int:
        """Its bytes in the file, about."""
        return len(self.text.encode()) + 100


class LogBook:
    """Takes lines from any thread; ``write`` brings what is new into the checkpoint folder."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._lock = threading.Lock()
        self._open: list[Line] = []
        self._changed = False
        last = max(map(_last_of, self._segments()), default=0)
        left = [line for line in _lines_of(paths.logs / TAIL) if line.number > last]
        self._next = left[-1].number + 1 if left else last + 1
        self._close(left)

    def add(self, source: str, text: str) -> None:
        """Note a line. What looks like a token or an address goes; the text may be cut."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        cleaned = clean(text)
        with self._lock:
            self._open.append(Line(self._next, at, source, cleaned))
            self._next += 1
            self._changed = True
            del self._open[: -KEPT_LINES - SEGMENT_LINES]

    def write(self) -> None:
        """Write full segments and the tail, when there is something new."""
        with self._lock:
            if not self._changed:
                return
            self._changed = False
            *full, self._open = _cut(_newest(self._open))
            for lines in full:
                self._close(lines)
            self._paths.write(self._paths.logs / TAIL, _text(self._open))
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        room = KEPT_BYTES
        for segment in reversed(self._segments()):
            room -= segment.stat().st_size
            if room < 0 or _last_of(segment) < self._next - KEPT_LINES:
                segment.unlink()

    def _close(self, lines: list[Line]) -> None:
        """Make a segment; an earlier attempt's tail is one too, so that the tail follows on it."""
        if lines:
            name = f"{lines[0].number:08d}-{lines[-1].number:08d}.jsonl"
            self._paths.write(self._paths.logs / name, _text(lines))

    def _segments(self) -> list[Path]:
        return sorted(self._paths.logs.glob("[0-9]*-[0-9]*.jsonl"))


def clean(text: str) -> str:
    """The text on one line, without tokens; of an address only the host is left."""
    printable = _printable(text[: 4 * LONGEST_LINE]).rstrip()
    told = _TOKEN.sub("[token]", _URL.sub(r"\1\2/...", printable))
    return told if len(told) <= LONGEST_LINE else f"{told[: LONGEST_LINE - 3]}..."


def _printable(text: str) -> str:
    if text.isprintable():  # as nearly every line is
        return text
    return "".join(char if char.isprintable() else " " for char in text)


def _newest(lines: list[Line]) -> list[Line]:
    """As many of the last ones as are kept at most."""
    first, room = len(lines), KEPT_BYTES
    while first > 0 and (room := room - lines[first - 1].size) >= 0:
        first -= 1
    return lines[first:]


def _cut(lines: list[Line]) -> list[list[Line]]:
    """The lines in segments; the last one is not full and may be empty."""
    segments: list[list[Line]] = [[]]
    size = 0
    for line in lines:
        segments[-1].append(line)
        size += line.size
        if len(segments[-1]) == SEGMENT_LINES or size >= SEGMENT_BYTES:
            segments.append([])
            size = 0
    return segments


def _text(lines: list[Line]) -> str:
    return "".join(f"{json.dumps(asdict(line), ensure_ascii=False)}\n" for line in lines)


def _last_of(segment: Path) -> int:
    last = segment.stem.rpartition("-")[2]
    return int(last) if last.isdecimal() else 0


def _lines_of(path: Path) -> Iterator[Line]:
    """The lines of an earlier attempt; what cannot be read is left out."""
    try:
        written = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in written:
        with contextlib.suppress(ValueError, TypeError):
            yield Line(**json.loads(line))
