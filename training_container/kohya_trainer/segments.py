"""Rows of the loss curve in the checkpoint folder: immutable segments, and a tail.

A segment is named after its first and last step, so a reader knows from a listing what to fetch.
Segments get longer as the run does; what is younger than the last one stands in the tail, which is
small and rewritten. A reader who finds a row in both takes it once.
"""

from collections.abc import Iterable, Sequence

from kohya_trainer.paths import Paths
from kohya_trainer.rows import Row

TAIL = "tail.jsonl"


class Segments:
    """Rows on their way into a segment."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._rows: list[Row] = []
        self._shown = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Take rows that follow those before."""
        self._rows.extend(rows)

    def show(self) -> None:
        """Write the tail, when there is something new."""
        if len(self._rows) > self._shown:
            self._shown = len(self._rows)
            text = _text(row.as_json() for row in self._rows)
            self._paths.write(self._paths.metrics / TAIL, text)

    def close(self) -> None:
        """Make a segment of what there is; the tail goes afterwards."""
        write_segment(self._rows, self._paths)
        self._rows, self._shown = [], 0
        (self._paths.metrics / TAIL).unlink(missing_ok=True)


def write_segment(rows: Sequence[Row], paths: Paths) -> None:
    """Write the rows as one new file, never touched again; no rows, no file."""
    if rows:
        lines = [row.as_json() for row in rows]
        write_lines(lines, rows[0].first_step, rows[-1].step, paths)


def write_lines(lines: Iterable[str], first: int, last: int, paths: Paths) -> None:
    """Write rows that are JSON already, of the steps from first to last."""
    paths.write(paths.metrics / f"{first:08d}-{last:08d}.jsonl", _text(lines))


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
