"""Reading a training as soon as it changes, without asking again and again: a long poll."""

import time
from dataclasses import dataclass

from lambdas.core import entity_tags, revisions, waits
from lambdas.core.caller import Caller
from lambdas.trainings import repository
from lambdas.trainings.schema import FINAL, Training
from lambdas.trainings.settings import Settings

LONGEST_SECONDS = 20  # the gateway gives up after 29, and a cold start takes its share
READ_EVERY_SECONDS = 2
_SLACK_SECONDS = 5


@dataclass(frozen=True)
class _Seen:
    """A training with its ETag; `known`: the caller has just that."""

    training: Training
    etag: str
    known: bool


def read(caller: Caller, training_id: str, wait: int, if_none_match: str | None) -> Training:
    """Return a training, after `wait` seconds at most where it stands as the caller knows it.

    What the caller knows is what If-None-Match names, else what the first read shows. One call
    where nothing is waited for: where it is over, where it changed already, and where as many
    requests of the workspace wait as may.
    """
    first = _seen(caller, training_id, if_none_match)
    changed = if_none_match is not None and not first.known
    if not wait or changed or first.training.status in FINAL:
        return first.training
    slot = waits.take(caller.workspace, Settings.load().most_waits, wait + _SLACK_SECONDS)
    if slot is None:
        return first.training
    try:
        return _changed(caller, first, time.monotonic() + wait, if_none_match).training
    finally:
        waits.give_back(slot)


def _changed(caller: Caller, first: _Seen, end: float, if_none_match: str | None) -> _Seen:
    seen = first
    while seen.etag == first.etag and (left := end - time.monotonic()) > 0:
        time.sleep(min(READ_EVERY_SECONDS, left))
        seen = _seen(caller, first.training.id, if_none_match)
    return seen


def _seen(caller: Caller, training_id: str, if_none_match: str | None) -> _Seen:
    training = repository.get(caller.workspace, training_id).training
    etag = revisions.etag_of(training, training.revision)
    return _Seen(training, etag, entity_tags.is_known(if_none_match, etag))
