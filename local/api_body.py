"""The REST API of the template: routes, authorizer and gateway responses of its OpenAPI body."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.intrinsics import Resolver, TemplateError

ANY = "ANY"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch"}
ANY_METHOD = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"
LAMBDA_URI = re.compile(r"/functions/(arn:[^/]+)/invocations$")
DEFAULT_TIMEOUT = 29.0
DEFAULT_CACHE_SECONDS = 300


@dataclass(frozen=True)
class Route:
    """A path and method of the API, the function that serves it, and the time it may take (s)."""

    method: str
    path: str
    function: str
    authorizer: str | None
    timeout: float = DEFAULT_TIMEOUT


@dataclass(frozen=True)
class Authorizer:
    """A TOKEN authorizer: where the token is read, what it must look like, how long it counts."""

    name: str
    function: str
    header: str
    expression: str | None
    ttl: float


@dataclass(frozen=True)
class GatewayResponse:
    """A declared gateway response: its status, header parameters and body templates."""

    status: int | None
    parameters: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Api:
    """The API as deployed on one stage."""

    api_id: str
    stage: str
    routes: tuple[Route, ...]
    authorizers: Mapping[str, Authorizer]
    gateway_responses: Mapping[str, GatewayResponse]
    binary_types: tuple[str, ...]
    minimum_compression_size: int | None = None


def read_api(resolver: Resolver) -> Api:
    """The one REST API of the template. Raises TemplateError when there is none, or another."""
    apis = resolver.of_type("AWS::ApiGateway::RestApi")
    if len(apis) != 1:
        raise TemplateError(f"the template has {len(apis)} REST APIs, and local mode serves one")
    properties = resolver.properties(apis[0], "Body", "BinaryMediaTypes", "MinimumCompressionSize")
    if "Body" not in properties:
        raise TemplateError(f"{apis[0].logical_id}: the API has no OpenAPI body")
    stages = resolver.of_type("AWS::ApiGateway::Stage")
    body = properties["Body"]
    reader = _BodyReader(resolver)
    return Api(
        api_id=resolver.name(apis[0].logical_id),
        stage=resolver.name(stages[0].logical_id) if stages else "v1",
        routes=tuple(reader.routes(body)),
        authorizers=reader.authorizers(body),
        gateway_responses=_gateway_responses(resolver, body),
        binary_types=tuple(
            properties.get("BinaryMediaTypes", [])
            or body.get("x-amazon-apigateway-binary-media-types", [])
        ),
        minimum_compression_size=properties.get("MinimumCompressionSize"),
    )


class _BodyReader:
    def __init__(self, resolver: Resolver) -> None:
        functions = resolver.of_type("AWS::Lambda::Function")
        self._functions = {resolver.arn(f.logical_id): f.logical_id for f in functions}

    def routes(self, body: Mapping[str, Any]) -> list[Route]:
        found: list[Route] = []
        for path, operations in body.get("paths", {}).items():
            for method, operation in operations.items():
                if method in METHODS or method == ANY_METHOD:
                    found.append(self._route(body, path, method, operation))
        return found

    def _route(
        self, body: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]
    ) -> Route:
        integration = operation.get(INTEGRATION, {})
        if integration.get("type", "").lower() != "aws_proxy":
            raise TemplateError(f"{method} {path}: only aws_proxy integrations work locally")
        security = operation.get("security", body.get("security", []))
        return Route(
            method=ANY if method == ANY_METHOD else method.upper(),
            path=path,
            function=self._function_of(integration["uri"]),
            authorizer=next((name for item in security for name in item), None),
            timeout=integration.get("timeoutInMillis", DEFAULT_TIMEOUT * 1000) / 1000,
        )

    def authorizers(self, body: Mapping[str, Any]) -> dict[str, Authorizer]:
        schemes = body.get("components", {}).get("securitySchemes", {})
        return {
            name: self._authorizer(name, scheme, scheme["x-amazon-apigateway-authorizer"])
            for name, scheme in schemes.items()
            if "x-amazon-apigateway-authorizer" in scheme
        }

    def _authorizer(
        self, name: str, scheme: Mapping[str, Any], definition: Mapping[str, Any]
    ) -> Authorizer:
        if definition.get("type") != "token":
            raise TemplateError(f"authorizer {name}: only the type `token` works locally")
        return Authorizer(
            name=name,
            function=self._function_of(definition["authorizerUri"]),
            header=scheme.get("name", "Authorization"),
            expression=definition.get("identityValidationExpression"),
            ttl=float(definition.get("authorizerResultTtlInSeconds", DEFAULT_CACHE_SECONDS)),
        )

    def _function_of(self, uri: str) -> str:
        match = LAMBDA_URI.search(uri)
        if match is None or match[1] not in self._functions:
            raise TemplateError(f"the integration {uri} is no function of this template")
        return self._functions[match[1]]


def _gateway_responses(resolver: Resolver, body: Mapping[str, Any]) -> dict[str, GatewayResponse]:
    declared = {
        name: GatewayResponse(
            _status(raw.get("statusCode")),
            raw.get("responseParameters", {}),
            raw.get("responseTemplates", {}),
        )
        for name, raw in body.get("x-amazon-apigateway-gateway-responses", {}).items()
    }
    for resource in resolver.of_type("AWS::ApiGateway::GatewayResponse"):
        found = resolver.properties(
            resource, "ResponseType", "StatusCode", "ResponseParameters", "ResponseTemplates"
        )
        declared[found["ResponseType"]] = GatewayResponse(
            _status(found.get("StatusCode")),
            found.get("ResponseParameters", {}),
            found.get("ResponseTemplates", {}),
        )
    return declared


def _status(value: Any) -> int | None:
    return None if value is None else int(value)
