"""Reads of all rooms: nothing is silently passed over, fields on demand, not modified, times."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from lambdas.core import clock, reads
from tests.unit.every_route import World, calls_of, stopped_clock
from tests.unit.fakes import AwsCalls, Client, FakeSageMaker
from tests.unit.scenes import DATASETS, MODELS, TRAININGS
from tests.unit.test_every_route import CONTRACT, ROUTES, of_all

READS = [route for route in ROUTES if route.startswith("GET")]
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


@pytest.fixture
def world(aws_calls: AwsCalls, sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(aws_calls, sagemaker)
    monkeypatch.setattr(clock, "now", stopped_clock(made))
    made.make()
    return made


def parameters(route: str) -> set[str]:
    method, path = route.split()
    found = CONTRACT["paths"][path][method.lower()].get("parameters", [])
    return {one["name"] for one in found}


def test_every_route_refuses_a_query_parameter_that_it_does_not_know(world: World) -> None:
    def look(route: str) -> None:
        world.restore()
        call = calls_of(world.ids)[route]
        world.aws_calls.reset()
        answer = world.ask(route, call, query={"nonsense": "1"})
        assert (answer.status, answer.pointers) == (422, ["query:nonsense"]), answer
        assert world.aws_calls.made == []

    of_all(ROUTES, look)


def test_a_misspelt_filter_is_told_with_the_right_one(aws_calls: AwsCalls) -> None:
    answer = TRAININGS.get("/trainings", statsu="failed", limit="0")

    assert answer.status == 422
    faults = {fault["pointer"]: fault["message"] for fault in answer.body["errors"]}
    assert set(faults) == {"query:statsu", "query:limit"}
    assert faults["query:statsu"].endswith("did you mean status?")
    assert aws_calls.made == []


def test_sorting_is_refused_with_the_order_that_there_is() -> None:
    (fault,) = DATASETS.get("/datasets", sort="name").body["errors"]

    assert "lists have one order, which can't be chosen; there are limit" in fault["message"]


def test_every_list_answers_the_fields_that_are_asked_for(world: World) -> None:
    lists = [route for route in READS if reads.FIELDS in parameters(route)]
    assert len(lists) > 10

    def look(route: str) -> None:
        call = calls_of(world.ids)[route]
        whole = world.ask(route, call).body
        if not whole["data"]:
            return
        name = min(whole["data"][0])
        answer = world.ask(route, call, query={"fields": name})
        assert answer.headers["Content-Type"] == reads.SPARSE
        assert [list(one) for one in answer.body["data"]] == [[name]] * len(whole["data"])
        assert answer.body.keys() == whole.keys()

    of_all(lists, look)


def test_fields_are_given_in_the_order_in_which_they_were_named(world: World) -> None:
    data = TRAININGS.get("/trainings", fields="status, id").body["data"]

    assert [list(one) for one in data] == [["status", "id"]] * 2


@pytest.mark.parametrize(
    ("fields", "told"),
    [("id,statsu", "did you mean status?"), ("", "name some"), (",", "name some")],
)
def test_a_field_that_does_not_exist_is_told(aws_calls: AwsCalls, fields: str, told: str) -> None:
    answer = TRAININGS.get("/trainings", fields=fields)

    assert (answer.status, answer.pointers) == (422, ["query:fields"])
    assert told in answer.body["errors"][0]["message"]


def test_a_single_thing_has_no_sparse_fields(world: World) -> None:
    answer = TRAININGS.get(f"/trainings/{world.ids['running']}", fields="id")

    assert (answer.status, answer.pointers) == (422, ["query:fields"])


def test_every_read_that_has_an_etag_is_answered_304_while_it_stands(world: World) -> None:
    def look(route: str) -> None:
        call = calls_of(world.ids)[route]
        first = world.ask(route, call)
        tag = first.headers.get("ETag")
        assert (tag is not None) == ("If-None-Match" in parameters(route))
        if tag is None:
            assert first.headers["Cache-Control"] == "no-store"
            return
        assert first.headers["Cache-Control"] == "private, no-cache"
        for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = world.ask(route, call, headers={"If-None-Match": given})
            assert (again.status, again.body) == (304, None)
            assert again.headers["ETag"] == tag
        assert world.ask(route, call, headers={"If-None-Match": '"other"'}).status == 200

    of_all(READS, look)


def test_a_training_that_goes_on_is_another_to_who_reads_and_the_same_to_who_changes_tags(
    world: World,
) -> None:
    path = f"/trainings/{world.ids['running']}"
    tag = TRAININGS.get(path).headers["ETag"]
    TRAININGS.post(f"{path}/cancel")

    assert TRAININGS.request("GET", path, headers={"If-None-Match": tag}).status == 200
    assert TRAININGS.request("PATCH", path, {"tags": {"a": "b"}}, {"If-Match": tag}).status == 200
    assert TRAININGS.request("PATCH", path, {"tags": {"a": "c"}}, {"If-Match": tag}).status == 412
    no_etag = TRAININGS.request("PATCH", path, {"tags": {"a": "b"}}, {"If-Match": "{}"})
    assert (no_etag.status, no_etag.body["code"]) == (400, "invalid_etag")


def test_a_download_url_in_what_has_not_changed_has_half_an_hour_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/models/{world.ids['model']}"
    seconds = 1_800_000_000
    monkeypatch.setattr("lambdas.core.revisions.time.time", lambda: seconds)
    tag = MODELS.get(path).headers["ETag"]

    seconds += 1799
    assert MODELS.request("GET", path, headers={"If-None-Match": tag}).status == 304
    seconds += 1
    assert MODELS.request("GET", path, headers={"If-None-Match": tag}).status == 200


def test_what_is_refused_is_kept_by_no_cache(aws_calls: AwsCalls) -> None:
    for answer in (
        TRAININGS.get("/trainings/trn_nothing"),
        Client(TRAININGS.handler, role="viewer").post("/trainings", {}),
        TRAININGS.post("/trainings", {}),
    ):
        assert answer.status in (403, 404, 422)
        assert answer.headers["Cache-Control"] == "no-store"


def times_in(node: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from times_in(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from times_in(value, name)
    elif isinstance(node, str) and (name.endswith("_at") or name == "at" or _is_a_time(node)):
        yield name, node


def _is_a_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return "T" in text


def test_every_time_is_utc_and_says_so(world: World) -> None:
    seen = []

    def look(route: str) -> None:
        world.restore()
        found = list(times_in(world.ask(route, calls_of(world.ids)[route]).body))
        seen.extend(found)
        assert [one for one in found if not RFC_3339.fullmatch(one[1])] == []

    of_all(ROUTES, look)
    assert {"created_at", "updated_at", "expires_at", "at"} <= {name for name, _ in seen}
