"""Whatever goes wrong, an answer tells its request id and nothing of the inside."""

import re
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.parsers import ResponseParserError

from lambdas.core import aws
from tests.unit.fakes import Answer, AwsCalls, Client, FakeSageMaker, refusal
from tests.unit.scenes import DATASETS, MODELS, TRAININGS, ready_dataset, ready_model

ARN = "arn:aws:iam::123456789012:role/lorastack-secret"
ULID = "01JHM8E0G00000000000000001"
SAID = f"User: {ARN} is not authorized to perform: dynamodb:GetItem on table/secret"
INSIDE = re.compile(r"arn:|Traceback|File \"|dynamodb|botocore|boto|Exception|secret|sagemaker:")
PROBLEM = {"type", "title", "status", "code", "detail", "errors", "request_id"}


def must_tell_nothing(answer: Answer) -> None:
    assert set(answer.body) == PROBLEM
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["request_id"] == "request-of-gateway"
    assert answer.body["status"] == answer.status
    assert INSIDE.search(str(answer.body)) is None


@pytest.mark.parametrize(
    ("operation", "client", "path"),
    [
        ("GetItem", DATASETS, f"/datasets/ds_{ULID}"),
        ("Query", DATASETS, "/datasets"),
        ("GetItem", MODELS, f"/models/mdl_{ULID}"),
        ("Query", TRAININGS, "/trainings"),
    ],
)
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDeniedException", 500),
        ("ResourceNotFoundException", 500),
        ("ThrottlingException", 503),
    ],
)
def test_what_aws_refuses_is_not_repeated(
    aws_calls: AwsCalls, operation: str, client: Client, path: str, code: str, status: int
) -> None:
    aws_calls.refused[operation] = [refusal(operation, code, SAID)]

    answer = client.get(path)

    assert answer.status == status
    must_tell_nothing(answer)
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://secret.internal"),
        ResponseParserError("secret"),
        RuntimeError(ARN),
        KeyError("secret"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "secret"),
        RecursionError("secret"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_fault_of_ours_or_of_the_network_is_not_shown(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken() -> Any:
        raise error

    monkeypatch.setattr(aws, "dynamodb", broken)

    answer = DATASETS.get(f"/datasets/ds_{ULID}")

    assert answer.status in {500, 503}
    must_tell_nothing(answer)


@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException"])
def test_what_sagemaker_says_of_a_job_is_told_without_its_names(
    aws_calls: AwsCalls, sagemaker: FakeSageMaker, code: str
) -> None:
    ready_model(), ready_dataset()
    sagemaker.refuse_with = (code, f"Could not assume role {ARN}")
    body = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}

    answer = TRAININGS.post("/trainings", body)

    listed = TRAININGS.get("/trainings")
    assert answer.status in {201, 422, 503}
    assert "arn:" not in str(answer.body) + str(listed.body)


def test_an_answer_that_does_not_fit_its_model_is_no_fault_of_the_caller(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lambdas.datasets import service

    monkeypatch.setattr(service, "page", lambda *_: {"data": "secret"})

    answer = DATASETS.get("/datasets")

    assert (answer.status, answer.body["code"]) == (500, "internal_error")
    must_tell_nothing(answer)


@pytest.mark.parametrize("accept", ["text/html", "image/png", "application/xml;q=0.9", "*/*"])
def test_an_accept_header_is_not_held_against_a_client(aws_calls: AwsCalls, accept: str) -> None:
    answer = DATASETS.request("GET", "/datasets", headers={"Accept": accept})

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/datasets", "GET, POST"),
        ("POST", "/datasets/ds_1", "DELETE, GET, PATCH"),
        ("DELETE", "/datasets/ds_1/captions", "PUT"),
        ("TRACE", "/datasets/ds_1/report", "GET"),
    ],
)
def test_a_method_that_a_path_lacks_is_a_405_that_names_those_it_has(
    aws_calls: AwsCalls, method: str, path: str, allowed: str
) -> None:
    answer = Client(DATASETS.handler, role=None).request(method, path)

    assert (answer.status, answer.body["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed
    must_tell_nothing(answer)


def test_a_body_that_means_nothing_is_not_looked_at(aws_calls: AwsCalls) -> None:
    answer = DATASETS.request("GET", "/datasets", "x", {"Content-Type": "text/plain"})

    assert answer.status == 200
