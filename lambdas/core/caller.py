"""Who calls: what the authorizer found out about the bearer token, held to role and expiry.

The authorizer's answer is cached by the gateway for 60 s, so both are looked at again here.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Request
from aws_lambda_powertools.event_handler.depends import Depends

from lambdas.core.errors import InvalidToken, RoleNotAllowed

Role = Literal["viewer", "trainer", "admin"]

_RANK: dict[str, int] = {"viewer": 0, "trainer": 1, "admin": 2}
READS = {"GET", "HEAD"}
_OF_ADMINS = ("/tokens", "/audit", "/webhooks")


@dataclass(frozen=True)
class Caller:
    """The workspace that a request is for and the token that makes it."""

    workspace: str
    role: str
    token_id: str


def needed_role(method: str, resource: str) -> Role:
    """Return the least role for a route: viewers read, trainers write, admins manage tokens and
    see who did what.

    And webhooks, reading them too: they carry what happens out of the workspace, to addresses that
    may hold a secret.
    """
    if resource.startswith(_OF_ADMINS):
        return "admin"
    return "viewer" if method in READS else "trainer"


def admit(event: Mapping[str, Any]) -> None:
    """Hold a request that came through the authorizer to its token's expiry and role.

    Raises InvalidToken (401) or RoleNotAllowed (403).
    """
    context = _authorizer_context(event)
    if not context:
        return
    if int(context["expires_at"]) <= time.time():
        raise InvalidToken(
            "The bearer token has expired. Ask an admin of the workspace for another."
        )
    needed = needed_role(event["httpMethod"], event["resource"])
    if _RANK[context["role"]] < _RANK[needed]:
        raise RoleNotAllowed(
            f"This needs a token with the role {needed}; yours has {context['role']}."
        )


def of(event: Mapping[str, Any]) -> Caller | None:
    """Return who sends a request; None where no authorizer saw it."""
    context = _authorizer_context(event)
    if not context:
        return None
    return Caller(context["workspace"], context["role"], context["token_id"])


def current(request: Request) -> Caller:
    """Return the caller of a request.

    Raises InvalidToken when the gateway let a request through that no authorizer saw.
    """
    found = of(request.resolved_event.raw_event)
    if found is None:
        raise InvalidToken("Send `Authorization: Bearer lsk_…`.", code="unauthorized")
    return found


CurrentCaller = Annotated[Caller, Depends(current)]


def _authorizer_context(event: Mapping[str, Any]) -> Mapping[str, str]:
    return event["requestContext"].get("authorizer") or {}
