"""A lease is kept as long as the worker's process lives, and no longer."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from lambdas.asset_worker import heartbeat, leases
from lambdas.core import table
from lambdas.core.pending import values
from lambdas.core.table import Key
from tests.unit.fakes import AwsCalls, Killed, refusal

EVERY_SECONDS = heartbeat.EVERY_SECONDS
KEY = Key("acme#dataset", "ds_1")


@pytest.fixture(autouse=True)
def a_thing_that_waits(aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.02)
    item = {"pk": KEY.pk, "sk": KEY.sk, "attempts": 2} | values("validate_dataset", KEY.sk)
    table.write(table.Put(item))
    yield
    assert not [one for one in threading.enumerate() if one.name == "heartbeat"]


def taken() -> leases.Lease:
    lease = leases.take(KEY, "validate_dataset")
    assert lease
    return lease


def kept() -> dict:
    item = table.get(KEY)
    assert item
    return item


def comes_true(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def beats(count: int = 3) -> None:
    time.sleep(0.02 * count + 0.05)


def test_a_lease_is_renewed_while_the_work_is_at_a_long_step_and_the_try_still_counts() -> None:
    with heartbeat.beating():
        taken()
        first = kept()

        assert comes_true(lambda: kept()["lease_until"] > first["lease_until"])
        assert kept()["next_check_at"] == kept()["lease_until"]
        assert kept()["attempts"] == first["attempts"] == 3


def test_a_lease_of_a_process_that_died_is_renewed_no_more() -> None:
    with suppress(Killed), heartbeat.beating():
        taken()
        raise Killed
    last = kept()["lease_until"]

    beats()

    assert kept()["lease_until"] == last


@pytest.mark.parametrize("end", [leases.give_back, lambda lease: leases.put_off(lease, 60)])
def test_what_was_given_back_can_be_taken_on_at_once_and_stays_so(
    end: Callable[[leases.Lease], None],
) -> None:
    with heartbeat.beating():
        end(taken())
        beats()

        assert "lease_until" not in kept()
        assert taken()


def test_a_lease_that_another_took_is_not_taken_back() -> None:
    with heartbeat.beating():
        taken()
        table.write(table.Update(KEY, "SET #lease = :other", {"other": "another's"}))
        last = kept()["lease_until"]
        beats()

        assert (kept()["lease"], kept()["lease_until"]) == ("another's", last)


def test_a_thing_that_is_gone_does_not_come_back() -> None:
    with heartbeat.beating():
        taken()
        table.write(table.Delete(KEY))
        beats()

    assert table.get(KEY) is None


def test_a_renewal_that_fails_is_made_up_for_by_the_next(aws_calls: AwsCalls) -> None:
    with heartbeat.beating():
        taken()
        first = kept()["lease_until"]
        aws_calls.refused = {"UpdateItem": [refusal("UpdateItem", "InternalServerError", "")]}

        assert comes_true(lambda: not aws_calls.refused["UpdateItem"])
        assert comes_true(lambda: kept()["lease_until"] > first)


def test_a_lease_that_a_request_takes_has_no_heart_and_ends_by_itself() -> None:
    taken()
    last = kept()["lease_until"]
    beats()

    assert kept()["lease_until"] == last
    assert leases.SECONDS > 29  # what a request may take


def test_a_lease_outlasts_some_beats_that_fail() -> None:
    assert leases.SECONDS > 4 * EVERY_SECONDS
