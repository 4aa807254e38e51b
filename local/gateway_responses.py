"""What the gateway answers by itself: the responses that the API's body declares.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from local.api_body import Api, GatewayResponse
from local.gateway_event import Exchange
from local.http_exchange import HttpAnswer

# Each type's status when nothing is declared, its error type and its message.
TYPES = {
    "ACCESS_DENIED": (
        403,
        "AccessDeniedException",
        "User is not authorized to access this resource",
    ),
    "API_CONFIGURATION_ERROR": (500, "InternalServerErrorException", "Internal server error"),
    "AUTHORIZER_CONFIGURATION_ERROR": (500, "AuthorizerConfigurationException", None),
    "AUTHORIZER_FAILURE": (500, "AuthorizerFailureException", None),
    "DEFAULT_5XX": (502, "InternalServerErrorException", "Internal server error"),
    "INTEGRATION_TIMEOUT": (504, "InternalServerErrorException", "Endpoint request timed out"),
    "MISSING_AUTHENTICATION_TOKEN": (
        403,
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    ),
    "REQUEST_TOO_LARGE": (413, "RequestTooLargeException", "Request Too Long"),
    "UNAUTHORIZED": (401, "UnauthorizedException", "Unauthorized"),
}
DEFAULT_TEMPLATES = {"application/json": '{"message":$context.error.messageString}'}
VARIABLE = re.compile(r"\$(context\.[A-Za-z0-9_.]+[A-Za-z0-9_]|stageVariables\.\w+)")


class GatewayError(Exception):
    """Ends a request with a gateway response of a type; `authorizer` is the denying context."""

    def __init__(self, response_type: str, authorizer: Mapping[str, Any] | None = None) -> None:
        super().__init__(response_type)
        self.response_type = response_type
        self.authorizer: Mapping[str, Any] = authorizer or {}


def render(api: Api, exchange: Exchange, error: GatewayError) -> HttpAnswer:
    """The answer that is declared for the type, for its class (4XX, 5XX), or AWS's own."""
    status, error_type, _ = TYPES[error.response_type]
    declared = _declared(api, error.response_type, status)
    variables = _variables(api, exchange, error)
    media_type, template = _template(declared.templates or DEFAULT_TEMPLATES)
    headers = {
        "content-type": media_type,
        "x-amzn-requestid": exchange.request_id,
        "x-amzn-errortype": error_type,
        **_declared_headers(declared, exchange, variables),
    }
    body = VARIABLE.sub(lambda match: variables.get(match[1], ""), template)
    return HttpAnswer(declared.status or status, list(headers.items()), body.encode())


def _declared(api: Api, response_type: str, status: int) -> GatewayResponse:
    by_class = f"DEFAULT_{status // 100}XX"
    found = api.gateway_responses.get(response_type) or api.gateway_responses.get(by_class)
    return found or GatewayResponse(None)


def _template(templates: Mapping[str, str]) -> tuple[str, str]:
    """The template for JSON, which every Accept falls back to, or the only one there is."""
    if "application/json" in templates:
        return "application/json", templates["application/json"]
    return next(iter(templates.items()))


def _variables(api: Api, exchange: Exchange, error: GatewayError) -> dict[str, str]:
    message = TYPES[error.response_type][2]
    authorizer = {f"context.authorizer.{n}": str(v) for n, v in error.authorizer.items()}
    return authorizer | {
        "context.requestId": exchange.request_id,
        "context.extendedRequestId": exchange.request_id,
        "context.error.message": message or "",
        "context.error.messageString": json.dumps(message),
        "context.error.responseType": error.response_type,
        "context.error.validationErrorString": "",
        "context.httpMethod": exchange.request.method,
        "context.path": f"/{api.stage}{exchange.path}",
        "context.resourcePath": exchange.path,
        "context.stage": api.stage,
        "context.identity.sourceIp": exchange.request.client,
    }


def _declared_headers(
    declared: GatewayResponse, exchange: Exchange, variables: Mapping[str, str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for parameter, expression in declared.parameters.items():
        name = parameter.removeprefix("gatewayresponse.header.").lower()
        value = _mapped(expression, exchange, variables)
        if value is not None:
            found[name] = value
    return found


def _mapped(expression: str, exchange: Exchange, variables: Mapping[str, str]) -> str | None:
    """A quoted text stands for itself, `context.x` and `method.request.header.x` for a value."""
    if expression.startswith("'"):
        return expression.strip("'")
    if expression.startswith("method.request.header."):
        return exchange.request.header(expression.rpartition(".")[2])
    return variables.get(expression)
