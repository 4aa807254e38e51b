"""Conditional reads: an ETag made of what is answered, `If-None-Match` that names what is known.

https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match
"""

import hashlib
import re
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Header
from pydantic import BaseModel

from lambdas.core.errors import Fault, InvalidRequest

_LIST = re.compile(r'\s*(?:W/)?"[^"]*"(?:\s*,\s*(?:W/)?"[^"]*")*\s*')
_ONE = re.compile(r'"[^"]*"')

IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        max_length=400,
        description="The ETag that a read answered: where it still stands so, 304 without a body.",
    ),
]


class NotModified(Exception):
    """What was asked for is just what the caller has: 304, no error to anybody."""

    def __init__(self, etag: str) -> None:
        super().__init__(etag)
        self.etag = etag


def of(body: BaseModel) -> str:
    """Return the ETag of an answer: of all that is in it, so that any change makes another."""
    return f'"{hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:24]}"'


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Say whether the caller has what an ETag stands for.

    Compared weakly, as compression may have made it a weak one on its way. Raises InvalidRequest
    when the header is no list of ETags.
    """
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    if not _LIST.fullmatch(if_none_match):
        raise InvalidRequest(
            "If-None-Match is no ETag.",
            code="invalid_etag",
            faults=[
                Fault(
                    "header:If-None-Match", "send the ETag as a read answered it, with its quotes"
                )
            ],
        )
    return etag in _ONE.findall(if_none_match)
