"""What can be done with webhooks."""

import base64
import json
import secrets
from typing import Any

from lambdas.core import clock, notices, pages, repeats, revisions, table
from lambdas.core.caller import Caller
from lambdas.core.errors import Conflict, Fault, Unprocessable
from lambdas.core.idempotency import Attempt
from lambdas.core.ids import new_id
from lambdas.core.notices import Notice
from lambdas.core.table import ConditionFailed, Put
from lambdas.webhooks import address, deliveries, repository
from lambdas.webhooks.schema import (
    TEST_TYPE,
    Delivery,
    NewWebhook,
    Webhook,
    WebhookChanges,
    WebhookWithSecret,
)

_SECRET_BYTES = 32  # Standard Webhooks asks for 24 to 64
_BEGUN_ANEW = ("failing_since", "disabled_reason")


def create(caller: Caller, request: NewWebhook, attempt: Attempt) -> WebhookWithSecret:
    """Make a webhook; its secret is in this answer and never again.

    Raises Unprocessable for an address that nothing is posted to, Conflict when the same attempt
    made it before.
    """
    address.parse(request.url)
    if attempt.made_before() is not None:
        raise _shown()
    moment = clock.now()
    webhook = Webhook(
        id=new_id("whk"),
        url=request.url,
        events=list(request.events),
        description=request.description,
        enabled=True,
        created_at=moment,
        updated_at=moment,
    )
    secret = _new_secret()
    if repository.insert(caller.workspace, webhook, secret, attempt, taken=_shown()) is not None:
        raise _shown()
    return WebhookWithSecret(**webhook.model_dump(), secret=secret)


def get(caller: Caller, webhook_id: str) -> Webhook:
    """Return one webhook. Raises NotFound."""
    return repository.get(caller.workspace, webhook_id)


def page(caller: Caller, limit: int, cursor: str | None) -> pages.Page[Webhook]:
    """Return one page of webhooks, newest first."""
    found = repository.page(caller.workspace, limit, pages.from_cursor("webhooks", cursor))
    return pages.Page(
        data=[repository.from_item(item) for item in found.items],
        next_cursor=pages.to_cursor("webhooks", found.last.sk if found.last else None),
    )


def change(
    caller: Caller, webhook_id: str, changes: WebhookChanges, if_match: str | None
) -> Webhook:
    """Change what a request names.

    What stands as asked already is a retry, and answered as such. Raises NotFound, Unprocessable
    as `create` does, and PreconditionFailed when `if_match` is another ETag than the webhook's.
    """
    asked: dict[str, Any] = changes.model_dump(exclude_unset=True)
    if nulls := [name for name, value in asked.items() if value is None]:
        raise Unprocessable(
            "A field of a webhook can't be null.",
            faults=[Fault(f"/{name}", "can't be null: leave it out to keep it") for name in nulls],
        )
    if changes.url is not None:
        address.parse(changes.url)
    webhook = repository.get(caller.workspace, webhook_id)
    as_read = revisions.matches(if_match, webhook.revision)
    begun_anew = _BEGUN_ANEW if changes.enabled else ()
    wanted = asked | dict.fromkeys(begun_anew)
    if all(getattr(webhook, name) == value for name, value in wanted.items()):
        return webhook  # it stands as asked: a retry
    if not as_read:
        raise revisions.stale(webhook.revision)
    expected = None if if_match is None else webhook.revision
    return repository.change(
        caller.workspace, webhook_id, asked, revision=expected, remove=begun_anew
    )


def delete(caller: Caller, webhook_id: str) -> None:
    """Remove a webhook; what waits to be sent to it is not sent. Raises NotFound."""
    repository.delete(caller.workspace, webhook_id)


def rotate(caller: Caller, webhook_id: str, attempt: Attempt) -> WebhookWithSecret:
    """Give a webhook a new secret, which is in this answer and never again.

    Raises NotFound, Conflict when the same attempt did it before.
    """

    def replace() -> WebhookWithSecret:
        webhook = repository.get(caller.workspace, webhook_id)
        secret = _new_secret()
        repository.replace_secret(caller.workspace, webhook_id, secret)
        return WebhookWithSecret(**webhook.model_dump(), secret=secret)

    def again() -> WebhookWithSecret:
        raise _shown()

    return repeats.once(attempt, replace, again)


def test(caller: Caller, webhook_id: str, attempt: Attempt) -> tuple[Delivery, bool]:
    """Have a notice sent that tells nothing, also where the webhook is disabled.

    Says whether an earlier attempt had. Raises NotFound.
    """
    made = attempt.made_before()
    if made is None:
        delivery = _sent_to_try(caller, webhook_id, attempt)
        if isinstance(delivery, Delivery):
            return delivery, False
        made = delivery
    return deliveries.get(webhook_id, made), True


def _sent_to_try(caller: Caller, webhook_id: str, attempt: Attempt) -> Delivery | str:
    """Send it, or return the id of what another attempt with the same key sent first."""
    webhook = repository.get(caller.workspace, webhook_id)
    notice = Notice(new_id("evt"), TEST_TYPE, caller.workspace, webhook_id, clock.now())
    body = {"type": TEST_TYPE, "timestamp": clock.text(notice.at), "data": {"id": webhook.id}}
    key = notices.key_of(caller.workspace, notice.id)
    item = {"pk": key.pk, "sk": key.sk, "body": json.dumps(body), **notices.record_of(notice)}
    delivery = deliveries.put_of(webhook.id, notice)
    record = attempt.record(notice.id)
    try:
        table.transact([*record, Put(item), delivery])
    except ConditionFailed as error:
        made = attempt.made(error.found.get(0)) if record else None
        if made is None:
            raise
        return made
    told = deliveries.from_item(delivery.item)
    notices.send(deliveries.message_of(caller.workspace, webhook.id, told))
    return told


def delivered(
    caller: Caller, webhook_id: str, limit: int, cursor: str | None
) -> pages.Page[Delivery]:
    """Return one page of deliveries, newest first. Raises NotFound."""
    repository.get(caller.workspace, webhook_id)
    scope = f"deliveries:{webhook_id}"
    found = deliveries.page(webhook_id, limit, pages.from_cursor(scope, cursor))
    return pages.Page(
        data=[deliveries.from_item(item) for item in found.items],
        next_cursor=pages.to_cursor(scope, found.last.sk if found.last else None),
    )


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


def _shown() -> Conflict:
    return Conflict(
        "A request with this Idempotency-Key made this secret, which is shown only once. "
        "GET /webhooks lists it; POST /webhooks/{id}/rotate gives it a new secret.",
        code="secret_already_shown",
    )
