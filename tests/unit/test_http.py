"""What every route has in common: problems, the table of statuses, what no route serves."""

import pytest

from lambdas.access import handler as access
from lambdas.core import errors, http, problems
from lambdas.core.errors import ServiceError
from lambdas.datasets import handler as datasets
from lambdas.datasets import service
from tests.unit.fakes import Client

pytestmark = pytest.mark.usefixtures("aws_calls")
DATASETS = Client(datasets.handler)


def test_every_error_of_the_tree_has_a_status() -> None:
    assert set(problems.STATUS_OF) == set(ServiceError.__subclasses__())
    for error in problems.STATUS_OF:
        assert error.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("body", ["{", "nonsense", '{"name": }'])
def test_a_body_that_is_no_json_is_a_400(body: str) -> None:
    answer = DATASETS.post("/datasets", body)

    assert (answer.status, answer.body["code"]) == (400, "invalid_json")
    assert "character" in answer.body["detail"]


@pytest.mark.parametrize("body", [None, "[]", '"text"', "null", "{}"])
def test_a_body_that_is_no_object_or_lacks_all_is_a_422(body: str | None) -> None:
    assert DATASETS.post("/datasets", body).status == 422


def test_a_body_is_not_taken_out_of_a_list() -> None:
    whole = '{"name": "set", "prefix": "1_x", "files": [{"name": "a.png", "size": 1}]}'

    assert DATASETS.post("/datasets", f"[{whole}, {whole}]").status == 422
    assert DATASETS.post("/datasets", whole).status == 201


def test_a_text_is_no_number_and_no_truth_value() -> None:
    text = '{"name": "set", "prefix": "1_x", "files": [{"name": "a.png", "size": "1"}]}'
    flag = '{"tag": "red", "dry_run": "yes"}'

    assert DATASETS.post("/datasets", text).pointers == ["/files/0/size"]
    assert DATASETS.post("/datasets/ds_x/captions/add-tag", flag).pointers == ["/dry_run"]


def test_more_faults_than_an_answer_holds_are_told_in_part() -> None:
    fields = ", ".join(f'"{"x" * 3000}{number}": 1' for number in range(1500))

    answer = DATASETS.post("/datasets", f"{{{fields}}}")

    assert (answer.status, answer.body["code"]) == (422, "validation_failed")
    assert "1503 fields" in answer.body["detail"]
    assert 100 < len(answer.body["errors"]) <= 1000
    assert len(str(answer.body)) < 1_000_000


def test_a_body_of_another_kind_is_a_415() -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    answer = DATASETS.request("POST", "/datasets", '{"name": 1}', headers)

    assert (answer.status, answer.pointers) == (415, ["header:Content-Type"])


def test_a_wrong_method_says_which_there_are() -> None:
    query = {"limit": "5"}

    answer = Client(datasets.handler, role=None).request("PUT", "/datasets", query=query)

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")


def test_a_path_that_does_not_exist_is_a_404_without_a_token() -> None:
    answer = Client(access.handler, role=None).get("/nowhere")

    assert (answer.status, answer.body["code"]) == (404, "route_not_found")


def test_a_problem_is_problem_json_and_carries_the_request_id() -> None:
    answer = DATASETS.get("/datasets/ds_nothing")

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["request_id"] == "request-of-gateway"
    assert set(answer.body) == {
        "type",
        "title",
        "status",
        "code",
        "detail",
        "errors",
        "request_id",
    }


def test_a_fault_of_ours_is_a_500_that_tells_nothing_of_the_inside(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("arn:aws:secret")

    monkeypatch.setattr(service, "get", broken)

    answer = DATASETS.get("/datasets/ds_1")

    assert (answer.status, answer.body["code"]) == (500, "internal_error")
    assert "secret" not in str(answer.body)
    assert "arn:aws:secret" in caplog.text


def test_a_preflight_is_answered() -> None:
    headers = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}

    for query in ({}, {"limit": "5"}):
        answer = Client(datasets.handler, role=None).request(
            "OPTIONS", "/datasets", None, headers, query
        )

        assert answer.status == 204
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("limit", ["0", "101", "x"])
def test_a_query_parameter_that_will_not_do_is_named(limit: str) -> None:
    answer = DATASETS.get("/datasets", limit=limit)

    assert (answer.status, answer.pointers) == (422, ["query:limit"])


def test_an_idempotency_key_that_will_not_do_is_named() -> None:
    answer = DATASETS.post("/datasets", {}, key="k" * 300)

    assert "header:idempotency-key" in [pointer.lower() for pointer in answer.pointers]


@pytest.mark.parametrize(
    ("origins", "origin", "told"),
    [
        ("*", "https://any.example", "*"),
        ("https://a.example,https://b.example", "https://b.example", "https://b.example"),
        ("https://a.example,https://b.example", "https://c.example", None),
    ],
)
@pytest.mark.parametrize("role", ["admin", "viewer"])
def test_answers_are_readable_for_pages_of_the_origins_in_the_settings(
    origins: str, origin: str, told: str | None, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = http.OriginSettings.load().model_copy(update={"console_origins": origins})
    monkeypatch.setattr(http.OriginSettings, "load", lambda: settings)
    http._cors.cache_clear()
    app = http.resolver()
    app.post("/things")(lambda: {"made": True})

    client = Client(http.handler_of(app), role=role)  # a viewer is refused before the resolver
    answer = client.request("POST", "/things", headers={"Origin": origin})
    http._cors.cache_clear()

    assert answer.status == (200 if role == "admin" else 403)
    assert answer.headers.get("Access-Control-Allow-Origin") == told
    assert answer.headers["Vary"] == "Origin"
