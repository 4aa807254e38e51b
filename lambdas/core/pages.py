"""Cursor pages: `?limit=&cursor=` in, `{"data": [...], "next_cursor": null}` out."""

import base64
import binascii
from typing import Annotated, Generic, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, Field

from lambdas.core.errors import Fault, InvalidRequest

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=100, description="How many to answer at most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=400, description="`next_cursor` of the page before; absent: from the start."),
]


class Page(BaseModel, Generic[T]):
    """One page of a list, newest first."""

    data: list[T] = Field(description="The things of this page.")
    next_cursor: str | None = Field(
        default=None, description="Give it as `cursor` for the next page; null: this was the last."
    )


def to_cursor(scope: str, position: str | None) -> str | None:
    """Return an opaque cursor for a position in the list named by `scope`."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(f"{scope}\n{position}".encode()).decode().rstrip("=")


def from_cursor(scope: str, cursor: str | None) -> str | None:
    """Return the position in a cursor.

    Raises InvalidRequest when the cursor is none of ours or belongs to another list.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found, _, position = base64.urlsafe_b64decode(padded).decode().partition("\n")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise bad_cursor() from error
    if found != scope or not position:
        raise bad_cursor()
    return position


def bad_cursor() -> InvalidRequest:
    """Return the error for a cursor that is none of ours or belongs to another list."""
    advice = "Take next_cursor from the page before, with the same filters, or leave it out."
    return InvalidRequest(
        "The cursor does not belong to this list.",
        code="invalid_cursor",
        faults=[Fault("query:cursor", advice)],
    )
