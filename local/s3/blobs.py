"""The bytes of objects: immutable files, each made whole before it gets its name."""

import os
import shutil
import socket
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@dataclass(frozen=True)
class Extent:
    """A piece of an object: a whole blob."""

    blob: str
    size: int


class Blobs:
    """A folder of blobs. A blob that is being read outlives its removal until it has been read."""

    def __init__(self, root: Path) -> None:
        self._root, self._incoming = root / "blobs", root / "incoming"
        self._lock = threading.Lock()
        self._readers: Counter[str] = Counter()
        self._doomed: set[str] = set()
        shutil.rmtree(self._incoming, ignore_errors=True)  # cut-off uploads of an earlier life
        self._incoming.mkdir(parents=True)
        self._root.mkdir(exist_ok=True)
        for number in range(256):
            (self._root / f"{number:02x}").mkdir(exist_ok=True)

    def path(self, blob: str) -> Path:
        """Return where a blob lies."""
        return self._root / blob[:2] / blob

    @contextmanager
    def writing(self) -> Iterator[tuple[str, BinaryIO]]:
        """Give a blob's id and a file to fill; it becomes a blob when the block ends well."""
        blob = uuid4().hex
        part = self._incoming / blob
        try:
            with part.open("wb") as file:
                yield blob, file
            part.rename(self.path(blob))
        finally:
            part.unlink(missing_ok=True)

    def link(self, blob: str) -> str:
        """Return a second blob with the same bytes, without copying them where the disk can."""
        twin = uuid4().hex
        try:
            os.link(self.path(blob), self.path(twin))
        except OSError:
            shutil.copyfile(self.path(blob), self.path(twin))
        return twin

    def hold(self, blobs: Iterable[str]) -> None:
        """Keep blobs until they are let go."""
        with self._lock:
            self._readers.update(blobs)

    def let_go(self, blobs: Iterable[str]) -> None:
        """End a hold; what was removed meanwhile goes now."""
        with self._lock:
            for blob in blobs:
                self._readers[blob] -= 1
                if not self._readers[blob]:
                    del self._readers[blob]
                    if blob in self._doomed:
                        self._doomed.discard(blob)
                        self._unlink(blob)

    def remove(self, blobs: Iterable[str]) -> None:
        """Remove blobs that nothing refers to any longer."""
        with self._lock:
            for blob in blobs:
                if self._readers[blob]:
                    self._doomed.add(blob)
                else:
                    del self._readers[blob]
                    self._unlink(blob)

    @contextmanager
    def given_up_on_error(self, blobs: Iterable[str]) -> Iterator[None]:
        """Remove new blobs again when the block that should refer to them raises."""
        try:
            yield
        except BaseException:
            self.remove(blobs)
            raise

    def sweep(self, used: set[str]) -> None:
        """Remove what an interrupted process left behind."""
        for folder in self._root.iterdir():
            for path in folder.iterdir():
                if path.name not in used:
                    path.unlink(missing_ok=True)

    def _unlink(self, blob: str) -> None:
        with suppress(FileNotFoundError):
            self.path(blob).unlink()


class Slice:
    """Bytes `start` to `start + length` of an object, sent straight from its files."""

    def __init__(self, blobs: Blobs, extents: Iterable[Extent], start: int, length: int) -> None:
        self._blobs, self._extents, self._start = blobs, list(extents), start
        self.length = length

    def pieces(self) -> Iterator[tuple[Path, int, int]]:
        """Give (file, offset, count) for each extent that the slice touches."""
        position, end = 0, self._start + self.length
        for extent in self._extents:
            first, last = max(self._start, position), min(end, position + extent.size)
            if first < last:
                yield self._blobs.path(extent.blob), first - position, last - first
            position += extent.size

    def send(self, connection: socket.socket) -> None:
        """Write the bytes to a socket."""
        for path, offset, count in self.pieces():
            with path.open("rb") as file:
                connection.sendfile(file, offset, count)

    def read(self) -> Iterator[bytes]:
        """Give the bytes piece by piece."""
        for path, offset, count in self.pieces():
            with path.open("rb") as file:
                file.seek(offset)
                left = count
                while left and (data := file.read(min(left, 1 << 20))):
                    yield data
                    left -= len(data)

    def close(self) -> None:
        """Let the blobs go."""
        self._blobs.let_go(extent.blob for extent in self._extents)
