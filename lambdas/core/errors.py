"""The one error tree. Everything that a caller is told goes wrong is one of these.

    ServiceError
    ├── InvalidRequest            400  the request itself can't be read (no JSON, a bad cursor)
    ├── InvalidToken              401  the bearer token has expired
    ├── RoleNotAllowed            403  the token's role may not do this
    ├── LimitReached              403  a limit of the workspace is reached, and waiting won't help
    ├── NotFound                  404  no such thing in this workspace
    ├── MethodNotAllowed          405  the path exists, the method does not
    ├── Conflict                  409  a name in use, a status that does not allow it
    ├── PreconditionFailed        412  what If-Match names is no longer how the thing stands
    ├── UnsupportedMediaType      415  the body is not application/json
    ├── Unprocessable             422  read, understood and refused: every fault named
    ├── PreconditionRequired      428  a change that must say what it replaces, by If-Match
    ├── TooManyRequests           429  a limit of the workspace is reached, for a while
    └── Unavailable               503  a service that we need refuses or is throttled: try again

`core/problems.py` has the one table from these to HTTP status.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(frozen=True)

    pointer: str = Field(
        description="RFC 6901 pointer into the body, or `query:limit`, `header:Idempotency-Key`."
    )
    message: str = Field(description="What is wrong and what would do.")

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(pointer=pointer, message=message)


def pointer(*steps: str | int) -> str:
    """Return the RFC 6901 pointer to a field by the steps that lead there."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


class ServiceError(Exception):
    """What went wrong, in words for the caller.

    `code` is stable and for programs; `detail` is for people; `faults` name the single fields.
    """

    default_code: ClassVar[str]

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.faults = tuple(faults)
        self.headers = dict(headers or {})


class InvalidRequest(ServiceError):
    """The request can't be read."""

    default_code = "invalid_request"


class InvalidToken(ServiceError):
    """The bearer token was good once and is no longer."""

    default_code = "token_expired"


class RoleNotAllowed(ServiceError):
    """The token's role may not do this."""

    default_code = "role_not_allowed"


class LimitReached(ServiceError):
    """A limit of the workspace is reached; `detail` tells what is used, left and to be done."""

    default_code = "limit_reached"


class NotFound(ServiceError):
    """Nothing of that id in the caller's workspace; what others own is not told apart."""

    default_code = "not_found"


class MethodNotAllowed(ServiceError):
    """The path exists, the method does not."""

    default_code = "method_not_allowed"


class Conflict(ServiceError):
    """The state of the thing, or a name in use, does not allow it."""

    default_code = "conflict"


class PreconditionFailed(ServiceError):
    """The thing changed since the caller read it, so its change would undo another's."""

    default_code = "precondition_failed"


class PreconditionRequired(ServiceError):
    """A change that would overwrite something must say which state of it."""

    default_code = "precondition_required"


class UnsupportedMediaType(ServiceError):
    """The body is of a kind that we do not read."""

    default_code = "unsupported_media_type"


class Unprocessable(ServiceError):
    """Understood and refused; `faults` has every fault at once."""

    default_code = "validation_failed"


class TooManyRequests(ServiceError):
    """A limit of the workspace is reached, and there is room again after a while."""

    default_code = "too_many"


class Unavailable(ServiceError):
    """A service behind ours refuses for now; nothing was lost and the caller may try again."""

    default_code = "unavailable"
