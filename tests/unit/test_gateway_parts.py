"""The gateway's parts that need no socket: routes, rendering, policies."""

import pytest

from local.api_body import Api, GatewayResponse, Route
from local.gateway_event import Exchange
from local.gateway_responses import GatewayError, render
from local.http_exchange import HttpRequest
from local.routes import Router


def router(*paths: str) -> Router:
    return Router(tuple(Route("GET", path, path, None) for path in paths))


@pytest.mark.parametrize(
    ("path", "served_by", "parameters"),
    [
        ("/", "/", None),
        ("/trainings", "/trainings", None),
        ("/trainings/", "/trainings", None),
        ("/trainings/validate", "/trainings/validate", None),
        ("/trainings/trn_1", "/trainings/{id}", {"id": "trn_1"}),
        ("/trainings/trn_1/events", "/trainings/{id}/events", {"id": "trn_1"}),
        ("/trainings/trn_1/nothing", "/{proxy+}", {"proxy": "trainings/trn_1/nothing"}),
        ("/elsewhere", "/{proxy+}", {"proxy": "elsewhere"}),
    ],
)
def test_the_most_exact_route_serves_a_path(path, served_by, parameters):
    found = router(
        "/{proxy+}",
        "/",
        "/trainings/{id}",
        "/trainings/validate",
        "/trainings",
        "/trainings/{id}/events",
    ).match("GET", path)

    assert (found.route.path, found.parameters) == (served_by, parameters)


def test_an_unknown_path_has_no_route():
    assert router("/things").match("GET", "/others") is None
    assert router("/things/{id}").match("GET", "/things") is None


def exchange(*headers: tuple[str, str]) -> Exchange:
    request = HttpRequest("GET", "/v1/x", "", headers, "127.0.0.1", "HTTP/1.1", b"")
    return Exchange(request, "/x", request_id="the-id")


def api(**responses: GatewayResponse) -> Api:
    return Api("id", "v1", (), {}, responses, ())


def test_without_a_declaration_the_answer_is_aws_own():
    answer = render(api(), exchange(), GatewayError("UNAUTHORIZED"))

    assert answer.status == 401
    assert answer.body == b'{"message":"Unauthorized"}'
    assert ("x-amzn-errortype", "UnauthorizedException") in answer.headers


def test_a_type_without_a_declaration_has_that_of_its_class_with_its_own_status():
    declared = GatewayResponse(None, {}, {"application/json": "$context.error.responseType"})
    answer = render(api(DEFAULT_4XX=declared), exchange(), GatewayError("REQUEST_TOO_LARGE"))

    assert (answer.status, answer.body) == (413, b"REQUEST_TOO_LARGE")


def test_the_status_declared_for_a_class_is_every_types_of_it():
    declared = GatewayResponse(400, {}, {})
    answer = render(api(DEFAULT_4XX=declared), exchange(), GatewayError("UNAUTHORIZED"))

    assert answer.status == 400


def test_templates_and_headers_have_their_variables_filled_in():
    declared = GatewayResponse(
        403,
        {
            "gatewayresponse.header.X-Fixed": "'yes'",
            "gatewayresponse.header.X-Id": "context.requestId",
            "gatewayresponse.header.X-Origin": "method.request.header.Origin",
            "gatewayresponse.header.X-Absent": "method.request.header.Absent",
        },
        {"application/json": '{"id": "$context.requestId", "why": "$context.authorizer.detail"}'},
    )
    error = GatewayError("ACCESS_DENIED", {"detail": "It is over."})
    answer = render(api(ACCESS_DENIED=declared), exchange(("origin", "http://a")), error)

    headers = dict(answer.headers)
    assert answer.body == b'{"id": "the-id", "why": "It is over."}'
    assert (headers["x-fixed"], headers["x-id"], headers["x-origin"]) == (
        "yes",
        "the-id",
        "http://a",
    )
    assert "x-absent" not in headers


def test_an_unknown_variable_is_empty():
    declared = GatewayResponse(None, {}, {"application/json": "[$context.authorizer.nothing]"})
    answer = render(api(ACCESS_DENIED=declared), exchange(), GatewayError("ACCESS_DENIED"))

    assert answer.body == b"[]"
