"""Who did what: recorded with the change, told to admins, by time, action and token."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from lambdas.access import handler as access
from lambdas.access import limits, workspaces
from lambdas.core import aws, clock, table
from tests.unit.fakes import AwsCalls, Client, Killed, refusal
from tests.unit.scenes import DATASETS, MODELS, TRAININGS, complete_model, ready_dataset

pytestmark = pytest.mark.usefixtures("aws_calls")
ACCESS = Client(access.handler)
NEW = {"name": "set", "prefix": "1_a", "files": [{"name": "a.png", "size": 5}]}


@pytest.fixture(autouse=True)
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each request has an id of its own and comes a second after the one before."""
    number = iter(range(10_000))
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(milliseconds=next(number)))
    return iter(())


def events(**query: str) -> list[dict]:
    return ACCESS.get("/audit", **query).body["data"]


def test_what_was_made_is_recorded_with_who_made_it_in_no_further_call(
    aws_calls: AwsCalls,
) -> None:
    made = DATASETS.post("/datasets", NEW, key="one").body["dataset"]

    assert aws_calls.made == ["GetItem", "PutObject", "TransactWriteItems"]
    (event,) = events()
    assert {name: event[name] for name in ("token_id", "role", "action", "path")} == {
        "token_id": "tok_1",
        "role": "admin",
        "action": "createDataset",
        "path": "/datasets",
    }
    assert (event["resource_id"], event["outcome"]) == (made["id"], "done")
    assert event["request_id"] == "request-of-gateway"


def test_a_retry_a_refusal_and_a_read_are_not_recorded() -> None:
    DATASETS.post("/datasets", NEW, key="one")
    workspaces.make("acme")

    assert DATASETS.post("/datasets", NEW, key="one").headers["Idempotent-Replayed"] == "true"
    assert DATASETS.post("/datasets", NEW).status == 409
    assert DATASETS.get("/datasets").status == ACCESS.get("/workspace").status == 200
    assert TRAININGS.post("/trainings/validate", {"name": "a"}).status == 422
    assert replace(DATASETS, role="viewer").post("/datasets", NEW).status == 403

    assert len(events()) == 1


@pytest.mark.parametrize("key", [None, "one"])
def test_what_is_only_tried_is_no_change(key: str | None) -> None:
    dataset = ready_dataset()
    edits = {
        "replace": {"find": "abc", "replace": "xyz"},
        "add-tag": {"tag": "rabbit"},
        "remove-tag": {"tag": "abc"},
    }

    for name, body in edits.items():
        path, sent = f"/datasets/{dataset}/captions/{name}", key and key + name
        tried = DATASETS.post(path, body | {"dry_run": True}, key=sent)
        assert (tried.status, tried.body["status"]) == (200, "dry_run")
    done = DATASETS.post(f"/datasets/{dataset}/captions/add-tag", {"tag": "rabbit"})

    assert done.body["status"] == "done"
    told = [one["action"] for one in events() if "Dataset" not in one["action"]]
    assert told == ["addTag"]


def test_limits_that_the_operator_sets_are_recorded_with_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspaces.make("acme")
    for arguments in (["--workspace", "acme", "--usd", "5"], ["--workspace", "none"]):
        monkeypatch.setattr("sys.argv", ["limits", *arguments])
        with suppress(SystemExit):
            limits.main()

    (event,) = events(action="setLimits")
    assert {name: event[name] for name in ("token_id", "role", "path", "resource_id")} == {
        "token_id": "operator",
        "role": "operator",
        "path": "lambdas.access.limits",
        "resource_id": "acme",
    }
    assert events(token_id="operator") == [event]
    assert ACCESS.get("/workspace").body["usd"]["limit"] == 5


def test_a_change_that_is_no_transaction_is_recorded_right_behind_it() -> None:
    dataset = ready_dataset()

    assert DATASETS.request("DELETE", f"/datasets/{dataset}").status == 202

    (event,) = events(action="deleteDataset")
    assert event["resource_id"] == dataset


def test_a_file_that_will_not_do_is_recorded_as_such() -> None:
    assert complete_model(b"no safetensors at all", client=MODELS).status == 422

    assert [one["outcome"] for one in events(action="completeModel")] == ["invalid"]


def test_no_change_of_a_transaction_is_without_its_event(aws_calls: AwsCalls) -> None:
    for call in range(4):
        aws_calls.reset()
        aws_calls.kill_before = call
        with suppress(Killed):
            DATASETS.post("/datasets", NEW | {"name": f"set-{call}"})
        aws_calls.reset()
        made = {one["id"] for one in DATASETS.get("/datasets").body["data"]}
        assert {one["resource_id"] for one in events()} == made


def test_an_event_that_cannot_be_written_fails_no_request(
    aws_calls: AwsCalls, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = ready_dataset()
    broken = refusal("TransactWriteItems", "InternalServerError", "no")
    aws_calls.refused = {"TransactWriteItems": [broken]}

    assert DATASETS.request("DELETE", f"/datasets/{dataset}").status == 202

    assert "an audit event is lost" in caplog.text
    assert events(action="deleteDataset") == []


def test_events_are_filtered_by_action_token_and_time_in_one_query_each(
    aws_calls: AwsCalls,
) -> None:
    for number in range(3):
        DATASETS.post("/datasets", NEW | {"name": f"set-{number}"})
    made = ACCESS.post("/tokens", {"name": "script"}).body
    ACCESS.request("DELETE", f"/tokens/{made['id']}")
    everything = events(limit="100")
    aws_calls.reset()

    assert len(events(action="createDataset")) == 3
    assert [one["action"] for one in events(token_id="tok_1", limit="2")] == [
        "deleteToken",
        "createToken",
    ]
    assert len(events(token_id="tok_1", action="createDataset")) == 3
    assert events(token_id="tok_2") == []
    middle = everything[2]["at"]
    assert events(since=middle) == everything[:3]
    assert events(until=middle) == everything[2:]
    assert events(since=middle, until=middle) == [everything[2]]
    assert set(aws_calls.made) == {"Query"}
    assert len(aws_calls.made) == 7


@pytest.mark.parametrize("query", [{}, {"token_id": "tok_1"}, {"action": "createDataset"}])
def test_events_come_in_pages(query: dict[str, str]) -> None:
    for number in range(5):
        DATASETS.post("/datasets", NEW | {"name": f"set-{number}"})

    first = ACCESS.get("/audit", limit="3", **query).body
    rest = ACCESS.get("/audit", limit="3", cursor=first["next_cursor"], **query).body

    assert [*first["data"], *rest["data"]] == events(limit="100", **query)
    assert rest["next_cursor"] is None


def test_a_span_that_is_none_is_told() -> None:
    backwards = ACCESS.get("/audit", since="2026-01-02T00:00:00Z", until="2026-01-01T00:00:00Z")
    no_zone = ACCESS.get("/audit", since="2026-01-02T00:00:00")
    misspelt = ACCESS.get("/audit", actions="createModel")

    assert backwards.pointers == ["query:until"]
    assert no_zone.pointers == ["query:since"]
    assert misspelt.pointers == ["query:actions"]


def test_events_are_for_admins_of_their_workspace() -> None:
    DATASETS.post("/datasets", NEW)

    assert replace(ACCESS, role="trainer").get("/audit").body["code"] == "role_not_allowed"
    assert replace(ACCESS, workspace="other").get("/audit").body["data"] == []


def test_events_past_their_time_are_not_told_and_expire() -> None:
    DATASETS.post("/datasets", NEW)
    (item,) = table.query("acme#audit", limit=10).items

    assert item["expires_at"] == pytest.approx(clock.epoch(clock.now()) + 90 * 86400, abs=5)
    aws.dynamodb().put_item(
        TableName="table",
        Item={"pk": {"S": "acme#audit"}, "sk": {"S": "2020-01-01T00:00:00.000Z~old"}},
    )
    assert len(events()) == 1
