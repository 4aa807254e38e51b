"""Every route of the contract: repeats do nothing twice, a crash is mended, the calls are counted."""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from contract.reading import read_yaml
from lambdas.core import clock
from tests.unit.aws_calls import AWS_CALLS, MORE_WITH_A_KEY
from tests.unit.every_route import World, calls_of, stopped_clock
from tests.unit.fakes import EVERY_CALL, Answer, AwsCalls, FakeSageMaker, Killed, kill_points

CONTRACT = read_yaml(Path(__file__).parents[2] / "openapi.yaml")
# Files for everybody, which call nothing: see tests/unit/test_published.py.
PUBLISHED = {"GET /openapi.json", "GET /docs"}
ROUTES = [
    route
    for path, operations in CONTRACT["paths"].items()
    for method in operations
    if (route := f"{method.upper()} {path}") not in PUBLISHED
]
POSTS = [route for route in ROUTES if route.startswith("POST")]
CHANGES = [route for route in ROUTES if not route.startswith("GET")]
WRITES = {"PutItem", "TransactWriteItems", "UpdateItem", "DeleteItem"}

# What is left by a request that was killed, lies where nothing names it, and is cleared by a rule
# of the bucket's or with the thing.
LEFT_BEHIND = {
    "POST /datasets": r"object acme/datasets/ds_ULID/files/ULID.json",
    "POST /datasets/import": r"object acme/datasets/ds_ULID/files/ULID.json",
    "POST /datasets/{dataset_id}/crop": r"object acme/datasets/ds_ULID/files/ULID.json",
    "POST /datasets/{dataset_id}/uploads": r"object acme/datasets/ds_ULID/files/ULID.json",
    "POST /models": r"upload acme/models/mdl_ULID/new.safetensors",
    "POST /trainings": r"object acme/trainings/trn_ULID/input/job.json",
}


# Served by the code of another route, so that one call of them is enough until all are asked for.
ALIKE = {
    "POST /datasets/{dataset_id}/captions/add-tag",
    "POST /datasets/{dataset_id}/captions/remove-tag",
    "PUT /datasets/{dataset_id}/captions",
}


SHOWN_ONCE = {
    "POST /tokens": "token_already_shown",
    "POST /webhooks": "secret_already_shown",
    "POST /webhooks/{webhook_id}/rotate": "secret_already_shown",
}


def points(route: str, calls: int) -> list[int]:
    """Which of so many calls of a route a process dies before."""
    few = route in ALIKE and not os.environ.get(EVERY_CALL)
    return [calls // 2] if few else kill_points(calls)


@pytest.fixture
def world(aws_calls: AwsCalls, sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(aws_calls, sagemaker)
    monkeypatch.setattr(clock, "now", stopped_clock(made))
    made.make()
    return made


def test_every_route_of_the_contract_has_a_request(world: World) -> None:
    assert set(calls_of(world.ids)) == set(ROUTES)


def of_all(routes: list[str], look: Callable[[str], object]) -> None:
    """Look at each route, and tell of all where it is not as it should be."""
    wrong = {}
    for route in routes:
        try:
            look(route)
        except AssertionError as error:
            wrong[route] = str(error)
    assert wrong == {}, "\n\n".join(f"{route}: {text[:3000]}" for route, text in wrong.items())


def without(left: str | None, seen: list[str], expected: list[str]) -> list[str]:
    """Return what is seen without what a killed request may leave behind."""
    rest = list(seen)
    for one in expected:
        if one in rest:
            rest.remove(one)
    extra = [one for one in rest if left and re.fullmatch(left, one)]
    found = list(seen)
    for one in extra:
        found.remove(one)
    return found


def difference(one: list[str], other: list[str]) -> str:
    more, less = list(one), []
    for row in other:
        more.remove(row) if row in more else less.append(row)
    return "\n".join([*(f"+ {row}" for row in more), *(f"- {row}" for row in less)])


def test_a_request_killed_at_any_call_and_sent_again_ends_as_one_that_was_not(
    world: World,
) -> None:
    def look(route: str) -> None:
        call = calls_of(world.ids)[route]
        key = "one" if route in POSTS else None
        world.restore()
        first = world.ask(route, call, key)
        calls = list(world.aws_calls.made)
        world.settle()
        expected = world.seen()
        assert first.status < 300, first
        for killed_before in points(route, len(calls)):
            world.restore()
            world.aws_calls.kill_before = killed_before
            with pytest.raises(Killed):
                world.ask(route, call, key)
            world.aws_calls.reset()
            world.minutes += 1

            again = world.ask(route, call, key)
            world.settle()

            at = f"killed before {calls[killed_before]} ({killed_before})"
            gone = route.startswith("DELETE") and again.status == 404
            told = (again.body or {}).get("code")  # what was made before the end is not shown again
            done = told is not None and told == SHOWN_ONCE.get(route)
            assert again.status == first.status or gone or done, (at, again)
            seen = without(LEFT_BEHIND.get(route), world.seen(), expected)
            assert difference(seen, expected) == "", at

    of_all(CHANGES, look)


def test_a_repeat_with_the_same_key_is_answered_as_the_first_and_changes_nothing(
    world: World,
) -> None:
    def look(route: str) -> None:
        call = calls_of(world.ids)[route]
        world.restore()
        first = world.ask(route, call, "one")
        seen = world.seen()

        again = world.ask(route, call, "one")
        assert difference(world.seen(), seen) == ""
        if route in SHOWN_ONCE:
            assert (again.status, again.body["code"]) == (409, SHOWN_ONCE[route])
        else:
            assert (again.status, again.body.keys()) == (first.status, first.body.keys()), again
            assert ids_in(again.body) == ids_in(first.body)
        if call.other:
            other = world.ask(route, call, "one", call.other)
            assert (other.status, other.body["code"]) == (422, "idempotency_key_reused"), other
        elsewhere = world.ask("POST /tokens", calls_of(world.ids)["POST /tokens"], "one")
        assert elsewhere.status in (409, 422)
        world.minutes += 25 * 60
        later = world.ask("POST /tokens", calls_of(world.ids)["POST /tokens"], "one")
        assert later.status == 201, later

    of_all(POSTS, look)


def ids_in(body: object) -> list[str]:
    found = re.findall(r"(?:ds|img|mdl|trn|tok|whk|evt)_[0-9A-HJKMNP-TV-Z]{26}", str(body))
    return sorted(set(found))


def test_two_with_the_same_key_at_once_do_what_one_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(route: str) -> None:
        call = calls_of(world.ids)[route]
        world.restore()
        first = world.ask(route, call, "one")
        calls = list(world.aws_calls.made)
        world.settle()
        expected = world.seen()
        writing = next(index for index, name in enumerate(calls) if name in WRITES)
        for overtaken_at in range(len(calls)) if os.environ.get(EVERY_CALL) else [writing]:
            world.restore()
            answers: list[Answer] = []

            ask = partial(world.ask_between, route, call, "one")
            world.aws_calls.before(overtaken_at, lambda: answers.append(ask()))  # noqa: B023
            answers.append(world.ask(route, call, "one"))
            world.settle()
            at = f"overtaken before {calls[overtaken_at]} ({overtaken_at})"
            for answer in answers:
                waits = answer.status == 409 and "Retry-After" in answer.headers
                shown = answer.status == 409 and answer.body["code"] == SHOWN_ONCE.get(route)
                assert answer.status == first.status or waits or shown, (at, answer)
            assert any(answer.status == first.status for answer in answers), (at, answers)
            seen = without(LEFT_BEHIND.get(route), world.seen(), expected)
            assert difference(seen, expected) == "", at

    of_all(POSTS, look)


def test_every_route_makes_the_calls_to_aws_that_are_known(world: World) -> None:
    def look(route: str) -> None:
        world.restore()
        answer = world.ask(route, calls_of(world.ids)[route])
        made = list(world.aws_calls.made)
        assert answer.status < 300, answer
        assert " ".join(made) == AWS_CALLS[route]
        if route in POSTS:
            world.restore()
            world.ask(route, calls_of(world.ids)[route], "one")
            more = len(world.aws_calls.made) - len(made)
            assert more == MORE_WITH_A_KEY.get(route, 2)

    assert set(AWS_CALLS) == set(ROUTES)
    of_all(ROUTES, look)
