"""HTTP as all rooms speak it: the resolver, problems (RFC 9457) and the table of statuses."""

import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Header
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Field

from lambdas.core import aws, caller, errors
from lambdas.core.errors import Fault, ServiceError, pointer
from lambdas.core.observability import logger

PROBLEM_JSON = "application/problem+json"

STATUS_OF: dict[type[ServiceError], HTTPStatus] = {
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.InvalidToken: HTTPStatus.UNAUTHORIZED,
    errors.RoleNotAllowed: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Unprocessable: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

_EXPOSED = ["Location", "Retry-After", "Idempotent-Replayed"]

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Any text of yours, a UUID say. The same key with the same body answers what "
        "the first request made instead of making another; kept 24 hours.",
    ),
]


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field(default="about:blank", description="Always about:blank; see `code`.")
    title: str = Field(description="The HTTP status in words.")
    status: int = Field(description="The HTTP status.")
    code: str = Field(description="Stable and for programs, e.g. `name_taken`.")
    detail: str = Field(description="What went wrong, for people.")
    errors: list[Fault] = Field(default_factory=list, description="Every fault at once.")
    request_id: str = Field(description="Tell it when you ask for help.")


def resolver() -> APIGatewayRestResolver:
    """Return a resolver that validates, answers preflights and turns every error into a problem."""
    app = APIGatewayRestResolver(
        enable_validation=True,
        cors=CORSConfig(
            allow_origin="*",
            max_age=3600,
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
            expose_headers=_EXPOSED,
        ),
        serializer=_to_json,
        json_body_deserializer=_from_json,
    )

    def answer(error: ServiceError) -> Response[Any]:
        return problem_response(error, request_id(app.current_event.raw_event))

    def unknown(error: Exception) -> Response[Any]:
        if aws.is_passing(error):
            logger.warning("a call to AWS did not come through", exc_info=error)
            return answer(_try_again())
        logger.exception("unexpected error", exc_info=error)
        return _internal_error(request_id(app.current_event.raw_event))

    app.exception_handler(ServiceError)(answer)
    app.exception_handler(RequestValidationError)(lambda error: answer(_as_service_error(error)))
    app.exception_handler(NotFoundError)(lambda _: answer(_no_such_route(app)))
    app.exception_handler(Exception)(unknown)
    return app


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
            return _proxy_answer(problem_response(error, request_id(event)))
        return app.resolve(event, context)

    return handler


def created(
    app: APIGatewayRestResolver, body: BaseModel, identifier: str, *, replayed: bool = False
) -> Response[Any]:
    """Return 201 with the new thing and where it can be read."""
    # With the stage, or the base path of a custom domain.
    collection = app.current_event.request_context.path.rstrip("/")
    headers = {"Location": f"{collection}/{identifier}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(
        status_code=HTTPStatus.CREATED, content_type="application/json", body=body, headers=headers
    )


def problem_response(error: ServiceError, request: str) -> Response[Any]:
    """Return an error of ours as a problem."""
    status = STATUS_OF[type(error)]
    logger.info("refused", code=error.code, status=int(status))
    return _problem(
        status,
        error.code,
        error.detail,
        request,
        error.faults,
        error.headers,
    )


def request_id(event: Mapping[str, Any]) -> str:
    """Return the gateway's id of a request."""
    return str(event["requestContext"]["requestId"])


def _internal_error(request: str) -> Response[Any]:
    return _problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        "Something broke on our side and nothing of yours is the cause. Try again; if it stays, "
        "tell whoever runs this service the request_id.",
        request,
        [],
        {},
    )


def _problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    request: str,
    faults: Sequence[Fault],
    headers: Mapping[str, str],
) -> Response[Any]:
    body = Problem(
        title=status.phrase,
        status=status,
        code=code,
        detail=detail,
        errors=list(faults),
        request_id=request,
    )
    return Response(
        status_code=status,
        content_type=PROBLEM_JSON,
        body=body.model_dump_json(),
        headers=dict(headers),
    )


def _proxy_answer(response: Response[Any]) -> dict[str, Any]:
    headers = response.headers | {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": ",".join(_EXPOSED),
    }
    return {"statusCode": int(response.status_code), "headers": headers, "body": response.body}


def _must_be_json(event: Mapping[str, Any]) -> None:
    if not event.get("body"):
        return
    sent = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    kind = sent.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise errors.UnsupportedMediaType(
            f"The body was sent as {kind}. Send `Content-Type: application/json`.",
            faults=[Fault("header:Content-Type", "must be application/json")],
        )


def _no_such_route(app: APIGatewayRestResolver) -> ServiceError:
    event = app.current_event
    path, method = event.path, event.http_method
    routes = [*app._static_routes, *app._dynamic_routes]
    allowed = sorted({route.method for route in routes if route.rule.match(path)})
    if not allowed:
        return errors.NotFound(
            f"There is no {path}. The README and openapi.yaml list the routes.",
            code="route_not_found",
        )
    return errors.MethodNotAllowed(
        f"{path} takes {', '.join(allowed)}, not {method}.", headers={"Allow": ", ".join(allowed)}
    )


def _as_service_error(error: RequestValidationError) -> ServiceError:
    found = list(error.errors())
    if found and found[0]["type"] == "json_invalid":
        return errors.InvalidRequest(
            f"The body is no JSON: {found[0]['ctx']['error']} at character {found[0]['loc'][1]}.",
            code="invalid_json",
            faults=[Fault("", "Send one JSON object.")],
        )
    faults = [Fault(_pointer(one["loc"]), _sentence(one)) for one in found]
    noun = "One field" if len(faults) == 1 else f"{len(faults)} fields"
    return errors.Unprocessable(f"{noun} of the request will not do.", faults=faults)


def _pointer(location: tuple[str | int, ...]) -> str:
    where, *rest = location
    # Pydantic names the member of a union or the key of a mapping besides: those are no fields.
    steps = [step for step in rest if not str(step).endswith("]")]
    if where == "body":
        return pointer(*steps)
    return f"{where}:{'.'.join(map(str, steps))}"


def _sentence(found: Mapping[str, Any]) -> str:
    match found["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "is no field of this request: leave it out, or check its spelling"
        case "value_error":
            return str(found["msg"]).removeprefix("Value error, ")
    return _lower_first(str(found["msg"]).removeprefix("Input "))


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _try_again() -> ServiceError:
    return errors.Unavailable(
        "A service behind ours did not answer. Nothing was lost: try again in a moment, with the "
        "same Idempotency-Key if you sent one.",
        headers={"Retry-After": "2"},
    )


def _from_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise json.JSONDecodeError("Too deep, or a number too long", text, 0) from error


def _refuse_constant(name: str) -> None:
    raise json.JSONDecodeError(f"{name} is no JSON number", "", 0)


def _to_json(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
