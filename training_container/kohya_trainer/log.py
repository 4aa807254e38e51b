"""The program's own log: one plain line on stderr for each thing, marked as ours."""

import sys


def say(message: str) -> None:
    """Print a line; nothing in it may be a caption's text."""
    print(f"lorastack: {message}", file=sys.stderr, flush=True)
