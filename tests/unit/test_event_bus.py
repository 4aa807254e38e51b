"""The event bus with functions that are not processes."""

import asyncio
import json
from typing import Any

import pytest

from local.events import EventBus, NotSent, seconds_of
from local.http_exchange import HttpRequest
from local.intrinsics import TemplateError
from local.invoker import FunctionError
from local.template import Rule, Target


class Functions:
    """Stands for the invoker: notes each call, and fails the first ones."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.calls: list[tuple[str, Any, str]] = []

    async def invoke(self, function: str, event: Any, request_id: str) -> None:
        self.calls.append((function, event, request_id))
        if len(self.calls) <= self.failures:
            raise FunctionError("ValueError", "as asked")


def rule(pattern=None, schedule=None, **target: Any) -> Rule:
    return Rule("Rule", "arn:rule", pattern, schedule, (Target("Function", **target),))


def deliver(tmp_path, functions: Functions, rules: list[Rule], act) -> None:
    """Let `act` use a bus, and wait until everything is delivered."""

    async def run() -> None:
        letters = tmp_path / "dead-letters.jsonl"
        bus = EventBus(tuple(rules), functions, letters, retry_seconds=(0, 0))
        result = act(bus)
        if result is not None:
            await result
        await asyncio.sleep(0)
        await bus.close(5)

    asyncio.run(run())


def test_an_event_goes_to_each_matching_rule_with_the_fields_of_every_event(tmp_path):
    functions = Functions()
    rules = [rule({"source": ["a"]}), rule({"source": ["b"]}), rule({"detail": {"x": [1]}})]

    deliver(tmp_path, functions, rules, lambda bus: bus.put({"source": "a", "detail": {"x": 1}}))

    assert len(functions.calls) == 2
    event = functions.calls[0][1]
    assert (event["account"], event["region"], event["version"]) == ("0" * 12, "us-east-1", "0")
    assert (event["source"], event["detail"]) == ("a", {"x": 1})


def test_an_event_that_is_posted_is_taken_and_other_bodies_are_refused(tmp_path):
    functions = Functions()

    def posted(body: bytes) -> HttpRequest:
        return HttpRequest("POST", "/_events/x", "", (), "127.0.0.1", "HTTP/1.1", body)

    async def act(bus: EventBus) -> None:
        assert (await bus.receive(posted(b'{"source": "a"}'))).status == 202
        assert (await bus.receive(posted(b"no json"))).status == 400

    deliver(tmp_path, functions, [rule({"source": ["a"]})], act)

    assert [event["source"] for _, event, _ in functions.calls] == ["a"]


def test_a_target_with_an_input_gets_that_instead_of_the_event(tmp_path):
    functions = Functions()

    deliver(
        tmp_path,
        functions,
        [rule({"source": ["a"]}, input={"fixed": True})],
        lambda bus: bus.put({"source": "a"}),
    )

    assert functions.calls[0][1] == {"fixed": True}


def test_a_failing_function_is_called_twice_more_with_the_same_request_id(tmp_path):
    functions = Functions(failures=2)

    deliver(tmp_path, functions, [rule({"source": ["a"]})], lambda bus: bus.put({"source": "a"}))

    assert len(functions.calls) == 3
    assert len({request_id for _, _, request_id in functions.calls}) == 1
    assert not (tmp_path / "dead-letters.jsonl").exists()


def test_an_event_that_fails_three_times_becomes_a_dead_letter(tmp_path):
    functions = Functions(failures=3)

    deliver(tmp_path, functions, [rule({"source": ["a"]})], lambda bus: bus.put({"source": "a"}))

    (line,) = (tmp_path / "dead-letters.jsonl").read_text().splitlines()
    letter = json.loads(line)
    assert (letter["function"], letter["event"]["source"]) == ("Function", "a")
    assert "as asked" in letter["error"]


def test_a_schedule_fires_at_once_and_then_at_its_rate(tmp_path):
    functions = Functions()

    deliver(
        tmp_path,
        functions,
        [rule(schedule="rate(1 hour)")],
        lambda bus: bus.start_schedules(),
    )

    assert [event["detail-type"] for _, event, _ in functions.calls] == ["Scheduled Event"]
    assert functions.calls[0][1]["resources"] == ["arn:rule"]


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(2 hours)", 7200)],
)
def test_rates_are_periods_in_seconds(expression, seconds):
    assert seconds_of(rule(schedule=expression)) == seconds


def test_a_cron_expression_is_refused_by_name():
    with pytest.raises(TemplateError, match=r"Rule: the schedule cron"):
        seconds_of(rule(schedule="cron(0 12 * * ? *)"))


def test_an_event_goes_into_the_queue_of_a_rule_and_again_when_it_is_not_taken(tmp_path):
    sent: list[tuple[str, str]] = []

    async def send(url: str, body: str) -> None:
        sent.append((url, body))
        if len(sent) == 1:
            raise NotSent("as asked")

    async def run() -> None:
        to_queue = Rule("Rule", "arn:rule", {"source": ["a"]}, None, (Target(queue="the-queue"),))
        bus = EventBus((to_queue,), Functions(), tmp_path / "dead", send, retry_seconds=(0, 0))
        bus.put({"source": "a", "detail": {"key": "兔"}})
        await asyncio.sleep(0)
        await bus.close(5)

    asyncio.run(run())

    assert [url for url, _ in sent] == ["the-queue"] * 2
    assert json.loads(sent[1][1])["detail"] == {"key": "兔"}
    assert not (tmp_path / "dead").exists()
