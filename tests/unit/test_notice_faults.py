"""The notifier, and who writes notices, killed at any call: each is told once at least."""

from datetime import timedelta

import pytest

from lambdas.core import clock
from lambdas.notifier import sending
from lambdas.training_status import handler as status
from tests.unit.fakes import AwsCalls, Context, FakeSageMaker, Killed
from tests.unit.hooks import (
    PUBLISHED,
    Receiver,
    deliveries,
    hand_over,
    make_hook,
    reconcile,
    tell,
    waiting,
)
from tests.unit.scenes import TRAININGS, ready_dataset, ready_model
from tests.unit.test_training_status import leave_lora, send, told

pytestmark = pytest.mark.usefixtures("aws_calls")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Receiver:
    made = Receiver()
    monkeypatch.setattr(sending, "post", made.post)
    return made


def minutes_pass(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    before = clock.now
    monkeypatch.setattr(clock, "now", lambda: before() + timedelta(minutes=minutes))


def started(name: str = "style") -> dict:
    request = {"name": name, "model": "base", "datasets": [{"dataset": "tusiji"}]}
    return TRAININGS.post("/trainings", request).body


def end(sagemaker: FakeSageMaker, training: dict) -> None:
    sagemaker.set_state(training["job_name"], "Completed", "Completed")
    status.handler(told(training, "Completed", "Completed", 900), Context())


def test_a_run_of_a_training_is_told_from_its_start_to_its_end(
    receiver: Receiver, sagemaker: FakeSageMaker
) -> None:
    ready_model(), ready_dataset(), tell()
    make_hook()
    training = started()
    leave_lora(training)
    for secondary, at in (
        ("Starting", 1), ("Training", 2), ("Interrupted", 3), ("Training", 4), ("Training", 4),
    ):  # fmt: skip
        send(told(training, "InProgress", secondary, at))
    send(told(training, "InProgress", "SomethingNew", 5))
    for _ in range(3):
        end(sagemaker, training)
    tell()

    assert sorted(receiver.types) == sorted(
        [
            *("training.started", "training.interrupted", "training.started"),
            *("training.succeeded", "model.ready"),
        ]
    )
    (ended,) = [one.told for one in receiver.received if one.told["type"] == "training.succeeded"]
    assert ended["data"]["status"] == "succeeded"
    assert "http" not in str(ended["data"])


def test_the_end_of_a_training_is_told_whatever_call_a_crash_came_before(
    receiver: Receiver,
    sagemaker: FakeSageMaker,
    aws_calls: AwsCalls,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ready_model(), ready_dataset(), tell()
    make_hook(events=["training.succeeded"])
    training = started("measured")
    leave_lora(training, "measured.safetensors")
    aws_calls.reset()
    end(sagemaker, training)
    calls = len(aws_calls.made)
    assert aws_calls.made[-3:] == ["TransactWriteItems", "SendMessage", "SendMessage"]
    tell()

    for killed_before in range(calls - 4, calls):
        receiver.received.clear()
        training = started(f"style{killed_before}")
        leave_lora(training, f"style{killed_before}.safetensors")
        waiting()
        aws_calls.reset()
        aws_calls.kill_before = killed_before
        with pytest.raises(Killed):
            end(sagemaker, training)
        aws_calls.reset()
        end(sagemaker, training)  # EventBridge sends it again
        minutes_pass(monkeypatch, 2)
        reconcile(), tell()

        ids = {one.headers["webhook-id"] for one in receiver.received}
        assert (len(ids), len(receiver.received)) == (1, 1), killed_before


def test_a_queue_that_fails_loses_no_notice_and_spoils_no_request(
    receiver: Receiver, aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_hook()
    aws_calls.lost = {"SendMessage"}
    ready_model()
    aws_calls.reset(), waiting()
    reconcile()
    assert tell() == 0  # it is not overdue yet

    minutes_pass(monkeypatch, 2)
    reconcile(), reconcile(), tell()

    assert receiver.types == ["model.ready"]


@pytest.mark.parametrize("mended_by", ["redelivery", "reconciling"])
def test_a_notifier_killed_at_any_call_is_followed_by_one_that_tells_every_webhook(
    receiver: Receiver, aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, mended_by: str
) -> None:
    hooks = [make_hook(), make_hook()]
    ready_model("measured")
    (notice,) = waiting()
    aws_calls.reset()
    hand_over(notice)
    assert aws_calls.made == [
        *("GetItem", "Query", "GetItem", "Publish"),
        *("TransactWriteItems", "SendMessage", "SendMessage"),
    ]
    tell()

    for killed_before in range(7):
        ready_model(f"model{killed_before}")
        (notice,) = waiting()
        receiver.received.clear(), waiting(PUBLISHED), aws_calls.reset()
        aws_calls.kill_before = killed_before
        with pytest.raises(Killed):
            hand_over(notice)
        aws_calls.reset()

        if mended_by == "redelivery":
            hand_over(notice)
        minutes_pass(monkeypatch, 2)
        reconcile(), tell()

        newest = [deliveries(hook)[0] for hook in hooks]
        assert {one["event_id"] for one in newest} == {notice["id"]}, killed_before
        assert {one["status"] for one in newest} == {"delivered"}, killed_before
        assert len(receiver.received) == 2
        # The topic is told twice where the crash came between it and the table.
        assert len(waiting(PUBLISHED)) == 1 + (killed_before == 4)


@pytest.mark.parametrize("mended_by", ["redelivery", "reconciling"])
def test_an_attempt_killed_at_any_call_is_made_and_kept(
    receiver: Receiver, aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, mended_by: str
) -> None:
    hook = make_hook(events=["model.ready"])
    calls = ["BatchGetItem", "UpdateItem", "UpdateItem", "SendMessage"]
    for killed_before in range(len(calls) + 1):
        receiver.received.clear()
        ready_model(f"model{killed_before}")
        (notice,) = waiting()
        hand_over(notice)
        (message,) = waiting()
        receiver.answers = [500]
        aws_calls.reset()
        if killed_before < len(calls):
            aws_calls.kill_before = killed_before
            with pytest.raises(Killed):
                hand_over(message)
        else:
            hand_over(message)
            assert aws_calls.made == calls
        aws_calls.reset()

        if mended_by == "redelivery":
            hand_over(message)
        for _ in range(2):
            minutes_pass(monkeypatch, 2)
            reconcile(), tell()

        (one, *_) = deliveries(hook)
        assert one["event_id"] == notice["id"]
        assert one["status"] == "delivered", killed_before
        # The answer that was lost with its process is not in the log; the next one is.
        assert len(receiver.received) == len(one["attempts"]) + (killed_before in (1, 2))
        assert len({got.headers["webhook-id"] for got in receiver.received}) == 1
        assert tell() == 0


@pytest.mark.parametrize("operation", ["Publish", "TransactWriteItems", "GetItem", "SendMessage"])
def test_a_call_whose_answer_is_lost_makes_the_message_come_again(
    receiver: Receiver, aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    make_hook()
    ready_model()
    (notice,) = waiting()
    aws_calls.lost = {operation}
    failed = hand_over(notice)
    aws_calls.reset(), waiting()

    again = hand_over(notice)
    minutes_pass(monkeypatch, 2)
    reconcile(), tell()

    assert failed == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert again == {"batchItemFailures": []}
    assert receiver.types == ["model.ready"]


def test_a_message_that_cannot_be_read_is_left_to_the_dead_letters() -> None:
    assert hand_over({"kind": "sing"}) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
