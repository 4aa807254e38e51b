"""What can be done with tokens."""

import secrets
from datetime import timedelta

from lambdas.access import repository
from lambdas.access.schema import NewToken, Token, TokenWithSecret
from lambdas.core import clock, pages
from lambdas.core.caller import Caller
from lambdas.core.errors import Conflict
from lambdas.core.idempotency import Attempt
from lambdas.core.ids import new_id


def create(workspace: str, request: NewToken, attempt: Attempt) -> TokenWithSecret:
    """Make a token; its secret is in this answer and nowhere else.

    Raises Conflict when the same attempt made it before, since it can't be shown again.
    """
    if attempt.made_before() is not None:
        raise _shown()
    moment = clock.now()
    token = Token(
        id=new_id("tok"),
        name=request.name,
        role=request.role,
        created_at=moment,
        expires_at=moment + timedelta(days=request.expires_in_days),
    )
    secret = f"lsk_{secrets.token_urlsafe(32)}"
    if repository.insert(workspace, token, secret, attempt, taken=_shown()) is not None:
        raise _shown()
    return TokenWithSecret(**token.model_dump(), token=secret)


def page(caller: Caller, limit: int, cursor: str | None) -> pages.Page[Token]:
    """Return one page of tokens, newest first."""
    scope = "tokens"
    tokens, last = repository.page(caller.workspace, limit, pages.from_cursor(scope, cursor))
    return pages.Page(data=tokens, next_cursor=pages.to_cursor(scope, last))


def delete(caller: Caller, token_id: str) -> None:
    """Revoke a token; the gateway's cache lets it pass for up to 60 s more.

    Raises NotFound.
    """
    repository.delete(caller.workspace, token_id)


def _shown() -> Conflict:
    return Conflict(
        "A request with this Idempotency-Key made a token, and its secret is shown only once. "
        "If it is lost, delete that token and make another with a new key.",
        code="token_already_shown",
    )
