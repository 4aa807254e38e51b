"""Tokens in the table: a list per workspace, and one look-up by the SHA-256 of the secret."""

import hashlib

from lambdas.access.schema import Grant, Token
from lambdas.core import clock, table
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict, NotFound
from lambdas.core.idempotency import Attempt
from lambdas.core.ids import looks_like_id
from lambdas.core.table import Delete, Key, Put

# Kept a while past its end, so that an expired token is told from an unknown one.
_KEPT_AFTER_EXPIRY_SECONDS = 30 * 24 * 3600


def lookup_key(secret: str) -> Key:
    """Return where the grant of a secret lies."""
    return Key("token", hashlib.sha256(secret.encode()).hexdigest())


def grant_of(secret: str) -> Grant | None:
    """Return what a secret stands for, None when it is unknown or revoked."""
    item = table.get(lookup_key(secret))
    return None if item is None else Grant.model_validate(item)


def insert(
    workspace: str, token: Token, secret: str, attempt: Attempt, *, taken: Conflict
) -> str | None:
    """Keep a token: the list's entry and the look-up as one.

    Returns the id of the token that another attempt with the same key made first.
    """
    lookup = lookup_key(secret)
    grant = Grant(
        workspace=workspace,
        role=token.role,
        token_id=token.id,
        valid_until=clock.epoch(token.expires_at),
    )
    listed: Item = {"pk": f"{workspace}#token", "sk": token.id, "lookup": lookup.sk}
    ttl = grant.valid_until + _KEPT_AFTER_EXPIRY_SECONDS
    return attempt.transact(
        token.id,
        Put({"pk": lookup.pk, "sk": lookup.sk, "expires_at": ttl} | grant.model_dump()),
        Put(listed | token.model_dump(mode="json")),
        taken=taken,
    )


def page(workspace: str, limit: int, after: str | None) -> table.Page:
    """Return one page of tokens, newest first."""
    return table.query(f"{workspace}#token", limit=limit, after=after)


def delete(workspace: str, token_id: str) -> None:
    """Remove a token and its look-up as one.

    Raises NotFound.
    """
    key = Key(f"{workspace}#token", token_id)
    item = table.get(key) if looks_like_id(token_id, "tok") else None
    if item is None:
        raise NotFound(f"There is no token {token_id} in this workspace.")
    table.transact([Delete(key), Delete(Key("token", item["lookup"]))])


def make_workspace(workspace: str) -> None:
    """Keep a workspace; one that exists stays as it is."""
    item: Item = {
        "pk": f"{workspace}#workspace",
        "sk": "workspace",
        "created_at": clock.text(clock.now()),
    }
    try:
        table.write(Put(item))
    except table.ConditionFailed:
        return
