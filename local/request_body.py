"""Reading request bodies piece by piece, however large."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable

PIECE = 1 << 20
SETTLE_BYTES = 1 << 20
MAX_LINE = 4096


class BodyCutShort(ConnectionError):
    """The client went away in the middle of its body."""


class RequestBody(ABC):
    """A body that is still on the wire; `length` is None when no Content-Length was sent.

    `before` is called once, before the first byte is read: it sends `100 Continue`.
    """

    length: int | None

    def __init__(self, reader: io.BufferedReader, before: Callable[[], None] | None) -> None:
        self._reader = reader
        self._before = before
        self.finished = False

    def read(self, size: int = PIECE) -> bytes:
        """Return up to `size` bytes, b"" at the end. Raises BodyCutShort."""
        if self._before:
            self._before()
            self._before = None
        piece = b"" if self.finished else self._take(size)
        self.finished = self.finished or not piece
        return piece

    def read_all(self, limit: int) -> bytes:
        """Return the whole body. Raises ValueError when it is longer than `limit` bytes."""
        pieces: list[bytes] = []
        while piece := self.read():
            pieces.append(piece)
            if sum(map(len, pieces)) > limit:
                raise ValueError(f"the body is longer than {limit} bytes")
        return b"".join(pieces)

    @abstractmethod
    def _take(self, size: int) -> bytes: ...

    @abstractmethod
    def settle(self) -> None:
        """Read what little is left unread, so that the connection can be kept."""


class LengthBody(RequestBody):
    """A body of a known length; none at all when there is no Content-Length."""

    def __init__(
        self, reader: io.BufferedReader, length: int | None, before: Callable[[], None] | None
    ) -> None:
        super().__init__(reader, before)
        self.length = length
        self._left = length or 0
        self.finished = not self._left

    def _take(self, size: int) -> bytes:
        piece = self._reader.read(min(size, self._left))
        if not piece:
            raise BodyCutShort
        self._left -= len(piece)
        self.finished = not self._left
        return piece

    def settle(self) -> None:
        """Read on when less than a mebibyte is left and the client is sending it anyway."""
        if self._before is None and self._left <= SETTLE_BYTES:
            while self.read():
                pass


class ChunkedBody(RequestBody):
    """A body in HTTP/1.1 chunks (`Transfer-Encoding: chunked`)."""

    length = None

    def __init__(self, reader: io.BufferedReader, before: Callable[[], None] | None) -> None:
        super().__init__(reader, before)
        self._left = 0

    def _take(self, size: int) -> bytes:
        if not self._left and not self._next_chunk():
            return b""
        piece = self._reader.read(min(size, self._left))
        if not piece:
            raise BodyCutShort
        self._left -= len(piece)
        if not self._left:
            self._line()
        return piece

    def _next_chunk(self) -> bool:
        size, _, _ = self._line().partition(b";")
        try:
            self._left = int(size, 16)
        except ValueError as exc:
            raise BodyCutShort from exc
        if not self._left:
            while self._line():
                pass
        return self._left > 0

    def _line(self) -> bytes:
        line = self._reader.readline(MAX_LINE)
        if not line.endswith(b"\n"):
            raise BodyCutShort
        return line.rstrip(b"\r\n")

    def settle(self) -> None:
        """Leave it: how much is coming is not known."""
