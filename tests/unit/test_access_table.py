"""Every route, by every role, for what is one's own and for what another workspace owns."""

import importlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from contract.document import contract
from lambdas.access import handler as access
from lambdas.access import workspaces
from lambdas.core import aws, bucket, table
from lambdas.webhooks import handler as webhooks
from tests.unit.access_rows import ROWS, Row
from tests.unit.fakes import Answer, Client, FakeSageMaker
from tests.unit.scenes import DATASETS, MODELS, TRAININGS, ready_dataset, ready_model

pytestmark = pytest.mark.usefixtures("aws_calls")
RANKS = ("viewer", "trainer", "admin")
GONE = {
    "dataset_id": "ds_00000000000000000000000000",
    "image_id": "img_00000000000000000000000000",
    "model_id": "mdl_00000000000000000000000000",
    "training_id": "trn_00000000000000000000000000",
    "token_id": "tok_00000000000000000000000000",
    "webhook_id": "whk_00000000000000000000000000",
}


@dataclass(frozen=True)
class Route:
    """An operation of the contract."""

    operation: str
    method: str
    path: str
    room: str

    @property
    def ids(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)


def routes() -> Iterator[Route]:
    for path, operations in contract()["paths"].items():
        for method, told in operations.items():
            yield Route(told["operationId"], method.upper(), path, told["x-lorastack-function"])


# Files for everybody, which nobody is asked for: see tests/unit/test_published.py.
PUBLISHED = {"getDocs", "getOpenApi"}
ROUTES = sorted(
    (route for route in routes() if route.operation not in PUBLISHED),
    key=lambda route: route.operation,
)
WITH_IDS = [route for route in ROUTES if route.ids]


def named(route: Route) -> str:
    return route.operation


def client(route: Route, workspace: str = "acme", **more: Any) -> Client:
    handler = importlib.import_module(f"lambdas.{route.room}.handler").handler
    return Client(handler, workspace, **more)


def ask(route: Route, by: Client, ids: Mapping[str, str], row: Row | None = None) -> Answer:
    told = row or ROWS[route.operation]
    path = route.path.format(**ids)
    return by.request(route.method, path, told.body, dict(told.headers))


def owned(workspace: str) -> dict[str, str]:
    """Make one of each in a workspace and return their ids."""
    workspaces.make(workspace)
    model = ready_model(client=replace(MODELS, workspace=workspace))
    dataset = ready_dataset(client=replace(DATASETS, workspace=workspace))
    trainings = replace(TRAININGS, workspace=workspace)
    request = {"name": "style", "model": model, "datasets": [{"dataset": dataset}]}
    training = trainings.post("/trainings", request).body["id"]
    token = Client(access.handler, workspace).post("/tokens", {"name": "one"}).body["id"]
    webhook = Client(webhooks.handler, workspace).post("/webhooks", ROWS["createWebhook"].body)
    image = next(iter(table.query_all(f"{dataset}#image")))["sk"]
    return {
        "dataset_id": dataset,
        "image_id": image,
        "model_id": model,
        "training_id": training,
        "token_id": token,
        "webhook_id": webhook.body["id"],
    }


def everything(workspace: str) -> dict[str, Any]:
    """Return all that lies in the table of a workspace, or anybody's, and in the bucket."""
    items = aws.dynamodb().scan(TableName="table", ConsistentRead=True)["Items"]
    ours = (f"{workspace}#audit", f"{workspace}#idempotency")
    objects = {one.key: (one.size, one.etag) for one in bucket.objects_under("")}
    kept = [item for item in items if not item["pk"]["S"].startswith(ours)]
    return {"items": sorted(map(json.dumps, kept)), "objects": objects}


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert {route.operation for route in ROUTES} == set(ROWS)


@pytest.mark.parametrize("role", ["viewer", "trainer", "admin", "none", "expired"])
def test_who_may_call_which_route(role: str) -> None:
    wrong = [route.operation for route in ROUTES if not as_its_row_says(route, role)]

    assert wrong == []


def as_its_row_says(route: Route, role: str) -> bool:
    row = ROWS[route.operation]
    by = {
        "none": client(route, role=None),
        "expired": client(route, expires_at=int(time.time()) - 1),
    }.get(role) or client(route, role=role)
    answer = ask(route, by, GONE)
    told = (answer.status, answer.body.get("code") if answer.body else None)
    if row.role is None:
        # The gateway tells nothing of a token where none is needed.
        return role == "expired" or answer.status == 200
    if role == "expired":
        return told == (401, "token_expired")
    if role == "none":
        return told == (401, "unauthorized") or route.operation in OPEN_INSIDE
    if RANKS.index(role) < RANKS.index(row.role):
        return told == (403, "role_not_allowed")
    return answer.status not in {401, 403}


# It says nothing of a workspace and asks for no caller: the gateway alone lets nobody through.
OPEN_INSIDE = {"getTrainingOptions"}


def test_a_role_that_may_not_is_refused_before_anything_is_looked_at(aws_calls: Any) -> None:
    for route in ROUTES:
        role = ROWS[route.operation].role
        for lower in RANKS[: RANKS.index(role)] if role else ():
            ask(route, client(route, role=lower), GONE)

    assert aws_calls.made == []


def test_what_another_workspace_owns_is_not_told_from_what_does_not_exist(
    sagemaker: FakeSageMaker,
) -> None:
    theirs = owned("other")
    workspaces.make("acme")
    before, jobs = everything("acme"), json.dumps(sagemaker.jobs, default=str)

    for route in WITH_IDS:
        by = client(route, "acme")
        refused, missing = ask(route, by, theirs), ask(route, by, GONE)

        assert refused.status == missing.status == 404, route
        assert _without_ids(refused, theirs) == _without_ids(missing, GONE), route
        assert "other" not in json.dumps(refused.body)
        assert everything("acme") == before, route
    assert json.dumps(sagemaker.jobs, default=str) == jobs


def test_what_is_ones_own_is_found_by_every_reading_route() -> None:
    ours = owned("acme")

    for route in WITH_IDS:
        if route.method == "GET":
            assert_is_found(route, ours)


@pytest.mark.parametrize("route", [one for one in WITH_IDS if one.method != "GET"], ids=named)
def test_what_is_ones_own_is_found_by_a_changing_route(route: Route) -> None:
    assert_is_found(route, owned("acme"))


def assert_is_found(route: Route, ours: Mapping[str, str]) -> None:
    answer = ask(route, client(route), ours)

    # There is no edit yet: the dataset was found.
    assert answer.status not in {401, 403, 404} or answer.body["code"] == "no_edit", answer


def test_ids_of_another_workspace_in_a_body_are_as_unknown_as_any(
    sagemaker: FakeSageMaker,
) -> None:
    theirs = owned("other")
    jobs, before = len(sagemaker.jobs), everything("acme")
    told = []
    for ids in (theirs, GONE):
        for continued in (ids["model_id"], ids["training_id"]):
            request = {
                "name": "style",
                "model": ids["model_id"],
                "datasets": [{"dataset": ids["dataset_id"]}],
                "continue_from": continued,
            }
            answer = TRAININGS.post("/trainings", request)
            assert answer.status == 422
            told.append(_without_ids(answer, ids))

    assert told[:2] == told[2:]
    assert (len(sagemaker.jobs), everything("acme")) == (jobs, before)


def _without_ids(answer: Answer, ids: Mapping[str, str]) -> str:
    text = json.dumps(answer.body)
    for one in ids.values():
        text = text.replace(one, "…")
    return text
