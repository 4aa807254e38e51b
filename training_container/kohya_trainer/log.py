"""The log on stderr: the program's own lines, marked as ours, and those that the engine prints."""

import sys
from typing import Protocol


class Book(Protocol):
    """What keeps the lines besides."""

    def add(self, source: str, text: str) -> None:
        """Take a line."""

    def write(self) -> None:
        """Bring what was taken to where it is read."""


_books: list[Book] = []


def keep_in(book: Book) -> None:
    """From now on hand each line to this book as well, and to no other."""
    _books[:] = [book]


def write_out() -> None:
    """Let the lines so far be read."""
    for book in _books:
        book.write()


def say(message: str) -> None:
    """Print a line; nothing in it may be a caption's text."""
    _print("container", message, f"lorastack: {message}")


def pass_on(line: str) -> None:
    """Print a line of the engine's."""
    _print("trainer", line, line)


def _print(source: str, text: str, line: str) -> None:
    print(line, file=sys.stderr, flush=True)
    for book in _books:
        book.add(source, text)
