"""Lambda's pollers: messages of a queue become calls of a function.

As in AWS a poller acts with the function's role, a message that the function took is deleted, and
one that it failed on comes back after the visibility timeout, until the queue's redrive policy puts
it aside. Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from local.intrinsics import REGION
from local.invoker import InvocationError, Invoker
from local.queues import EventSource

LOG = logging.getLogger("local.event_sources")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 1.0  # seconds between two looks into an empty queue


@dataclass
class Poller:
    """Takes messages from one queue to one function, `at_once` calls at a time.

    `environment` has the credentials and endpoints of the function's role.
    """

    source: EventSource
    invoker: Invoker
    environment: Mapping[str, str]
    at_once: int
    _calls: set["asyncio.Task[None]"] = field(default_factory=set)

    async def run(self) -> None:
        """Poll until cancelled."""
        slots = asyncio.Semaphore(min(self.source.at_once, self.at_once))
        pause = SHORTEST_PAUSE
        while True:
            await slots.acquire()
            messages = await self._receive()
            if messages:
                pause = SHORTEST_PAUSE
                task = asyncio.create_task(self._hand_over(messages))
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
                task.add_done_callback(lambda _: slots.release())
                continue
            slots.release()
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.2)

    async def close(self, seconds: float) -> None:
        """Give calls under way some seconds to end; their messages come again otherwise."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=seconds)
        for task in self._calls:
            task.cancel()

    @cached_property
    def _sqs(self) -> Any:
        import botocore.session

        environment = self.environment
        return botocore.session.get_session().create_client(
            "sqs",
            region_name=REGION,
            endpoint_url=environment["AWS_ENDPOINT_URL_SQS"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        def ask() -> dict[str, Any]:
            answer: dict[str, Any] = getattr(self._sqs, operation)(
                QueueUrl=self.source.queue.url, **parameters
            )
            return answer

        try:
            return await asyncio.to_thread(ask)
        except (BotoCoreError, ClientError) as exc:
            LOG.error("%s cannot poll: %s", self.source.function, exc)
            await asyncio.sleep(LONGEST_PAUSE)
            return {}

    async def _receive(self) -> list[dict[str, Any]]:
        answer = await self._call(
            "receive_message",
            MaxNumberOfMessages=min(10, self.source.batch_size),
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    async def _hand_over(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Invoke the function and delete what it took."""
        event = {"Records": [record(message, self.source) for message in messages]}
        try:
            answer = await self.invoker.invoke(self.source.function, event)
        except (InvocationError, OSError) as exc:
            LOG.error("%s failed with a message: %s", self.source.function, exc)
            return
        failed = failures(answer, self.source, [message["MessageId"] for message in messages])
        for message in messages:
            if message["MessageId"] not in failed:
                await self._call("delete_message", ReceiptHandle=message["ReceiptHandle"])


def record(message: Mapping[str, Any], source: EventSource) -> dict[str, Any]:
    """The message as Lambda gives it to a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {
                "stringValue": value.get("StringValue"),
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": value["DataType"],
            }
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": source.queue.arn,
        "awsRegion": REGION,
    }


def failures(answer: Any, source: EventSource, sent: Sequence[str]) -> set[str]:
    """The ids of the messages that are to come again.

    All of them when the function's answer is none that Lambda understands.
    """
    if not source.reports_failures or not answer:
        return set()
    try:
        failed = {str(one["itemIdentifier"]) for one in answer["batchItemFailures"] or []}
    except (KeyError, TypeError):
        return set(sent)
    return min(failed, set(sent))
