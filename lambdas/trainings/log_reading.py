"""A training's log as the container keeps it: numbered lines in segments, and a tail that grows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from lambdas.core import bucket
from lambdas.trainings.logs_schema import LogLine, LogLines
from lambdas.trainings.repository import checkpoints_of

_SEGMENT = re.compile(r"(\d+)-(\d+)\.jsonl")


@dataclass(frozen=True)
class _Segment:
    key: str
    first: int
    last: int


def read_log(workspace: str, training_id: str, since: int | None, limit: int) -> LogLines:
    """Return `limit` lines that follow `since`, in order; without `since` the newest."""
    folder = f"{checkpoints_of(workspace, training_id)}logs/"
    # The tail first: what is made a segment meanwhile is then seen twice and not missed.
    tail = _read(f"{folder}tail.jsonl")
    segments = _segments(folder)
    last = segments[-1].last if segments else 0
    if tail and tail[0].number > last + 1:
        tail = []  # the segment before it is still on its way to S3
    tail = [line for line in tail if line.number > last]
    lines = (
        _newest(segments, tail, limit) if since is None else _after(since, segments, tail, limit)
    )
    oldest = segments[0].first if segments else tail[0].number if tail else None
    return LogLines(data=lines, next_since=lines[-1].number if lines else since or 0, oldest=oldest)


def _after(since: int, segments: list[_Segment], tail: list[LogLine], limit: int) -> list[LogLine]:
    def following() -> Iterator[LogLine]:
        for segment in segments:
            if segment.last > since:
                yield from _read(segment.key)
        yield from tail

    return list(islice((line for line in following() if line.number > since), limit))


def _newest(segments: list[_Segment], tail: list[LogLine], limit: int) -> list[LogLine]:
    found = tail
    for segment in reversed(segments):
        if len(found) >= limit:
            break
        found = _read(segment.key) + found
    return found[-limit:]


def _segments(folder: str) -> list[_Segment]:
    named = [
        (one.key, _SEGMENT.fullmatch(one.key.removeprefix(folder)))
        for one in bucket.objects_under(folder)
    ]
    return [_Segment(key, int(name[1]), int(name[2])) for key, name in named if name]


def _read(key: str) -> list[LogLine]:
    return list(_parsed((bucket.read(key) or b"").split(b"\n")))


def _parsed(lines: list[bytes]) -> Iterator[LogLine]:
    for line in lines:
        try:
            yield LogLine.model_validate_json(line)
        except ValueError:
            continue  # the empty one behind the last, or nothing of ours
