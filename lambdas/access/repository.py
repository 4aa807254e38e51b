"""Tokens in the table: a list per workspace, and one look-up by the SHA-256 of the secret."""

import hashlib

from lambdas.access.schema import Grant, Token
from lambdas.core import clock, table
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict, NotFound
from lambdas.core.idempotency import Attempt
from lambdas.core.ids import looks_like_id
from lambdas.core.table import Delete, Key, Put, Update

NOTED_EVERY_SECONDS = 600
# Kept a while past its end, so that an expired token is told from an unknown one.
_KEPT_AFTER_EXPIRY_SECONDS = 30 * 24 * 3600


def lookup_key(secret: str) -> Key:
    """Return where the grant of a secret lies.

    A look-up by the SHA-256 is enough, and no comparison in constant time is needed: the secret
    has 256 bits of chance and is compared nowhere. How long DynamoDB takes to find a key can tell
    of the hash at most, of which nobody can choose the next byte without knowing the secret.
    """
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
        Put(listed | token.model_dump(mode="json", exclude={"last_used_at"})),
        taken=taken,
    )


def page(workspace: str, limit: int, after: str | None) -> tuple[list[Token], str | None]:
    """Return one page of tokens, newest first, and where the next goes on."""
    found = table.query(f"{workspace}#token", limit=limit, after=after)
    lookups = {str(item["sk"]): Key("token", str(item["lookup"])) for item in found.items}
    grants = table.batch_get(lookups.values()) if lookups else {}
    tokens = [
        Token.model_validate(item | _use_of(grants.get(lookups[str(item["sk"])])))
        for item in found.items
    ]
    return tokens, found.last.sk if found.last else None


def _use_of(grant: Item | None) -> Item:
    used_at = (grant or {}).get("used_at")
    return {"last_used_at": used_at} if used_at else {}


def note_use(secret: str, grant: Grant, now: int) -> None:
    """Note that a token is used, unless that was done a while ago or just now by another.

    It is tried once and briefly, and passed over where the table does not answer.
    """
    if now - grant.used_at < NOTED_EVERY_SECONDS:
        return
    values = {"now": now, "before": now - NOTED_EVERY_SECONDS}
    condition = "attribute_exists(#pk) AND (attribute_not_exists(#used_at) OR #used_at <= :before)"
    table.write_if_quick(Update(lookup_key(secret), "SET #used_at = :now", values, condition))


def delete(workspace: str, token_id: str) -> None:
    """Remove a token and its look-up as one.

    Raises NotFound.
    """
    key = Key(f"{workspace}#token", token_id)
    item = table.get(key) if looks_like_id(token_id, "tok") else None
    if item is None:
        raise NotFound(f"There is no token {token_id} in this workspace.")
    table.transact([Delete(key), Delete(Key("token", item["lookup"]))])
