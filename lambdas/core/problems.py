"""Problems (RFC 9457): the one table from our errors to HTTP, and how each reads."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import accumulate
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field

from lambdas.core import errors
from lambdas.core.errors import Fault, ServiceError, pointer
from lambdas.core.observability import logger

PROBLEM_JSON = "application/problem+json"
_TRY_AGAIN = {"Retry-After": "2"}  # where no better time is known
# Enough to correct a request by, and far below the 6 MB that a function may answer.
_MOST_FAULTS = 1000
_MOST_CHARACTERS = 500_000

STATUS_OF: dict[type[ServiceError], HTTPStatus] = {
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.InvalidToken: HTTPStatus.UNAUTHORIZED,
    errors.RoleNotAllowed: HTTPStatus.FORBIDDEN,
    errors.LimitReached: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    errors.PreconditionRequired: HTTPStatus.PRECONDITION_REQUIRED,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Unprocessable: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field(default="about:blank", description="Always about:blank; see `code`.")
    title: str = Field(description="The HTTP status in words.")
    status: int = Field(description="The HTTP status.")
    code: str = Field(description="Stable and for programs, e.g. `name_taken`.")
    detail: str = Field(description="What went wrong, for people.")
    errors: list[Fault] = Field(
        default_factory=list, description="Every fault at once; of very many the first 1,000."
    )
    request_id: str = Field(description="Tell it when you ask for help.")


def problem_response(error: ServiceError, request: str) -> Response[Any]:
    """Return an error of ours as a problem."""
    status = STATUS_OF[type(error)]
    logger.info("refused", code=error.code, status=int(status))
    headers = _TRY_AGAIN | error.headers if isinstance(error, errors.Unavailable) else error.headers
    return _problem(status, error.code, error.detail, request, error.faults, headers)


def internal_error(request: str) -> Response[Any]:
    """Return the problem of a fault of ours; it tells nothing of the inside."""
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
        errors=_told(faults),
        request_id=request,
    )
    return Response(
        status_code=status,
        content_type=PROBLEM_JSON,
        body=body.model_dump_json(),
        headers=dict(headers),
    )


def _told(faults: Sequence[Fault]) -> list[Fault]:
    """Return as many faults as an answer has room for."""
    lengths = accumulate(len(one.pointer) + len(one.message) for one in faults)
    fitting = sum(1 for length in lengths if length <= _MOST_CHARACTERS)
    return list(faults[: min(fitting, _MOST_FAULTS)])


def try_again() -> ServiceError:
    """Return the error for a service behind ours that is slow or busy."""
    return errors.Unavailable(
        "A service behind ours did not answer. Nothing was lost: try again in a moment, with the "
        "same Idempotency-Key if you sent one."
    )


def no_such_route(app: APIGatewayRestResolver) -> ServiceError:
    """Return the error for a request that no route serves: 405 where another method does."""
    event = app.current_event
    path, method = event.path, event.http_method
    routes = [*app._static_routes, *app._dynamic_routes]
    allowed = sorted({route.method for route in routes if route.rule.match(path)})
    if not allowed:
        return errors.NotFound(
            f"There is no {path}. GET /openapi.json and /docs list the routes.",
            code="route_not_found",
        )
    return errors.MethodNotAllowed(
        f"{path} takes {', '.join(allowed)}, not {method}.", headers={"Allow": ", ".join(allowed)}
    )


def is_of_answer(error: RequestValidationError) -> bool:
    """Say whether it is our answer that does not fit its model, which is no fault of the caller."""
    return any(one["loc"][:1] == ("response",) for one in error.errors())


def as_service_error(error: RequestValidationError) -> ServiceError:
    """Return what the request's validation found as an error of ours, every fault at once."""
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
