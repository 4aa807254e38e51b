"""Changes to webhooks are held to the ETag of what was read, where one is sent."""

import pytest

from lambdas.core import table
from lambdas.core.table import Key, Update
from lambdas.webhooks import repository
from tests.unit.fakes import Answer, AwsCalls
from tests.unit.hooks import HOOKS, make_hook

pytestmark = pytest.mark.usefixtures("aws_calls")


def patch(hook: dict, body: dict, etag: str | None = None) -> Answer:
    headers = {"If-Match": etag} if etag else {}
    return HOOKS.request("PATCH", f"/webhooks/{hook['id']}", body, headers)


def read(hook: dict, known: str | None = None) -> Answer:
    headers = {"If-None-Match": known} if known else {}
    return HOOKS.request("GET", f"/webhooks/{hook['id']}", None, headers)


def test_a_change_with_the_etag_of_a_read_is_made_once_and_the_next_is_stale() -> None:
    hook = make_hook()
    etag = read(hook).headers["ETag"]

    first = patch(hook, {"description": "mine"}, etag)
    second = patch(hook, {"description": "yours"}, etag)
    retried = patch(hook, {"description": "mine"}, etag)

    assert (first.status, first.body["revision"]) == (200, 2)
    assert (second.status, second.body["code"]) == (412, "precondition_failed")
    assert second.pointers == ["header:If-Match"]
    assert (retried.status, retried.headers["ETag"]) == (200, first.headers["ETag"])
    assert read(hook).headers["ETag"] == first.headers["ETag"]
    assert patch(hook, {"description": "yours"}, first.headers["ETag"]).body["revision"] == 3


def test_of_two_changes_at_once_with_one_etag_one_is_refused(aws_calls: AwsCalls) -> None:
    hook = make_hook()
    etag = read(hook).headers["ETag"]
    aws_calls.reset()

    aws_calls.before(1, lambda: overtake(hook))
    late = patch(hook, {"description": "late"}, etag)

    assert (late.status, late.headers["ETag"]) == (412, '"2"')
    assert read(hook).body["description"] == "first"


def overtake(hook: dict) -> None:
    """Do what another process does with a change."""
    repository.change("acme", hook["id"], {"description": "first"}, revision=None)


def test_a_webhook_that_is_deleted_meanwhile_is_no_stale_one(aws_calls: AwsCalls) -> None:
    hook = make_hook()
    etag = read(hook).headers["ETag"]
    aws_calls.reset()

    aws_calls.before(1, lambda: repository.delete("acme", hook["id"]))

    assert patch(hook, {"description": "late"}, etag).status == 404


def test_what_the_notifier_notes_makes_no_change_stale_and_is_seen_by_a_read() -> None:
    hook = make_hook()
    etag = read(hook).headers["ETag"]
    key = Key("acme#webhook", hook["id"])
    values = {"failing_since": "2027-01-01T00:00:00.000Z"}
    table.write(Update(key, "SET #failing_since = :failing_since", values))

    assert read(hook, known=etag).status == 200
    assert patch(hook, {"description": "mine"}, etag).status == 200


def test_what_stands_is_not_sent_again_and_no_etag_is_refused() -> None:
    hook = make_hook()
    etag = read(hook).headers["ETag"]

    assert (read(hook, known=etag).status, read(hook, known="W/" + etag).status) == (304, 304)
    refused = patch(hook, {"description": "mine"}, "3")
    assert (refused.status, refused.body["code"]) == (400, "invalid_etag")
