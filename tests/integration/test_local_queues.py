"""Queues of local mode: what Lambda's pollers do with messages, and what becomes of failed ones."""

import json
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from local_stack import LocalStack, await_that, start
from toy_stack import ToyStack, write_toy_stack

from local.intrinsics import Resolver
from local.queues import read_event_sources, read_queues
from local.template import Template, TemplateError

WORK, DEAD = "LoraStack-ToyWork", "LoraStack-ToyQueue"


def url(name: str) -> str:
    return f"https://sqs.us-east-1.amazonaws.com/000000000000/{name}"


def send(stack: LocalStack, do: str, number: int = 0) -> str:
    body = json.dumps({"do": do, "number": number})
    stack.aws("sqs").send_message(QueueUrl=url(WORK), MessageBody=body)
    return body


def left(stack: LocalStack, name: str) -> dict[str, int]:
    wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = stack.aws("sqs").get_queue_attributes(QueueUrl=url(name), AttributeNames=wanted)
    return {name: int(value) for name, value in found["Attributes"].items() if value != "0"}


def dead(stack: LocalStack) -> list[str]:
    asked = {"QueueUrl": url(DEAD), "VisibilityTimeout": 0, "MaxNumberOfMessages": 10}
    found = stack.aws("sqs").receive_message(**asked)
    return [one["Body"] for one in found.get("Messages", [])]


def records(toy: ToyStack, body: str) -> list[dict[str, Any]]:
    lines = (toy.folder / "messages").read_text().splitlines()
    found = [one for line in lines for one in json.loads(line)["event"]["Records"]]
    return [one for one in found if one["body"] == body]


def test_a_message_comes_to_the_function_once_and_as_lambda_sends_it(toy: ToyStack) -> None:
    body = send(toy.stack, "work", 1)

    await_that(lambda: body in toy.messages())
    await_that(lambda: left(toy.stack, WORK) == {})

    (record,) = records(toy, body)
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == f"arn:aws:sqs:us-east-1:000000000000:{WORK}"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert set(record) == {
        *("messageId", "receiptHandle", "body", "attributes", "messageAttributes"),
        *("md5OfBody", "eventSource", "eventSourceARN", "awsRegion"),
    }


@pytest.fixture(scope="module")
def failing(toy: ToyStack) -> dict[str, str]:
    """Messages that the function fails on in each way; sent together, as their waits are long."""
    return {how: send(toy.stack, how) for how in ("fail", "die", "sleep")}


@pytest.mark.parametrize("how", ["fail", "die", "sleep"])
def test_what_the_function_fails_on_comes_again_and_then_to_the_dead_letters(
    toy: ToyStack, failing: dict[str, str], how: str
) -> None:
    await_that(lambda: failing[how] in dead(toy.stack), seconds=30)

    assert toy.messages().count(failing[how]) == 2


def test_of_a_batch_only_the_failed_message_comes_again(toy: ToyStack) -> None:
    client = toy.stack.aws("sqs")
    bodies = [json.dumps({"do": do, "number": 7}) for do in ("work", "fail", "work2")]
    client.send_message_batch(
        QueueUrl=url(WORK),
        Entries=[{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)],
    )

    await_that(lambda: bodies[1] in dead(toy.stack), seconds=30)

    assert [toy.messages().count(body) for body in bodies] == [1, 2, 1]


def test_a_function_may_send_only_where_its_role_says_so(toy: ToyStack) -> None:
    from local.credentials import access_key_id, secret_access_key

    key = access_key_id("ToyFunction")
    secret = secret_access_key((toy.stack.state / "secret").read_text(), key)

    with pytest.raises(Exception, match="not authorized to perform: sqs:SendMessage"):
        toy.stack.aws("sqs", key, secret).send_message(QueueUrl=url(WORK), MessageBody="{}")


def test_a_message_outlives_a_kill_of_the_whole_stack() -> None:
    folder = Path(tempfile.mkdtemp(prefix="lorastack-test-"))
    cdk_out, code = write_toy_stack(folder)
    arguments = ["--port", "0", "--cdk-out", str(cdk_out), "--code", str(code)]
    stack = start(arguments, folder / "state", folder / "output")
    body = send(stack, "die")
    await_that((folder / "messages").exists)
    stack.process.send_signal(signal.SIGKILL)
    stack.process.wait()

    again = start(arguments, folder / "state", folder / "output")
    try:
        await_that(lambda: body in dead(again), seconds=30)
    finally:
        again.interrupt()

    assert ToyStack(folder, again).messages().count(body) == 2


def test_the_queue_that_others_bury_in_is_made_before_them(toy: ToyStack) -> None:
    names = [queue.name for queue in Template.load(toy.folder / "cdk.out").queues]

    assert names == [DEAD, WORK]


def test_a_mapping_that_cannot_be_kept_is_named() -> None:
    source = {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {"FilterCriteria": {}, "FunctionName": "f", "EventSourceArn": "arn"},
    }
    resolver = Resolver({"Resources": {"Source": source}})

    with pytest.raises(TemplateError, match="Source: FilterCriteria is not supported"):
        read_event_sources(resolver)
    assert read_queues(resolver) == ()
