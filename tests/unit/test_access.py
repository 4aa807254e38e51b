"""Tokens: kept as hashes, shown once, held to role and expiry."""

import subprocess
import sys
import time

import pytest

from lambdas.access import authorizer, repository
from lambdas.access import handler as access
from lambdas.core import table
from lambdas.core.caller import needed_role
from lambdas.datasets import handler as datasets
from tests.unit.fakes import Client, Context

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
