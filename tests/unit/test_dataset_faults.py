"""The worker killed at any call, its answers lost, its time over: the check ends once and whole."""

import json
from datetime import timedelta

import pytest

from lambdas.asset_worker import handler as worker
from lambdas.asset_worker import leases, pictures, validation
from lambdas.core import bucket, clock
from lambdas.core.queue import Task
from tests.unit.fakes import AwsCalls, Context, Killed, kill_points
from tests.unit.pictures import jpeg
from tests.unit.scenes import DATASETS, lose_messages, work
from tests.unit.test_dataset_check import told, uploaded

FILES = {f"{seed}.jpg": jpeg(seed) for seed in range(3)} | {
    **{f"{seed}.txt": b"a rabbit" for seed in range(2)},
    "twin.jpg": jpeg(1),
    "twin.txt": b"a rabbit",
}
FOUND = {("2.jpg", "missing_caption", "error"), ("twin.jpg", "duplicate", "warning")}


@pytest.fixture(autouse=True)
def small_batches(aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "KEPT_AT_ONCE", 2)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that were decoded, in order."""
    seen: list[str] = []
    through = pictures._decode
    monkeypatch.setattr(
        pictures,
        "_decode",
        lambda notes, *rest: (seen.append(notes.file), through(notes, *rest))[1],
    )
    return seen


def waiting_dataset() -> str:
    dataset_id = uploaded(FILES)
    assert DATASETS.post(f"/datasets/{dataset_id}/complete").body["status"] == "validating"
    return dataset_id


def deliver(dataset_id: str, context: Context | None = None) -> dict:
    """Hand the dataset's message to the worker, as the queue does a first time and again."""
    task = Task(kind="validate_dataset", workspace="acme", id=dataset_id)
    record = {"messageId": "1", "body": task.model_dump_json(), "eventSource": "aws:sqs"}
    return worker.handler({"Records": [record]}, context or Context())


def reconcile() -> None:
    worker.handler({"detail-type": "Reconcile"}, Context())


def minutes_pass(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    before = clock.now
    monkeypatch.setattr(clock, "now", lambda: before() + timedelta(minutes=minutes))


def ended_well(dataset_id: str) -> bool:
    dataset = DATASETS.get(f"/datasets/{dataset_id}").body
    images = DATASETS.get(f"/datasets/{dataset_id}/images").body["data"]
    reports = list(bucket.objects_under(f"acme/datasets/{dataset_id}/reports/"))
    assert dataset["status"] == "invalid"
    assert dataset["report"]["images"] == len(images) == 4
    assert dataset["report"]["sizes"] == [[300, 300, 4]]
    assert told(dataset_id) == FOUND
    return len(reports) == 1


def calls_of_a_check(aws_calls: AwsCalls) -> int:
    dataset_id = waiting_dataset()
    aws_calls.reset()
    deliver(dataset_id)
    return len(aws_calls.made) - 1  # the message that has the end told: test_notice_faults.py


@pytest.mark.parametrize("mended_by", ["redelivery", "reconciling"])
def test_a_worker_killed_at_any_call_is_followed_by_one_that_ends_the_check(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, mended_by: str
) -> None:
    calls = calls_of_a_check(aws_calls)
    assert calls > 12
    for killed_before in kill_points(calls):
        aws_calls.reset()
        dataset_id = uploaded(FILES, name=f"set{killed_before}")
        DATASETS.post(f"/datasets/{dataset_id}/complete")
        aws_calls.reset()
        aws_calls.kill_before = killed_before
        with pytest.raises(Killed):
            deliver(dataset_id)
        aws_calls.reset()
        minutes_pass(monkeypatch, 4)

        if mended_by == "redelivery":
            deliver(dataset_id)
        else:
            lose_messages()
            reconcile()
            assert work() == 1

        assert ended_well(dataset_id) or killed_before == calls - 1  # its report was written
        deliver(dataset_id), reconcile()
        assert aws_calls.made.count("SendMessage") == 1 + (mended_by == "reconciling")


@pytest.mark.parametrize(
    "operation", ["UpdateItem", "BatchWriteItem", "PutObject", "GetObject", "Query", "GetItem"]
)
def test_a_call_whose_answer_is_lost_makes_the_message_come_again(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    dataset_id = waiting_dataset()
    aws_calls.reset()
    aws_calls.lost = {operation}
    failed = deliver(dataset_id)
    aws_calls.reset()
    minutes_pass(monkeypatch, 4)

    again = deliver(dataset_id)

    assert failed == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert again == {"batchItemFailures": []}
    ended_well(dataset_id)


def test_what_was_kept_before_a_crash_is_not_looked_at_again(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, looked_at: list[str]
) -> None:
    monkeypatch.setattr(validation, "THREADS", 1)
    dataset_id = waiting_dataset()
    aws_calls.reset()
    aws_calls.kill_before = 12
    with pytest.raises(Killed):
        deliver(dataset_id)
    kept = aws_calls.made.count("BatchWriteItem") * 2
    aws_calls.reset(), looked_at.clear()
    minutes_pass(monkeypatch, 4)

    deliver(dataset_id)

    assert 0 < kept < 4
    assert len(looked_at) == 4 - kept
    ended_well(dataset_id)


def test_a_crash_before_the_message_was_sent_is_mended_by_the_schedule(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_id = uploaded(FILES)
    aws_calls.reset()
    DATASETS.get(f"/datasets/{dataset_id}")
    aws_calls.reset()
    aws_calls.kill_before = 4  # GetItem, GetObject, ListObjectsV2, TransactWriteItems
    with pytest.raises(Killed):
        DATASETS.post(f"/datasets/{dataset_id}/complete")
    assert aws_calls.made[-1] == "TransactWriteItems"
    aws_calls.reset()
    reconcile()
    assert work() == 0  # it is not overdue yet

    minutes_pass(monkeypatch, 2)
    reconcile(), reconcile()

    assert work() == 1
    assert ended_well(dataset_id)


def test_a_message_that_comes_twice_is_worked_on_once(looked_at: list[str]) -> None:
    dataset_id = waiting_dataset()
    work()
    deliver(dataset_id)

    assert sorted(looked_at) == sorted(name for name in FILES if name.endswith(".jpg"))
    assert ended_well(dataset_id)


def test_of_two_workers_the_second_leaves_the_work_to_the_first(looked_at: list[str]) -> None:
    dataset_id = waiting_dataset()
    key = leases.Key("acme#dataset", dataset_id)
    held = leases.take(key, "validate_dataset")

    answer = deliver(dataset_id)

    assert held is not None
    assert (answer, looked_at) == ({"batchItemFailures": []}, [])


def test_a_worker_that_was_too_slow_for_its_lease_leaves_the_end_to_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset_id = waiting_dataset()
    through = leases.renew

    def overtaken(lease: leases.Lease) -> None:
        monkeypatch.setattr(leases, "renew", through)
        minutes_pass(monkeypatch, 4)
        deliver(dataset_id)
        through(lease)

    monkeypatch.setattr(leases, "renew", overtaken)

    assert deliver(dataset_id) == {"batchItemFailures": []}
    assert ended_well(dataset_id)


class Hurried(Context):
    """A context whose time is as good as over."""

    def get_remaining_time_in_millis(self) -> int:
        return 1000


def test_a_check_that_takes_longer_than_a_run_goes_on_by_messages(
    aws_calls: AwsCalls, looked_at: list[str]
) -> None:
    dataset_id = waiting_dataset()
    aws_calls.reset()

    for _ in range(20):
        deliver(dataset_id, Hurried())
        if DATASETS.get(f"/datasets/{dataset_id}").body["status"] != "validating":
            break

    assert len(looked_at) >= 4
    assert aws_calls.made.count("SendMessage") == 3 + 1  # one image to a run at least, and its end
    assert ended_well(dataset_id)


def test_a_check_that_breaks_off_again_and_again_ends_with_a_word_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset_id = waiting_dataset()

    def breaks(*_: object) -> None:
        raise Killed("out of memory")

    monkeypatch.setattr(validation, "check", breaks)
    for _ in range(validation.MOST_ATTEMPTS):
        with pytest.raises(Killed):
            deliver(dataset_id)
        minutes_pass(monkeypatch, 4)
    deliver(dataset_id)
    given_up = DATASETS.get(f"/datasets/{dataset_id}").body
    monkeypatch.undo()

    assert given_up["status"] == "invalid"
    assert [one["code"] for one in given_up["report"]["findings"]] == ["not_checked"]


def test_a_message_that_cannot_be_read_is_left_to_the_dead_letters() -> None:
    records = [{"messageId": "1", "body": json.dumps({"kind": "sing"}), "eventSource": "aws:sqs"}]

    answer = worker.handler({"Records": records}, Context())

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
