"""If-Match and If-None-Match, as RFC 9110 (13.1) has them, held to the ETag of a caption."""

from dataclasses import dataclass
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Header

from lambdas.core.errors import (
    Fault,
    InvalidRequest,
    PreconditionFailed,
    PreconditionRequired,
)
from lambdas.datasets.caption_text import NO_CAPTION

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=400,
        description="The ETag of the caption that is replaced; `*` for whatever stands there. May "
        "be left out where there is no caption yet.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        max_length=10,
        json_schema_extra={"pattern": r"^\*$"},
        description="`*`: write only where there is no caption.",
    ),
]


@dataclass(frozen=True)
class Precondition:
    """What a request demands of the state that it changes."""

    if_match: str | None
    if_none_match: str | None

    def hold(self, etag: str) -> None:
        """Raise PreconditionFailed, or PreconditionRequired where something would be overwritten.

        Raises InvalidRequest for an If-None-Match that is no `*`.
        """
        if self.if_none_match is not None and self.if_none_match.strip() != "*":
            raise InvalidRequest(
                "If-None-Match may only be * here.",
                faults=[Fault("header:If-None-Match", "send *, or If-Match with an ETag")],
            )
        if self.if_none_match and etag != NO_CAPTION:
            raise _failed(etag, "header:If-None-Match", "there is a caption")
        if self.if_match is not None and not self._names(etag):
            raise _failed(etag, "header:If-Match", f"the caption's ETag is now {quoted(etag)}")
        if self.if_match is None and etag != NO_CAPTION:
            raise PreconditionRequired(
                "There is a caption. Say which one you replace, so that nobody's work is lost: GET "
                "it and send its ETag as If-Match, or If-Match: * to replace whatever is there.",
                faults=[Fault("header:If-Match", "is missing")],
                headers={"ETag": quoted(etag)},
            )

    def _names(self, etag: str) -> bool:
        tags = [
            one.strip().removeprefix("W/").strip('"') for one in (self.if_match or "").split(",")
        ]
        return "*" in tags or etag in tags


def quoted(etag: str) -> str:
    """Return an ETag as the header has it."""
    return f'"{etag}"'


def changed_meanwhile(etag: str) -> PreconditionFailed:
    """Return the error for a caption that another wrote first."""
    return _failed(etag, "header:If-Match", f"the caption's ETag is now {quoted(etag)}")


def _failed(etag: str, pointer: str, message: str) -> PreconditionFailed:
    return PreconditionFailed(
        "Someone changed the caption since you read it, and nothing was written. GET it, look at "
        "what stands there, and send its ETag as If-Match.",
        code="caption_changed",
        faults=[Fault(pointer, message)],
        headers={"ETag": quoted(etag)},
    )
