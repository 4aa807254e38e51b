"""What the gateway answers by itself is a problem that says what to do."""

import json
import re
from http import HTTPStatus

import botocore.session
import pytest

HEADER = "gatewayresponse.header."


@pytest.fixture(scope="module")
def responses(deployed) -> dict[str, dict]:
    return deployed.body["x-amazon-apigateway-gateway-responses"]


def problem(response: dict) -> dict:
    return json.loads(response["responseTemplates"]["application/json"])


def test_every_type_that_aws_knows_has_an_answer(responses):
    # A status given to DEFAULT_4XX or DEFAULT_5XX becomes that of every type left out.
    model = botocore.session.get_session().get_service_model("apigateway")

    assert set(responses) == set(model.shape_for("GatewayResponseType").enum)


def test_every_answer_is_a_whole_problem(responses):
    for response in responses.values():
        answer = problem(response)
        assert set(answer) == {
            "type", "title", "status", "code", "detail", "errors", "request_id",
        }  # fmt: skip
        assert answer["status"] == response["statusCode"]
        assert answer["title"] == HTTPStatus(response["statusCode"]).phrase
        assert answer["request_id"] == "$context.requestId"
        assert answer["errors"] == []


def test_every_answer_is_sent_as_problem_json_to_any_origin(responses):
    for response in responses.values():
        headers = response["responseParameters"]
        assert headers[f"{HEADER}Content-Type"] == "'application/problem+json'"
        assert headers[f"{HEADER}Access-Control-Allow-Origin"] == "'*'"


def test_every_header_is_a_static_value_in_single_quotes(responses):
    for response in responses.values():
        for name, value in response["responseParameters"].items():
            assert name.startswith(HEADER)
            assert re.fullmatch(r"'[^']+'", value)


@pytest.mark.parametrize(
    ("response_type", "status", "code"),
    [
        ("UNAUTHORIZED", 401, "unauthorized"),
        ("ACCESS_DENIED", 401, "$context.authorizer.code"),
        ("INVALID_API_KEY", 404, "route_not_found"),
        ("MISSING_AUTHENTICATION_TOKEN", 404, "route_not_found"),
        ("REQUEST_TOO_LARGE", 413, "request_too_large"),
        ("UNSUPPORTED_MEDIA_TYPE", 415, "unsupported_media_type"),
        ("THROTTLED", 429, "too_many_requests"),
        ("QUOTA_EXCEEDED", 429, "too_many_requests"),
        ("INTEGRATION_TIMEOUT", 504, "timeout"),
        ("INTEGRATION_FAILURE", 500, "internal_error"),
        ("AUTHORIZER_FAILURE", 500, "internal_error"),
        ("AUTHORIZER_CONFIGURATION_ERROR", 500, "internal_error"),
        ("API_CONFIGURATION_ERROR", 500, "internal_error"),
        ("DEFAULT_4XX", 400, "bad_request"),
        ("DEFAULT_5XX", 500, "internal_error"),
    ],
)
def test_status_and_code_are_those_of_the_contract(responses, response_type, status, code):
    answer = problem(responses[response_type])

    assert (answer["status"], answer["code"]) == (status, code)


def test_a_denied_token_is_told_in_the_words_of_the_authorizer(responses):
    assert problem(responses["ACCESS_DENIED"])["detail"] == "$context.authorizer.detail"


def test_401_names_its_challenge_and_429_says_when_to_come_back(responses):
    for response in responses.values():
        headers = response["responseParameters"]
        assert (f"{HEADER}WWW-Authenticate" in headers) == (response["statusCode"] == 401)
        assert (f"{HEADER}Retry-After" in headers) == (response["statusCode"] == 429)


def test_a_throttled_request_is_told_the_limit_of_the_stage(responses, deployed):
    headers = responses["THROTTLED"]["responseParameters"]
    (all_methods,) = deployed.only("AWS::ApiGateway::Stage")["MethodSettings"]

    rate = all_methods["ThrottlingRateLimit"]
    assert headers[f"{HEADER}RateLimit-Policy"] == f"'\"deployment\";q={rate};w=1'"
    assert headers[f"{HEADER}RateLimit"] == "'\"deployment\";r=0;t=1'"
    assert "RateLimit-Policy" in headers[f"{HEADER}Access-Control-Expose-Headers"]


def test_only_simple_variables_stand_in_a_template(responses):
    # API Gateway does not run VTL here: anything else would be sent as it stands.
    for response in responses.values():
        variables = re.findall(r"\$\S[\w.]*", response["responseTemplates"]["application/json"])
        assert set(variables) <= {
            "$context.requestId",
            "$context.authorizer.code",
            "$context.authorizer.detail",
        }


def test_one_origin_of_the_settings_reads_every_answer_and_of_several_any_does(synthesize_with):
    def allowed(*origins: str) -> set[str]:
        body = synthesize_with(console_origins=list(origins)).only("AWS::ApiGateway::RestApi")[
            "Body"
        ]
        given = body["x-amazon-apigateway-gateway-responses"].values()
        return {one["responseParameters"][f"{HEADER}Access-Control-Allow-Origin"] for one in given}

    assert allowed("https://lora.example.org") == {"'https://lora.example.org'"}
    assert allowed("https://lora.example.org", "http://localhost:5173") == {"'*'"}
