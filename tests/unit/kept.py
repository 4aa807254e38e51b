"""Scenes that are played once, and put back as they left things: they took a third of the time.

A scene is put back only where it would have been played alike: by the same way from an empty AWS,
with nothing patched by the test, and not long ago, since leases and URLs run out.
"""

import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

from tests.unit.fakes import AwsCalls

R = TypeVar("R")
_OLDEST_SECONDS = 20


@dataclass(frozen=True)
class _Picture:
    taken: float
    state: bytes
    made: list[str]
    result: Any


@dataclass
class _Stage:
    """The AWS of the test that runs."""

    calls: AwsCalls
    patches: pytest.MonkeyPatch
    patched: int = 0

    def __post_init__(self) -> None:
        self.patched = self._patched()

    def is_bare(self) -> bool:
        """Say whether only scenes have played yet, and nothing is to go otherwise."""
        return self.calls.is_bare() and self._patched() == self.patched

    def _patched(self) -> int:
        return len(self.patches._setattr) + len(self.patches._setitem)


_ON: list[_Stage] = []
_PICTURES: dict[tuple[Any, ...], _Picture] = {}


def set_stage(calls: AwsCalls, patches: pytest.MonkeyPatch) -> None:
    """Begin with an empty AWS."""
    _ON[:] = [_Stage(calls, patches)]


def played_once(scene: Callable[..., R]) -> Callable[..., R]:
    """Play a scene the first time; afterwards put back what it left, and what it called."""

    @wraps(scene)
    def play(*args: Any, **named: Any) -> R:
        if not _ON[0].is_bare():
            return scene(*args, **named)
        calls = _ON[0].calls
        way = (*calls.scenes, (scene.__name__, repr(args), repr(named)))
        picture = _PICTURES.get(way)
        if picture and time.monotonic() - picture.taken < _OLDEST_SECONDS:
            _put_back(picture.state)
            calls.made += picture.made
        else:
            before = len(calls.made)
            result = scene(*args, **named)
            picture = _Picture(time.monotonic(), _state(), calls.made[before:], result)
            _PICTURES[way] = picture
        calls.scenes = way
        return picture.result

    return play


def _state() -> bytes:
    table, bucket, queues = _kept()
    messages = {name: queue._messages for name, queue in queues.items()}
    return pickle.dumps((table.items, bucket.keys, bucket.multiparts, messages))


def _put_back(state: bytes) -> None:
    table, bucket, queues = _kept()
    table.items, bucket.keys, bucket.multiparts, messages = pickle.loads(state)  # our own
    for name, held in messages.items():
        queues[name]._messages = held


def _kept() -> tuple[Any, Any, dict[str, Any]]:
    return (
        dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].tables["table"],
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets["bucket"],
        sqs_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].queues,
    )
