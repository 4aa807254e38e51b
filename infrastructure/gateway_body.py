"""The routing-only OpenAPI 3.0.1 body that API Gateway imports, made from the published contract.

API Gateway does not read 3.1, and wants its own extensions, which a client has no use for:
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway_responses import gateway_responses
from problems import DeploymentError

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
ROOMS = ("datasets", "models", "trainings", "access", "webhooks")
TOKEN_PATTERN = r"^Bearer lsk_[A-Za-z0-9_-]{43}$"  # noqa: S105, the shape of a token, not a token

Body = dict[str, object]


@dataclass(frozen=True)
class Route:
    """One operation of the contract: who serves it, and whether it needs a token."""

    path: str
    method: str
    room: str
    public: bool


def read_routes(document: Mapping) -> tuple[Route, ...]:
    """Lists the operations of an OpenAPI document.

    Raises DeploymentError when an operation does not say which room serves it.
    """
    return tuple(
        _route(path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    )


def gateway_body(
    routes: Sequence[Route],
    *,
    name: str,
    invoke_uris: Mapping[str, object],
    authorizer_uri: object,
    origins: Sequence[str],
) -> Body:
    """The body for `SpecRestApi`.

    `invoke_uris` has one Lambda invocation URI per room; URIs may hold CloudFormation references.
    Pages of `origins` may read what the gateway answers itself.
    Whatever no route serves goes to the room `access`, which answers with a problem of its own.
    """
    return {
        "openapi": "3.0.1",
        "info": {"title": name, "version": "v1"},
        "paths": {
            **_paths(routes, invoke_uris),
            "/": _any_method("/", invoke_uris["access"]),
            "/{proxy+}": _any_method("/{proxy+}", invoke_uris["access"]),
        },
        "components": {"securitySchemes": {"bearer": _authorizer(authorizer_uri)}},
        "x-amazon-apigateway-gateway-responses": gateway_responses(origins),
    }


def _route(path: str, method: str, operation: Mapping) -> Route:
    room = operation.get("x-lorastack-function")
    if room not in ROOMS:
        raise DeploymentError(
            f"openapi.yaml: {method.upper()} {path} must name one of {', '.join(ROOMS)} "
            "in x-lorastack-function; run `make openapi`."
        )
    return Route(path=path, method=method, room=room, public=operation.get("security") == [])


def _paths(routes: Sequence[Route], invoke_uris: Mapping[str, object]) -> dict[str, Body]:
    paths: dict[str, Body] = {}
    for route in routes:
        uri = invoke_uris[route.room]
        item = paths.setdefault(route.path, _any_method(route.path, uri))
        item[route.method] = _operation(route, uri)
    return paths


def _operation(route: Route, uri: object) -> Body:
    operation = _integration(route.path, uri)
    return operation if route.public else {**operation, "security": [{"bearer": []}]}


def _any_method(path: str, uri: object) -> Body:
    # Needs no token: a wrong method is told as 405, and a browser's preflight carries none.
    return {"x-amazon-apigateway-any-method": _integration(path, uri)}


def _integration(path: str, uri: object) -> Body:
    return {
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)\+?}", path)
        ],
        "responses": {},
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": uri,
            "passthroughBehavior": "when_no_match",
            "timeoutInMillis": 29_000,
        },
    }


def _authorizer(uri: object) -> Body:
    return {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "x-amazon-apigateway-authtype": "custom",
        "x-amazon-apigateway-authorizer": {
            "type": "token",
            "authorizerUri": uri,
            "identityValidationExpression": TOKEN_PATTERN,
            "authorizerResultTtlInSeconds": 60,
        },
    }
