"""The gateway of local mode, over HTTP, in front of toy functions."""

import base64
import json
import threading
import time

import httpx
import pytest
from toy_stack import ToyStack


@pytest.fixture(scope="module")
def http(toy: ToyStack):
    with httpx.Client(base_url=toy.stack.url, timeout=40) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def event_of(answer: httpx.Response) -> dict:
    assert answer.status_code == 200, answer.text
    return answer.json()["event"]


def test_a_function_gets_the_proxy_event_of_a_rest_api(http):
    answer = http.get(
        "/things/a%2Fb%20c?x=1&x=2&y=%C3%A4", headers=bearer("shape") | {"X-Own": "yes"}
    )

    event = event_of(answer)
    assert set(event) == {
        "resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext",
        "body", "isBase64Encoded",
    }  # fmt: skip
    assert (event["resource"], event["httpMethod"]) == ("/things/{thing_id}", "GET")
    assert event["path"] == "/things/a%2Fb%20c"
    assert event["pathParameters"] == {"thing_id": "a/b c"}
    assert event["queryStringParameters"] == {"x": "2", "y": "ä"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": ["ä"]}
    assert event["headers"]["x-own"] == "yes"
    assert event["multiValueHeaders"]["x-own"] == ["yes"]
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert (event["body"], event["isBase64Encoded"], event["stageVariables"]) == (None, False, None)


def test_the_request_context_names_stage_caller_and_request(http):
    answer = http.get("/things", headers=bearer("context"))

    context = event_of(answer)["requestContext"]
    assert context["stage"] == "v1"
    assert context["path"] == "/v1/things"
    assert context["resourcePath"] == "/things"
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["requestId"] == answer.headers["x-amzn-requestid"]
    assert abs(context["requestTimeEpoch"] / 1000 - time.time()) < 60


def test_what_is_absent_is_null(http):
    event = event_of(http.get("/open"))

    assert event["queryStringParameters"] is None
    assert event["multiValueQueryStringParameters"] is None
    assert event["pathParameters"] is None
    assert "authorizer" not in event["requestContext"]


def test_a_static_segment_beats_a_parameter(http):
    assert event_of(http.post("/things/fixed"))["resource"] == "/things/fixed"
    assert event_of(http.delete("/things/other"))["resource"] == "/things/{thing_id}"


def test_a_greedy_parameter_takes_the_rest_of_the_path(http):
    event = event_of(http.put("/rest/a/b%20c"))

    assert event["pathParameters"] == {"proxy": "a/b c"}


def test_a_method_without_a_route_is_the_declared_missing_authentication_token(http):
    answer = http.get("/things/fixed")

    assert (answer.status_code, answer.json()["code"]) == (404, "route_not_found")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_path_outside_the_stage_names_the_base_url(toy, http):
    answer = httpx.get(toy.stack.url.removesuffix("/v1") + "/health")

    assert answer.status_code == 403
    assert toy.stack.url in answer.json()["detail"]


def test_no_token_is_refused_before_the_authorizer(toy, http):
    answer = http.get("/things")

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.json()["request_id"] == answer.headers["x-amzn-requestid"]


def test_a_token_of_the_wrong_shape_is_refused_before_the_authorizer(toy, http):
    answer = http.get("/things", headers={"Authorization": "Bearer NOT-THIS"})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert toy.authorizer_calls("NOT-THIS") == 0


def test_the_authorizer_is_asked_once_about_a_token(toy, http):
    answers = [http.get(path, headers=bearer("cached")) for path in ("/things", "/things/a")]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert toy.authorizer_calls("cached") == 1


def test_the_authorizers_context_reaches_the_function_as_text(http):
    context = event_of(http.get("/things", headers=bearer("texts")))["requestContext"]

    authorizer = context["authorizer"]
    assert authorizer["principalId"] == "someone"
    assert (authorizer["workspace"], authorizer["admin"], authorizer["count"]) == (
        "toy",
        "true",
        "3",
    )


def test_a_deny_is_the_declared_access_denied_with_the_authorizers_words(http):
    answer = http.get("/things", headers=bearer("deny1"))

    assert answer.status_code == 401
    assert answer.json()["code"] == "token_expired"
    assert answer.json()["detail"] == "It is over."


def test_a_cached_policy_is_evaluated_for_each_method(http):
    first = http.get("/things", headers=bearer("narrow1"))
    second = http.get("/things/a", headers=bearer("narrow1"))

    assert (first.status_code, second.status_code) == (200, 401)


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        ("raise1", 500, "authorizer_failure"),
        ("malformed1", 500, "authorizer_configuration_error"),
        ("nested1", 500, "authorizer_configuration_error"),
        ("unauthorized1", 401, "unauthorized"),
    ],
)
def test_a_failing_authorizer_has_a_response_of_its_own(http, token, status, code):
    answer = http.get("/things", headers=bearer(token))

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_ten_megabytes_pass_and_a_byte_more_is_too_large_without_a_call(toy, http):
    before = toy.stack.log("toy")
    answer = http.post("/open?do=raise", content=b"x" * (10 * 1024 * 1024 + 1))

    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
    assert toy.stack.log("toy") == before


def test_a_body_that_lambda_does_not_take_is_too_large(http):
    assert http.post("/open?do=large", content=b"x" * 5_900_000).json() == {"size": 5_900_000}
    assert http.post("/open?do=large", content=b"x" * 7_000_000).status_code == 413


def test_an_answer_that_takes_too_long_is_the_declared_timeout(http):
    started = time.monotonic()
    answer = http.get("/hasty?do=sleep&seconds=0.7")

    assert (answer.status_code, answer.json()["code"]) == (504, "timeout")
    assert time.monotonic() - started < 0.65


@pytest.mark.parametrize("action", ["raise", "malformed", "number", "text", "huge", "exit"])
def test_a_function_that_fails_or_answers_nonsense_is_an_internal_error(http, action):
    answer = http.get(f"/open?do={action}")

    assert (answer.status_code, answer.json()["code"]) == (502, "internal_error")
    assert "as asked" not in answer.text


def test_headers_of_both_kinds_go_out_and_some_are_renamed_as_by_aws(http):
    answer = http.get("/open?do=headers")

    assert answer.status_code == 201
    assert answer.headers["x-one"] == "1"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["x-amzn-remapped-www-authenticate"] == "Bearer"
    assert "www-authenticate" not in answer.headers


def test_binary_types_travel_in_base64(http):
    sent = http.post("/open", content=b"\xff\x00", headers={"Content-Type": "image/png"})
    event = event_of(sent)

    assert event["isBase64Encoded"]
    assert base64.b64decode(event["body"]) == b"\xff\x00"


def test_a_binary_answer_is_decoded_only_for_who_accepts_it(http):
    accepted = http.get("/open?do=bytes", headers={"Accept": "image/png"})
    other = http.get("/open?do=bytes", headers={"Accept": "text/html"})

    assert accepted.content == b"\x00\x01\x02\xff"
    assert other.content == b"AAEC/w=="


def test_head_has_headers_and_no_body(http):
    answer = http.head("/open")

    assert answer.status_code == 200
    assert answer.content == b""
    assert int(answer.headers["content-length"]) > 0


def test_unicode_bodies_arrive_whole(http):
    event = event_of(http.post("/open", content="图像 ä".encode()))

    assert event["body"] == "图像 ä"


def test_requests_of_one_connection_are_answered_in_turn(http):
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(http.get("/open").status_code))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [200] * 12


def test_events_cannot_be_posted_without_knowing_where(toy):
    root = toy.stack.url.removesuffix("/v1")
    answer = httpx.post(f"{root}/_events/guess", content=json.dumps({"source": "toy"}))

    assert answer.status_code == 403
