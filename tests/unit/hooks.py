"""A receiver of webhooks and the notifier at work, for the tests of both."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdas.core import aws
from lambdas.notifier import handler as notifier
from lambdas.notifier.sending import Outcome
from lambdas.webhooks import handler as webhooks
from tests.unit.fakes import Client, Context

HOOKS = Client(webhooks.handler)
URL = "https://example.com/hook"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/notices"
PUBLISHED = "https://sqs.us-east-1.amazonaws.com/123456789012/published"
RECONCILE = {"detail-type": "Reconcile"}


@dataclass(frozen=True)
class Received:
    """A notice as a receiver gets it."""

    url: str
    headers: Mapping[str, str]
    body: str

    @property
    def told(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Answers in the order of `answers`, then 204; None: no answer at all."""

    answers: list[int | None] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)

    def post(self, url: str, headers: Mapping[str, str], body: str) -> Outcome:
        self.received.append(Received(url, headers, body))
        status = self.answers.pop(0) if self.answers else 204
        if status is None:
            return Outcome(None, 10_000, "no answer within 10 s")
        return Outcome(status, 12, None if status < 300 else f"answered {status}")

    @property
    def types(self) -> list[str]:
        return [one.told["type"] for one in self.received]


def make_hook(**more: Any) -> dict[str, Any]:
    answer = HOOKS.post("/webhooks", {"url": URL} | more)
    assert answer.status == 201, answer
    return answer.body


def waiting(queue: str = QUEUE) -> list[dict[str, Any]]:
    """Take what can be seen in a queue."""
    found: list[dict[str, Any]] = []
    while messages := aws.sqs().receive_message(QueueUrl=queue).get("Messages", []):
        for one in messages:
            aws.sqs().delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
            found.append(json.loads(one["Body"]))
    return found


def hand_over(message: dict[str, Any]) -> dict[str, Any] | None:
    record = {"messageId": "1", "body": json.dumps(message), "eventSource": "aws:sqs"}
    return notifier.handler({"Records": [record]}, Context())


def tell() -> int:
    """Give the notifier what is in its queue until that is empty; return how many it took."""
    taken = 0
    while messages := waiting():
        for message in messages:
            taken += 1
            assert hand_over(message) == {"batchItemFailures": []}
    return taken


def reconcile() -> None:
    notifier.handler(RECONCILE, Context())


def deliveries(hook: Mapping[str, Any], **query: str) -> list[dict[str, Any]]:
    return HOOKS.get(f"/webhooks/{hook['id']}/deliveries", **query).body["data"]
