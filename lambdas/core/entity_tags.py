"""Conditional reads: `If-None-Match` names what the caller has.

https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match
"""

import re
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Header

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


def names(if_none_match: str | None, etag: str) -> bool:
    """Say whether an If-None-Match names an ETag; one that is no list of ETags names none.

    Compared weakly, as compression may have made it a weak one on its way.
    """
    if not if_none_match:
        return False
    return if_none_match.strip() == "*" or etag.removeprefix("W/") in _ONE.findall(if_none_match)


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Say whether the caller has what an ETag stands for.

    Raises InvalidRequest when the header is no list of ETags, so that nobody waits for it in vain.
    """
    if if_none_match is None or names(if_none_match, etag):
        return if_none_match is not None
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
    return False
