"""How a training ends badly: one error with a code, and the files that tell of it."""

import json
from collections.abc import Sequence
from pathlib import Path

LIMIT = 960
"""Characters of the failure file. SageMaker shows 1,024 and puts its own words before them."""

LOG_LINES, LOG_LINE = 20, 300
"""What is told of the log, for which SageMaker's 1,024 characters are too few."""


class TrainingFailed(Exception):
    """The training cannot go on: a code for programs, a sentence and an advice for people."""

    def __init__(self, code: str, message: str, advice: str) -> None:
        super().__init__(f"{code}: {message} {advice}")
        self.code = code
        self.message = message
        self.advice = advice


def write_failure(path: Path, failure: TrainingFailed) -> None:
    """Write the failure as one line of JSON of at most LIMIT characters, or nothing.

    Raises OSError when there is no room: then only the exit status tells.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_text(as_line(failure), encoding="utf-8")
    except OSError:
        path.unlink(missing_ok=True)
        raise


def told_at_length(failure: TrainingFailed, log: Sequence[str]) -> str:
    """The failure with the last lines of the trainer's log, as JSON."""
    told = {"code": failure.code, "message": failure.message, "advice": failure.advice}
    tail = [_middle_cut(_clean(line), LOG_LINE) for line in log[-LOG_LINES:]]
    return json.dumps({**told, "log_tail": tail}, ensure_ascii=True)


def as_line(failure: TrainingFailed) -> str:
    """The failure as one line of JSON; a message that is too long is cut in its middle."""
    advice = _middle_cut(_clean(failure.advice), LIMIT // 3)
    message = _clean(failure.message)
    line = _json(failure.code, message, advice)
    size = len(message)
    while len(line) > LIMIT and size > 0:
        size -= len(line) - LIMIT
        line = _json(failure.code, _middle_cut(message, max(size, 0)), advice)
    return line


def _json(code: str, message: str, advice: str) -> str:
    return json.dumps({"code": code, "message": message, "advice": advice}, ensure_ascii=False)


def _clean(text: str) -> str:
    """Printable and on one line; a lone surrogate from a file name becomes a question mark."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.encode("utf-8", "replace").decode("utf-8").split())


def _middle_cut(text: str, size: int) -> str:
    if len(text) <= size:
        return text
    half = max((size - 3) // 2, 0)
    return f"{text[:half]}...{text[len(text) - half :]}" if half else "..."
