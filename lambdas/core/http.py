"""HTTP as all rooms speak it: the resolver, who is let in, what is created."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Header
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from lambdas.core import aws, caller, errors, problems, reads, recording
from lambdas.core.errors import Fault, ServiceError
from lambdas.core.observability import logger
from lambdas.core.settings import Settings

_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")  # as an escape; it may have its other half
_WITH_BODY = {"POST", "PUT", "PATCH"}  # of others a body means nothing (RFC 9110, 9.3)
_EXPOSED = ["ETag", "Location", "Retry-After", "Idempotent-Replayed"]

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Any text of yours, a UUID say. A repeat with the same key and body does "
        "nothing again and is answered as the first was, by what is there now; while that still "
        "runs it is a 409, and with another body a 422. Kept 24 hours.",
    ),
]


def resolver() -> APIGatewayRestResolver:
    """Return a resolver that validates, answers preflights and turns every error into a problem."""
    app = APIGatewayRestResolver(
        enable_validation=True,
        cors=_cors(),
        serializer=_to_json,
        json_body_deserializer=_from_json,
    )

    def answer(error: ServiceError) -> Response[Any]:
        return problems.problem_response(error, request_id(app.current_event.raw_event))

    def unknown(error: Exception) -> Response[Any]:
        if aws.is_passing(error):
            logger.warning("a call to AWS did not come through", exc_info=error)
            return answer(problems.try_again())
        logger.exception("unexpected error", exc_info=error)
        return problems.internal_error(request_id(app.current_event.raw_event))

    def invalid(error: RequestValidationError) -> Response[Any]:
        if problems.is_of_answer(error):
            return unknown(error)
        refused = problems.as_service_error(error)
        found = [*refused.faults, *reads.faults_of_query(app)]
        return answer(type(refused)(refused.detail, code=refused.code, faults=found))

    app.use(middlewares=[reads.around])
    app.exception_handler(ServiceError)(answer)
    app.exception_handler(RequestValidationError)(invalid)
    app.exception_handler(NotFoundError)(lambda _: answer(problems.no_such_route(app)))
    app.exception_handler(Exception)(unknown)
    return app


class OriginSettings(Settings):
    """The origins whose pages may read answers, with commas between; `*`: any."""

    console_origins: str = "*"


@cache
def _cors() -> CORSConfig:
    first, *others = OriginSettings.load().console_origins.split(",")
    return CORSConfig(
        allow_origin=first,
        extra_origins=others,
        max_age=3600,
        allow_headers=[
            *("Authorization", "Content-Type", "Idempotency-Key"),
            *("If-Match", "If-None-Match"),
        ],
        expose_headers=_EXPOSED,
    )


def handler_of(app: APIGatewayRestResolver) -> Handler:
    """Return the Lambda handler of a resolver: who may not call is turned away before any work."""

    @logger.inject_lambda_context(clear_state=True)
    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        logger.append_keys(
            request_id=request_id(event),
            workspace=(event["requestContext"].get("authorizer") or {}).get("workspace"),
            route=f"{event['httpMethod']} {event['resource']}",
        )
        try:
            caller.admit(event)
            _must_be_json(event)
        except ServiceError as error:
            return _proxy_answer(event, problems.problem_response(error, request_id(event)))
        return _with_cache_control(event, recording.resolved(app, event, context))

    return handler


def _with_cache_control(event: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Say what a browser may keep: what has an ETag, to be asked for again each time."""
    headers: dict[str, list[str]] = answer["multiValueHeaders"]
    is_kept = event["httpMethod"] == "GET" and "ETag" in headers and answer["statusCode"] < 400
    headers.setdefault("Cache-Control", ["private, no-cache" if is_kept else "no-store"])
    headers.setdefault("Vary", ["Origin"])
    return answer


def created(
    app: APIGatewayRestResolver, body: BaseModel, identifier: str, *, replayed: bool = False
) -> Response[Any]:
    """Return 201 with the new thing and where it can be read."""
    # With the stage, or the base path of a custom domain.
    path = app.current_event.request_context.path.rstrip("/")
    collection = path.removesuffix("/import")  # what is imported stands among the others
    headers = {"Location": f"{collection}/{identifier}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(
        status_code=HTTPStatus.CREATED, content_type="application/json", body=body, headers=headers
    )


def accepted(
    app: APIGatewayRestResolver, body: BaseModel, path: str, *, replayed: bool = False
) -> Response[Any]:
    """Return 202 with what is being made and where it can be read: `path` below the stage."""
    collection = path[: path.index("/", 1) + 1]
    # Before the route's own path stands the stage, or the base path of a custom domain.
    base = app.current_event.request_context.path.rpartition(collection)[0]
    headers = {"Location": f"{base}{path}"} | ({"Idempotent-Replayed": "true"} if replayed else {})
    return Response(
        status_code=HTTPStatus.ACCEPTED, content_type="application/json", body=body, headers=headers
    )


def request_id(event: Mapping[str, Any]) -> str:
    """Return the gateway's id of a request."""
    return str(event["requestContext"]["requestId"])


def _proxy_answer(event: Mapping[str, Any], response: Response[Any]) -> dict[str, Any]:
    sent = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    cors = _cors().to_dict(_cors().allowed_origin(sent.get("origin", "")))
    headers = response.headers | {"Cache-Control": "no-store", "Vary": "Origin"} | cors
    return {"statusCode": int(response.status_code), "headers": headers, "body": response.body}


def _must_be_json(event: Mapping[str, Any]) -> None:
    if not event.get("body") or event["httpMethod"] not in _WITH_BODY:
        return
    sent = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    kind = sent.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise errors.UnsupportedMediaType(
            f"The body was sent as {kind}. Send `Content-Type: application/json`.",
            faults=[Fault("header:Content-Type", "must be application/json")],
        )


def _from_json(text: str) -> Any:
    try:
        parsed = json.loads(text, parse_constant=_refuse_constant)
        if _HALF_CHARACTER.search(text):
            json.dumps(parsed, ensure_ascii=False).encode()  # one without its other half
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise json.JSONDecodeError(
            "Too deep, a number too long, or half a character", text, 0
        ) from error
    if isinstance(parsed, list):  # of which Powertools would take the first element for the body
        raise errors.Unprocessable(
            "The body is a list, and one object is wanted.",
            faults=[Fault("", "send one JSON object")],
        )
    return parsed


def _refuse_constant(name: str) -> None:
    raise json.JSONDecodeError(f"{name} is no JSON number", "", 0)


def _to_json(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
