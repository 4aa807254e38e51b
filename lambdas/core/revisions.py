"""Optimistic locking: an ETag says how a thing stands, `If-Match` that it must still stand so.

An ETag is the revision and a digest of the whole answer: `"3-1f0a…"`. `If-None-Match` goes by all
of it. `If-Match` goes by the revision, which grows with what people change: progress, say, that a
job tells in between stops nobody's change (ADR 0027).
"""

import hashlib
import re
import time
from typing import Annotated, TypeVar

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header
from pydantic import BaseModel

from lambdas.core import presign
from lambdas.core.errors import Fault, InvalidRequest, PreconditionFailed

B = TypeVar("B", bound=BaseModel)
_ETAG = re.compile(r'(?:W/)?"[^"]*"')
_FORM = r'^(\*|(W/)?"[^"]*"( *, *(W/)?"[^"]*")*)$'
_URLS_STAND_SECONDS = presign.LIFE_SECONDS // 2

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
    """Return the ETag of a revision, however the thing stands otherwise."""
    return f'"{revision}"'


def tagged(body: B, revision: int) -> Response[B]:
    """Return 200 with a thing and its ETag."""
    return Response(
        status_code=200,
        content_type="application/json",
        body=body,
        headers={"ETag": etag_of(body, revision)},
    )


def etag_of(body: BaseModel, revision: int) -> str:
    """Return the ETag of a thing: of its revision, and of all else that is told."""
    return f'"{revision}-{_digest(body)}"'


def _digest(body: BaseModel) -> str:
    """Return a digest of all that is told, but for URLs, which are others each time.

    They count by the half hour, so that those in what has not changed have half an hour left.
    """
    text = body.model_dump_json(exclude={"download"})
    if getattr(body, "download", None):
        text += str(int(time.time() // _URLS_STAND_SECONDS))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
    return any(_revision_in(one) == str(revision) for one in given)


def _revision_in(tag: str) -> str:
    return tag.strip('"').partition("-")[0]  # of a weak one it is no number


def stale(revision: int) -> PreconditionFailed:
    """Return the error for a change to a thing that changed meanwhile."""
    return PreconditionFailed(
        "It changed since you read it: read it again, look at what is new, and send your change "
        "with the new ETag.",
        faults=[Fault("header:If-Match", f"stands at {etag(revision)} now")],
        headers={"ETag": etag(revision)},
    )
