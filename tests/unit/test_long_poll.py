"""Reading a training as soon as it changes; the time is the tests' own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from lambdas.core import table, waits
from lambdas.core.table import Key, Update
from lambdas.trainings import following
from tests.unit.fakes import Answer, AwsCalls, Client, FakeSageMaker, Killed
from tests.unit.scenes import TRAININGS, ready_dataset, ready_model
from tests.unit.test_training_status import end, progress, send, tell_progress, told

pytestmark = pytest.mark.usefixtures("aws_calls")


@dataclass
class Clock:
    """A clock that goes on only where somebody sleeps; `then` has what happens at a second."""

    seconds: float = 0
    then: dict[float, Callable[[], None]] = field(default_factory=dict)

    def time(self) -> float:
        return 1_900_000_000 + self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        for when in [one for one in self.then if one <= self.seconds]:
            self.then.pop(when)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(following.time, "sleep", made.sleep)
    monkeypatch.setattr(following.time, "monotonic", lambda: made.seconds)
    monkeypatch.setattr(waits.time, "time", made.time)
    return made


@pytest.fixture
def training(aws_calls: AwsCalls) -> dict:
    ready_model(), ready_dataset()
    request = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    return TRAININGS.post("/trainings", request).body


def read(
    training: dict, wait: int | None = None, known: str = "", by: Client = TRAININGS
) -> Answer:
    query = {} if wait is None else {"wait": str(wait)}
    headers = {"If-None-Match": known} if known else {}
    return by.request("GET", f"/trainings/{training['id']}", None, headers, query)


def test_a_read_says_how_the_training_stands_and_304_where_that_is_known(training: dict) -> None:
    first = read(training)
    etag = first.headers["ETag"]

    same = read(training, known=f'"other", W/{etag}')
    send(told(training, "InProgress", "Training", 1))
    changed = read(training, known=etag)

    assert (first.status, same.status, same.body) == (200, 304, None)
    assert same.headers["ETag"] == etag
    assert (changed.status, changed.body["status"]) == (200, "running")
    assert changed.headers["ETag"] != etag


def test_a_change_is_answered_within_two_seconds(training: dict, clock: Clock) -> None:
    clock.then[7.0] = lambda: send(told(training, "InProgress", "Training", 1))

    answer = read(training, wait=20)

    assert (answer.status, answer.body["status"], clock.seconds) == (200, "running", 8)


def test_progress_counts_as_a_change(training: dict, clock: Clock) -> None:
    clock.then[3.0] = lambda: send(tell_progress(training, **progress(20, second=2)))

    answer = read(training, wait=20)

    assert (answer.body["progress"]["step"], clock.seconds) == (20, 4)


def test_where_nothing_changes_the_answer_comes_when_the_time_is_over(
    training: dict, clock: Clock, aws_calls: AwsCalls
) -> None:
    etag = read(training).headers["ETag"]
    aws_calls.reset()

    known, unknown = read(training, wait=5, known=etag), read(training, wait=5)

    assert (known.status, unknown.status, clock.seconds) == (304, 200, 10)
    one_wait = ["GetItem", "GetItem", "UpdateItem", *["GetItem"] * 3, "UpdateItem"]
    assert aws_calls.made == one_wait * 2


def test_what_changed_before_the_question_is_answered_at_once_in_one_call(
    training: dict, clock: Clock, aws_calls: AwsCalls
) -> None:
    etag = read(training).headers["ETag"]
    send(told(training, "InProgress", "Training", 1))
    aws_calls.reset()

    answer = read(training, wait=20, known=etag)

    assert (answer.status, clock.seconds, aws_calls.made) == (200, 0, ["GetItem"])


def test_a_training_that_has_ended_is_not_waited_for(
    training: dict, clock: Clock, sagemaker: FakeSageMaker, aws_calls: AwsCalls
) -> None:
    end(sagemaker, training, "Failed", "Failed", FailureReason="")
    aws_calls.reset()

    first = read(training, wait=20)
    second = read(training, wait=20, known=first.headers["ETag"])

    assert (first.status, second.status, clock.seconds) == (200, 304, 0)
    assert aws_calls.made == ["GetItem", "GetItem"]


def test_ten_of_a_workspace_wait_and_the_next_is_answered_at_once(
    training: dict, clock: Clock
) -> None:
    taken = [waits.take("acme", 10, 25) for _ in range(10)]
    assert read(training, wait=20).status == 200
    assert clock.seconds == 0

    assert taken[3]
    waits.give_back(taken[3])
    read(training, wait=20)

    assert clock.seconds == 20
    assert len({one.number for one in taken if one}) == 10
    assert waits.take("other", 10, 25) is not None


def test_a_place_that_a_crash_left_taken_is_free_again_when_its_time_is_over(
    training: dict, clock: Clock, aws_calls: AwsCalls
) -> None:
    aws_calls.reset()
    aws_calls.kill_before = 3
    with pytest.raises(Killed):
        read(training, wait=20)
    aws_calls.reset()
    lost = waits.take("acme", 1, 25)
    clock.sleep(30)

    again = waits.take("acme", 1, 25)

    assert lost is None
    assert again is not None


def test_a_place_that_was_taken_over_is_not_given_back_by_the_one_before(clock: Clock) -> None:
    slow = waits.take("acme", 1, 25)
    clock.sleep(30)
    assert waits.take("acme", 1, 25)

    assert slow
    waits.give_back(slow)

    assert waits.take("acme", 1, 25) is None


def test_of_two_at_the_same_moment_one_waits(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    through = table.write

    def overtaken(write: Update) -> None:
        monkeypatch.setattr(table, "write", through)
        assert waits.take("acme", 10, 25)
        through(write)

    monkeypatch.setattr(table, "write", overtaken)

    assert waits.take("acme", 10, 25) is None
    assert table.get(Key("acme#workspace", "waits"))


def test_another_workspace_waits_for_nothing(training: dict, clock: Clock) -> None:
    answer = read(training, wait=20, by=Client(TRAININGS.handler, workspace="other"))

    assert (answer.status, clock.seconds) == (404, 0)


@pytest.mark.parametrize("wait", [-1, 21])
def test_a_wait_that_the_gateway_would_cut_off_is_refused(training: dict, wait: int) -> None:
    answer = read(training, wait=wait)

    assert (answer.status, answer.pointers) == (422, ["query:wait"])


def test_what_is_no_etag_is_refused(training: dict) -> None:
    answer = read(training, known="bare")

    assert (answer.status, answer.body["code"]) == (400, "invalid_etag")
    assert answer.pointers == ["header:If-None-Match"]


def test_events_have_types_are_in_order_and_come_page_by_page(training: dict) -> None:
    for secondary, at in (("Downloading", 1), ("Training", 2), ("Interrupted", 3), ("Training", 4)):
        send(told(training, "InProgress", secondary, at))
    path = f"/trainings/{training['id']}/events"

    for order, expected in (("asc", 1), ("desc", -1)):
        found, cursor = [], {}
        while True:
            page = TRAININGS.get(path, order=order, limit="2", **cursor).body
            found += page["data"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert len(found) == 5
        assert all((one["at"] < two["at"]) == (expected > 0) for one, two in pairwise(found))
    only = TRAININGS.get(path, type="training.started").body["data"]
    assert [one["type"] for one in only] == ["training.started"] * 2
    refused = TRAININGS.get(path, order="asc", cursor=cursor["cursor"])
    assert (refused.status, refused.body["code"]) == (400, "invalid_cursor")
