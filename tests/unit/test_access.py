"""Tokens: kept as hashes, shown once, held to role and expiry."""

import subprocess
import sys
import time
from datetime import datetime

import pytest

from lambdas.access import authorizer, repository
from lambdas.access import handler as access
from lambdas.core import aws, table
from lambdas.core.caller import needed_role
from lambdas.datasets import handler as datasets
from tests.unit.fakes import AwsCalls, Client, Context, refusal

pytestmark = pytest.mark.usefixtures("aws_calls")
ACCESS = Client(access.handler)
ARN = "arn:aws:execute-api:us-east-1:000000000000:api/v1/GET/datasets"


def authorize(token: str) -> dict:
    event = {"type": "TOKEN", "authorizationToken": f"Bearer {token}", "methodArn": ARN}
    return authorizer.handler(event, Context())


def effect(policy: dict) -> str:
    return policy["policyDocument"]["Statement"][0]["Effect"]


def test_a_token_is_shown_once_and_kept_as_its_hash() -> None:
    made = ACCESS.post("/tokens", {"name": "script", "role": "trainer"})

    assert made.status == 201
    secret = made.body["token"]
    assert secret.startswith("lsk_")
    assert len(secret) == 47
    listed = ACCESS.get("/tokens").body["data"]
    assert [one["id"] for one in listed] == [made.body["id"]]
    assert secret not in str(listed)
    assert secret not in str(table.query("acme#token", limit=10))
    assert secret not in str(table.query("token", limit=10))


def test_a_repeat_does_not_show_the_token_again() -> None:
    ACCESS.post("/tokens", {"name": "script"}, key="one")

    answer = ACCESS.post("/tokens", {"name": "script"}, key="one")

    assert (answer.status, answer.body["code"]) == (409, "token_already_shown")
    assert len(ACCESS.get("/tokens").body["data"]) == 1


def test_the_authorizer_allows_the_whole_stage_and_says_who_calls() -> None:
    secret = ACCESS.post("/tokens", {"name": "script", "role": "viewer"}).body["token"]

    policy = authorize(secret)

    assert effect(policy) == "Allow"
    statement = policy["policyDocument"]["Statement"][0]
    assert statement["Resource"] == "arn:aws:execute-api:us-east-1:000000000000:api/v1/*"
    assert policy["context"]["workspace"] == "acme"
    assert policy["context"]["role"] == "viewer"
    assert all(isinstance(value, str) for value in policy["context"].values())


def test_an_unknown_or_revoked_token_is_denied_with_the_reason() -> None:
    made = ACCESS.post("/tokens", {"name": "script"}).body
    assert ACCESS.request("DELETE", f"/tokens/{made['id']}").status == 204

    for token in ("lsk_" + "x" * 43, made["token"]):
        policy = authorize(token)
        assert (effect(policy), policy["context"]["code"]) == ("Deny", "unauthorized")
    assert ACCESS.request("DELETE", f"/tokens/{made['id']}").status == 404


def test_an_expired_token_is_told_from_an_unknown_one() -> None:
    secret = ACCESS.post("/tokens", {"name": "script"}).body["token"]
    past = {"past": int(time.time()) - 1}
    table.write(table.Update(repository.lookup_key(secret), "SET #valid_until = :past", past))

    policy = authorize(secret)

    assert (effect(policy), policy["context"]["code"]) == ("Deny", "token_expired")


def test_the_use_of_a_token_is_noted_every_ten_minutes(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = ACCESS.post("/tokens", {"name": "script"}).body["token"]
    assert ACCESS.get("/tokens").body["data"][0]["last_used_at"] is None
    now = time.time()
    aws_calls.reset()

    for later in (0, 60, 599, 601):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        assert effect(authorize(secret)) == "Allow"

    noted = ["GetItem", "UpdateItem"]
    assert aws_calls.made == [*noted, "GetItem", "GetItem", *noted]
    told = ACCESS.get("/tokens").body["data"][0]["last_used_at"]
    assert datetime.fromisoformat(told).timestamp() == int(now + 601)
    assert aws_calls.made[-2:] == ["Query", "BatchGetItem"]


@pytest.mark.parametrize("code", ["InternalServerError", "ProvisionedThroughputExceededException"])
def test_a_use_that_cannot_be_noted_keeps_nobody_out_and_is_tried_once(
    aws_calls: AwsCalls, code: str
) -> None:
    secret = ACCESS.post("/tokens", {"name": "script"}).body["token"]
    aws_calls.reset()
    aws_calls.refused = {"UpdateItem": [refusal("UpdateItem", code, "no")] * 5}

    assert effect(authorize(secret)) == "Allow"
    assert aws_calls.made == ["GetItem", "UpdateItem"]


def test_noting_the_use_of_a_token_that_was_just_revoked_does_not_bring_it_back() -> None:
    made = ACCESS.post("/tokens", {"name": "script"}).body
    grant = repository.grant_of(made["token"])
    assert grant
    ACCESS.request("DELETE", f"/tokens/{made['id']}")

    repository.note_use(made["token"], grant, int(time.time()))

    assert repository.grant_of(made["token"]) is None


def test_noting_a_use_waits_a_quarter_of_a_second_at_most_and_only_once() -> None:
    config = aws.dynamodb_at_once().meta.config

    assert (config.connect_timeout, config.read_timeout) == (0.25, 0.25)
    assert config.retries["total_max_attempts"] == 1


def test_a_function_looks_at_expiry_again_since_the_gateway_caches() -> None:
    answer = Client(datasets.handler, expires_at=int(time.time()) - 1).get("/datasets")

    assert (answer.status, answer.body["code"]) == (401, "token_expired")


def test_a_request_that_no_authorizer_saw_is_turned_away() -> None:
    answer = Client(datasets.handler, role=None).get("/datasets")

    assert (answer.status, answer.body["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("method", "resource", "role"),
    [
        ("GET", "/datasets", "viewer"),
        ("POST", "/datasets", "trainer"),
        ("POST", "/trainings/{training_id}/cancel", "trainer"),
        ("GET", "/tokens", "admin"),
        ("DELETE", "/tokens/{token_id}", "admin"),
    ],
)
def test_each_route_needs_its_role(method: str, resource: str, role: str) -> None:
    assert needed_role(method, resource) == role


def test_a_role_that_does_not_reach_is_refused_before_the_body_is_looked_at() -> None:
    viewer = Client(datasets.handler, role="viewer").post("/datasets", {"nonsense": 1})
    trainer = Client(access.handler, role="trainer").post("/tokens", {"name": "more"})

    assert (viewer.status, viewer.body["code"]) == (403, "role_not_allowed")
    assert (trainer.status, trainer.body["code"]) == (403, "role_not_allowed")


def test_the_health_check_needs_no_token() -> None:
    answer = Client(access.handler, role=None).get("/health")

    assert answer.body == {"status": "ok", "deployment": "lorastack"}


def test_the_first_token_says_what_a_workspace_may_be_called() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lambdas.access.bootstrap", "--workspace", "No Such"],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert "lower-case letters and digits" in done.stderr
