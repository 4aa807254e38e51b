"""EventBridge's part: matches events with the template's rules, and keeps its schedules.

Events wait in memory: one that is lost with the process is one that AWS may lose, too, and
reconciling on schedule has to make up for both.
"""

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.event_pattern import PatternError, check_pattern, matches_event
from local.http_exchange import HttpAnswer, HttpRequest
from local.intrinsics import ACCOUNT, REGION, TemplateError
from local.invoker import InvocationError, Invoker
from local.template import Rule, Target

LOG = logging.getLogger("local.events")

# Lambda tries an asynchronous event twice more, after one minute and after two; we are quicker.
RETRY_SECONDS = (1.0, 2.0)
UNIT_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86_400.0}
AT_ONCE = 8
# Puts a message, the second, into the queue of an URL. Raises NotSent.
Sender = Callable[[str, str], Awaitable[None]]


class NotSent(Exception):
    """A queue did not take a message."""


def check_rules(rules: Iterable[Rule]) -> None:
    """Raise TemplateError, naming the rule, for a pattern or schedule that cannot be kept."""
    for rule in rules:
        if rule.schedule:
            seconds_of(rule)
        try:
            check_pattern(rule.pattern or {})
        except PatternError as exc:
            raise TemplateError(f"{rule.logical_id}: {exc}") from exc


def seconds_of(rule: Rule) -> float:
    """The period of a rate expression in seconds. Raises TemplateError for any other."""
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", rule.schedule or "")
    if found is None:
        raise TemplateError(
            f"{rule.logical_id}: the schedule {rule.schedule} is not supported by local mode"
        )
    return int(found[1]) * UNIT_SECONDS[found[2]]


def scheduled_event(rule: Rule) -> dict[str, Any]:
    """What a schedule sends to a target that has no input of its own."""
    return complete(
        {"source": "aws.events", "detail-type": "Scheduled Event", "resources": [rule.arn]}
    )


def complete(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event with the fields that EventBridge puts into every event."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [],
        "detail": {},
        **event,
    }


@dataclass
class EventBus:
    """The default event bus with the rules of the template."""

    rules: tuple[Rule, ...]
    invoker: Invoker
    dead_letters: Path
    send: Sender | None = None
    retry_seconds: tuple[float, ...] = RETRY_SECONDS
    _deliveries: set["asyncio.Task[None]"] = field(default_factory=set)
    _schedules: list["asyncio.Task[None]"] = field(default_factory=list)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def receive(self, request: HttpRequest) -> HttpAnswer:
        """Take one event that another process of the stack posts."""
        try:
            self.put(dict(json.loads(request.body or b"")))
        except (TypeError, ValueError):
            return HttpAnswer(400, [], b"an event must be a JSON object")
        return HttpAnswer(202, [], b"")

    def put(self, event: Mapping[str, Any]) -> None:
        """Send an event to the targets of every rule that it matches; returns at once."""
        whole = complete(event)
        for rule in self.rules:
            if rule.pattern and matches_event(rule.pattern, whole):
                self._send(rule, whole)

    def start_schedules(self) -> None:
        """Fire every schedule now, and then at its rate."""
        for rule in self.rules:
            if rule.schedule:
                repeating = self._repeat(rule, seconds_of(rule))
                self._schedules.append(asyncio.get_running_loop().create_task(repeating))

    async def close(self, seconds: float) -> None:
        """Stop the schedules, and give deliveries under way some seconds to end."""
        for task in self._schedules:
            task.cancel()
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=seconds)
        for task in self._deliveries:
            task.cancel()

    async def _repeat(self, rule: Rule, seconds: float) -> None:
        while True:
            self._send(rule, scheduled_event(rule))
            await asyncio.sleep(seconds)

    def _send(self, rule: Rule, event: Mapping[str, Any]) -> None:
        for target in rule.targets:
            sent = event if target.input is None else target.input
            task = asyncio.get_running_loop().create_task(self._deliver(target, sent))
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)

    async def _deliver(self, target: Target, event: Any) -> None:
        """Invoke as Lambda does for asynchronous callers: again after an error, then give up."""
        request_id = str(uuid.uuid4())
        for pause in (*self.retry_seconds, None):
            try:
                async with self._slots:
                    await self._hand_over(target, event, request_id)
                return
            except (InvocationError, NotSent, OSError) as exc:
                said = str(exc)
            if pause is not None:
                await asyncio.sleep(pause)
        self._bury(target, event, said)

    async def _hand_over(self, target: Target, event: Any, request_id: str) -> None:
        if not target.queue:
            await self.invoker.invoke(target.function, event, request_id)
        elif self.send:
            await self.send(target.queue, json.dumps(event, ensure_ascii=False))

    def _bury(self, target: Target, event: Any, said: str) -> None:
        name = target.function or target.queue
        LOG.error("%s failed with an event for good: %s", name, said)
        line = json.dumps({"function": name, "error": said, "event": event})
        with self.dead_letters.open("a") as file:
            file.write(line + "\n")
