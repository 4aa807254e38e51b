"""Events on their way to the local event bus: written with the change, sent after it."""

import itertools
import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any
from uuid import uuid4

from local.database import Database

LOG = logging.getLogger("local.outbox")
SCHEMA = "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, event TEXT NOT NULL);"
PAUSES = (0.1, 0.3, 1.0, 3.0)  # after refusals
LONGEST_PAUSE = 2.0
SECONDS_TO_BE_THERE = 120.0  # the supervisor listens only when all its processes are ready
SECONDS_TO_ANSWER = 30.0
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer(Enum):
    """What became of one try."""

    TAKEN = auto()
    REFUSED = auto()
    ABSENT = auto()


@dataclass(frozen=True)
class Envelope:
    """The fields that EventBridge puts around every event of a service."""

    source: str
    region: str
    account: str

    def around(
        self, detail_type: str, resources: list[str], detail: Mapping[str, Any], time: datetime
    ) -> dict[str, Any]:
        """Return the event as a rule's target receives it."""
        return {
            "version": "0",
            "id": str(uuid4()),
            "detail-type": detail_type,
            "source": self.source,
            "account": self.account,
            "time": f"{time:%Y-%m-%dT%H:%M:%SZ}",
            "region": self.region,
            "resources": resources,
            "detail": detail,
        }


class Outbox:
    """Sends events in order from a thread of its own; what a crash left behind is sent next time.

    An event that cannot be delivered after some tries is dropped: EventBridge, too, gives up.
    """

    def __init__(self, database: Database, url: str | None) -> None:
        self._database, self._url = database, url
        self._wake, self._ended = threading.Event(), threading.Event()
        if url:
            threading.Thread(target=self._run, name="outbox", daemon=True).start()

    def put(self, event: Mapping[str, Any]) -> None:
        """Keep an event; call it inside the transaction of the change that it tells of."""
        if self._url:
            text = json.dumps(event, ensure_ascii=False)
            self._database.execute("INSERT INTO outbox (event) VALUES (?)", [text])
            self._wake.set()

    def end(self) -> None:
        """Stop sending; what is left stays for the next start."""
        self._ended.set()
        self._wake.set()

    def _next(self) -> tuple[int, str] | None:
        row = self._database.one("SELECT id, event FROM outbox ORDER BY id LIMIT 1")
        return (row["id"], row["event"]) if row else None

    def _run(self) -> None:
        while not self._ended.is_set():
            self._wake.clear()
            waiting = self._next()
            if waiting is None:
                self._wake.wait(5.0)
            elif self._deliver(waiting[1]):
                self._database.execute("DELETE FROM outbox WHERE id = ?", [waiting[0]])

    def _deliver(self, event: str) -> bool:
        """Return whether the event is done with; False when the endpoint ends meanwhile."""
        deadline = time.monotonic() + SECONDS_TO_BE_THERE
        refusals = iter(PAUSES)
        for pause in itertools.chain(PAUSES, itertools.repeat(LONGEST_PAUSE)):
            answer = self._post(event)
            given_up = answer is Answer.REFUSED and next(refusals, None) is None
            if given_up or (answer is Answer.ABSENT and time.monotonic() > deadline):
                LOG.warning("an event was dropped: %s does not take it", self._url)
                return True
            if answer is Answer.TAKEN:
                return True
            if self._ended.wait(pause):
                return False
        return False

    def _post(self, event: str) -> Answer:
        assert self._url
        request = urllib.request.Request(  # noqa: S310 - the supervisor's own address
            self._url, event.encode(), {"Content-Type": "application/json"}
        )
        try:
            with DIRECT.open(request, timeout=SECONDS_TO_ANSWER):
                return Answer.TAKEN
        except urllib.error.HTTPError as exc:
            LOG.warning("the event bus answered %s", exc.code)
            return Answer.REFUSED
        except OSError:
            return Answer.ABSENT
