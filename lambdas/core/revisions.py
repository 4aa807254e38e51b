"""Optimistic locking: an ETag says how a thing stands, `If-Match` that it must still stand so."""

import re
from typing import Annotated, TypeVar

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header
from pydantic import BaseModel

from lambdas.core.errors import Fault, InvalidRequest, PreconditionFailed

B = TypeVar("B", bound=BaseModel)
_ETAG = re.compile(r'(?:W/)?"[^"]*"')
_FORM = r'^(\*|(W/)?"[^"]*"( *, *(W/)?"[^"]*")*)$'

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=200,
        json_schema_extra={"pattern": _FORM},
        description="The ETag that a read answered: the change is refused with 412 when another "
        "came first. Absent: it is made however the thing stands.",
    ),
]


def etag(revision: int) -> str:
    """Return the ETag of a revision."""
    return f'"{revision}"'


def tagged(body: B, revision: int) -> Response[B]:
    """Return 200 with a thing and its ETag."""
    return Response(
        status_code=200,
        content_type="application/json",
        body=body,
        headers={"ETag": etag(revision)},
    )


def matches(if_match: str | None, revision: int) -> bool:
    """Say whether a thing stands as the caller takes it to stand.

    Raises InvalidRequest when the header is no list of ETags.
    """
    if if_match is None or if_match.strip() == "*":
        return True
    given = [one.strip() for one in if_match.split(",")]
    if not all(map(_ETAG.fullmatch, given)):
        raise InvalidRequest(
            "If-Match is no ETag.",
            code="invalid_etag",
            faults=[
                Fault("header:If-Match", "send the ETag as a read answered it, with its quotes")
            ],
        )
    return etag(revision) in given


def stale(revision: int) -> PreconditionFailed:
    """Return the error for a change to a thing that changed meanwhile."""
    return PreconditionFailed(
        "It changed since you read it: read it again, look at what is new, and send your change "
        "with the new ETag.",
        faults=[Fault("header:If-Match", f"stands at {etag(revision)} now")],
        headers={"ETag": etag(revision)},
    )
