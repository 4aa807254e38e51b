"""Webhooks in the table: a list per workspace, each one's keys in an item of their own.

A signature needs the key itself, so a hash of it would not do. It lies in the table, which is
encrypted at rest, and in no item that a list reads; see ADR 26.
"""

from collections.abc import Iterator
from datetime import datetime

from lambdas.core import clock, table
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict, NotFound, TooManyRequests
from lambdas.core.idempotency import Attempt
from lambdas.core.ids import looks_like_id
from lambdas.core.revisions import stale
from lambdas.core.table import ConditionFailed, Delete, Key, Put, Update
from lambdas.webhooks.schema import MOST_WEBHOOKS, Webhook

# Both keys sign for so long after a change, so that a receiver can be told the new one meanwhile.
OLD_KEY_SECONDS = 24 * 3600


def key_of(workspace: str, webhook_id: str) -> Key:
    """Return where a webhook lies."""
    return Key(f"{workspace}#webhook", webhook_id)


def secret_key_of(workspace: str, webhook_id: str) -> Key:
    """Return where the keys of a webhook lie."""
    return Key(f"{workspace}#webhook#secret", webhook_id)


def insert(
    workspace: str, webhook: Webhook, secret: str, attempt: Attempt, *, taken: Conflict
) -> str | None:
    """Keep a webhook, its secret and the count of them as one.

    Returns the id of the webhook that another attempt with the same key made first. Raises
    TooManyRequests when the workspace has as many as it may.
    """
    key, secrets = key_of(workspace, webhook.id), secret_key_of(workspace, webhook.id)
    item: Item = {"pk": key.pk, "sk": key.sk, **webhook.model_dump(mode="json")}
    try:
        return attempt.transact(
            webhook.id,
            Put(item),
            Put({"pk": secrets.pk, "sk": secrets.sk, "secret": secret}),
            _count(workspace, 1, "attribute_not_exists(#webhooks) OR #webhooks < :most"),
            taken=taken,
        )
    except ConditionFailed as error:
        raise TooManyRequests(
            f"This workspace has {MOST_WEBHOOKS} webhooks, which is the limit. Delete one.",
            code="too_many_webhooks",
        ) from error


def find(workspace: str, webhook_id: str) -> Webhook | None:
    """Return a webhook, None when there is none of this id."""
    if not looks_like_id(webhook_id, "whk"):
        return None
    item = table.get(key_of(workspace, webhook_id))
    return None if item is None else from_item(item)


def get(workspace: str, webhook_id: str) -> Webhook:
    """Return a webhook.

    Raises NotFound.
    """
    found = find(workspace, webhook_id)
    if found is None:
        raise _unknown(webhook_id)
    return found


def from_item(item: Item) -> Webhook:
    """Turn a webhook's item into a webhook."""
    return Webhook.model_validate(item)


def page(workspace: str, limit: int, after: str | None) -> table.Page:
    """Return one page of webhooks, newest first."""
    return table.query(f"{workspace}#webhook", limit=limit, after=after)


def all_of(workspace: str) -> Iterator[Webhook]:
    """Yield all webhooks of a workspace; one call, as there are few."""
    return (from_item(item) for item in table.query_all(f"{workspace}#webhook"))


def change(
    workspace: str,
    webhook_id: str,
    fields: Item,
    *,
    revision: int | None,
    remove: tuple[str, ...] = (),
) -> Webhook:
    """Set fields of a webhook and return it as it stands then.

    `revision` is the one that must still stand, None for any. Raises NotFound, PreconditionFailed
    when the revision is another.
    """
    fields = fields | {"updated_at": clock.text(clock.now())}
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in fields)
    expression += ", #revision = #revision + :one"
    if remove:
        expression += " REMOVE " + ", ".join(f"#{name}" for name in remove)
    values, condition = fields | {"one": 1}, "attribute_exists(#pk)"
    if revision is not None:
        values["expected"] = revision
        condition += " AND #revision = :expected"
    try:
        table.write(Update(key_of(workspace, webhook_id), expression, values, condition))
    except ConditionFailed as error:
        found = error.found.get(0)
        if found is not None:
            raise stale(int(found["revision"])) from error
        raise _unknown(webhook_id) from error
    return get(workspace, webhook_id)


def delete(workspace: str, webhook_id: str) -> None:
    """Remove a webhook and its keys as one.

    Raises NotFound.
    """
    if not looks_like_id(webhook_id, "whk"):
        raise _unknown(webhook_id)
    try:
        table.transact(
            [
                Delete(key_of(workspace, webhook_id), "attribute_exists(#pk)"),
                Delete(secret_key_of(workspace, webhook_id)),
                _count(workspace, -1, None),
            ]
        )
    except ConditionFailed as error:
        raise _unknown(webhook_id) from error


def replace_secret(workspace: str, webhook_id: str, secret: str) -> None:
    """Keep a new secret; the one before it goes on signing for a day.

    Raises NotFound.
    """
    until = clock.epoch(clock.later(OLD_KEY_SECONDS))
    try:
        table.write(
            Update(
                secret_key_of(workspace, webhook_id),
                "SET #old_secret = #secret, #old_until = :until, #secret = :secret",
                {"until": until, "secret": secret},
            )
        )
    except ConditionFailed as error:
        raise _unknown(webhook_id) from error


def secrets_of(item: Item) -> list[str]:
    """Return the secrets that sign now, the newest first."""
    old = item.get("old_until", 0) > clock.epoch(clock.now())
    return [item["secret"], *([item["old_secret"]] if old else [])]


def note_failure(workspace: str, webhook: Webhook, at: datetime, reason: str | None) -> None:
    """Note that an attempt failed, and with a reason that the webhook is disabled for it.

    Nothing when it was changed meanwhile.
    """
    if reason is None and webhook.failing_since:
        return
    fields: Item = {"failing_since": clock.text(webhook.failing_since or at)}
    if reason:
        fields |= {"enabled": False, "disabled_reason": reason, "updated_at": clock.text(at)}
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in fields)
    _unless_changed(workspace, webhook, expression, fields)


def note_success(workspace: str, webhook: Webhook) -> None:
    """Note that an attempt went well, if those before it had not."""
    if webhook.failing_since:
        _unless_changed(workspace, webhook, "REMOVE #failing_since", {})


def _unless_changed(workspace: str, webhook: Webhook, expression: str, values: Item) -> None:
    key = key_of(workspace, webhook.id)
    values = values | {"seen": webhook.revision}
    try:
        table.write(Update(key, expression, values, "#revision = :seen"))
    except ConditionFailed:
        return


def _count(workspace: str, by: int, condition: str | None) -> Update:
    values = {"by": by} | ({"most": MOST_WEBHOOKS} if condition else {})
    return Update(Key(f"{workspace}#workspace", "webhooks"), "ADD #webhooks :by", values, condition)


def _unknown(webhook_id: str) -> NotFound:
    return NotFound(f"There is no webhook {webhook_id} in this workspace.")
