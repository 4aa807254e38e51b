"""A file that remembers what changed: one JSON line per request, written before it is answered.

A line is written by one `write` call to a file opened for appending, so a process killed at any
moment leaves whole lines and at most one torn last line, which was never answered. The file is
not synced per line: what it survives is the death of the process, not that of the machine.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from moto.dynamodb.models.utilities import DynamoJsonEncoder


class JournalError(Exception):
    """The journal holds a line, not its last one, that is no JSON."""


class Journal:
    """Appends records to one file, and reads them back in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._open()

    def read(self) -> Iterator[Any]:
        """Every whole record; a torn last line is cut off. Raises JournalError for other damage."""
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            yield self._record(number, line)
            self.lines = number

    def append(self, record: Any) -> None:
        """Write one record; when this returns it survives a kill -9."""
        os.write(self._file, _line(record))
        self.lines += 1

    def rewrite(self, records: Iterable[Any]) -> None:
        """Replace the whole content, by renaming a complete new file into place."""
        lines = [_line(record) for record in records]
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(b"".join(lines))
        fresh.chmod(0o600)
        fresh.replace(self.path)
        os.close(self._file)
        self._file = self._open()
        self.lines = len(lines)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _record(self, number: int, line: bytes) -> Any:
        try:
            return json.loads(line)
        except ValueError as exc:
            raise JournalError(f"{self.path}, line {number}: damaged, no JSON") from exc


def _line(record: Any) -> bytes:
    text = json.dumps(record, cls=DynamoJsonEncoder, separators=(",", ":"))
    return text.encode() + b"\n"
