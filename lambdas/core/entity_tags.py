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
