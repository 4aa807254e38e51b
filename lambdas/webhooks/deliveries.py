"""Deliveries in the table: one item for each notice and webhook, with all its attempts.

One that is pending stands in the `open` index under when it is to be looked at: shortly after the
message for its next attempt should have been seen, or, where that attempt is more than 15 minutes
off, at the very time, since a message can't wait for so long.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lambdas.core import clock, notices, table
from lambdas.core.attributes import Item
from lambdas.core.errors import NotFound
from lambdas.core.ids import looks_like_id
from lambdas.core.notices import KEPT_SECONDS, LOOKED_AT_AGAIN_SECONDS, SHARDS, Message, Notice
from lambdas.core.table import ConditionFailed, Key, Page, Put, Update
from lambdas.webhooks import repository
from lambdas.webhooks.schema import Attempt, Delivery, Webhook

LONGEST_DELAY_SECONDS = 900  # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_SENT_AGAIN_SECONDS = 300
_AT_ONCE = 100
_SETTLED = "#open_shard, #next_check_at, #next_attempt_at"


@dataclass(frozen=True)
class Due:
    """What an attempt is made of: the webhook with its secrets, and the very text to be sent."""

    workspace: str
    webhook: Webhook | None
    secrets: Sequence[str]
    delivery: Delivery
    body: str


def key_of(webhook_id: str, event_id: str) -> Key:
    """Return where a delivery lies."""
    return Key(f"{webhook_id}#delivery", event_id)


def put_of(webhook_id: str, notice: Notice) -> Put:
    """Return the write of a delivery whose first attempt is now."""
    key = key_of(webhook_id, notice.id)
    delivery = Delivery(
        event_id=notice.id,
        type=notice.type,
        status="pending",
        attempts=[],
        next_attempt_at=clock.now(),
        created_at=notice.at,
    )
    item: Item = {
        "pk": key.pk,
        "sk": key.sk,
        "workspace": notice.workspace,
        "expires_at": clock.epoch(clock.later(KEPT_SECONDS)),
        **delivery.model_dump(mode="json"),
        **notices.waiting("delivery", notice.id),
    }
    return Put(item)


def page(webhook_id: str, limit: int, after: str | None) -> Page:
    """Return one page of deliveries, newest first."""
    return table.query(f"{webhook_id}#delivery", limit=limit, after=after)


def get(webhook_id: str, event_id: str) -> Delivery:
    """Return one delivery. Raises NotFound."""
    item = table.get(key_of(webhook_id, event_id))
    if item is None:
        raise NotFound(f"There is no delivery of {event_id} to this webhook.")
    return from_item(item)


def from_item(item: Item) -> Delivery:
    """Turn a delivery's item into a delivery."""
    return Delivery.model_validate(item)


def load(workspace: str, webhook_id: str, event_id: str) -> Due | None:
    """Return all that an attempt needs, in one call; None when the delivery or notice expired."""
    keys = (
        repository.key_of(workspace, webhook_id),
        repository.secret_key_of(workspace, webhook_id),
        key_of(webhook_id, event_id),
        notices.key_of(workspace, event_id),
    )
    found = table.batch_get(keys)
    webhook, secrets, delivery, notice = (found.get(key) for key in keys)
    if delivery is None or notice is None:
        return None
    return Due(
        workspace=workspace,
        webhook=repository.from_item(webhook) if webhook and secrets else None,
        secrets=repository.secrets_of(secrets) if secrets else [],
        delivery=from_item(delivery),
        body=str(notice["body"]),
    )


def succeed(webhook_id: str, delivery: Delivery, attempt: Attempt) -> bool:
    """Keep the attempt that went well; False when another was kept first."""
    return _keep(webhook_id, delivery, attempt, "delivered", None)


def fail(webhook_id: str, delivery: Delivery, attempt: Attempt, seconds: float | None) -> bool:
    """Keep an attempt that failed, and when the next one is: None, it was the last.

    Returns False when another attempt was kept first.
    """
    return _keep(webhook_id, delivery, attempt, "pending" if seconds else "failed", seconds)


def _keep(
    webhook_id: str, delivery: Delivery, attempt: Attempt, status: str, seconds: float | None
) -> bool:
    attempts = [one.model_dump(mode="json") for one in (*delivery.attempts, attempt)]
    fields: Item = {"status": status, "attempts": attempts}
    removed = f" REMOVE {_SETTLED}"
    if seconds is not None:
        by_message = seconds <= LONGEST_DELAY_SECONDS
        looked_at = seconds + (LOOKED_AT_AGAIN_SECONDS if by_message else 0)
        fields["next_attempt_at"] = clock.text(clock.later(seconds))
        fields["next_check_at"] = clock.text(clock.later(looked_at))
        removed = ""
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in fields) + removed
    values = fields | {"pending": "pending", "made": len(delivery.attempts)}
    condition = "#status = :pending AND size(#attempts) = :made"
    try:
        table.write(Update(key_of(webhook_id, delivery.event_id), expression, values, condition))
    except ConditionFailed:
        return False
    return True


def overdue(now: datetime) -> Iterator[Key]:
    """Yield the deliveries whose next attempt is due and of which no message told."""
    for shard in range(SHARDS):
        page = table.query_due(f"delivery#{shard}", clock.text(now), limit=_AT_ONCE)
        yield from (Key(str(item["pk"]), str(item["sk"])) for item in page.items)


def send_again(key: Key) -> bool:
    """Send the message for a delivery that waits; say whether it still waited.

    First it is put off, so that it is not sent every minute while the queue is long.
    """
    item = table.get(key)
    webhook_id = key.pk.partition("#")[0]
    if item is None or "open_shard" not in item or not looks_like_id(webhook_id, "whk"):
        return False
    values = {
        "later": clock.text(clock.now() + timedelta(seconds=_SENT_AGAIN_SECONDS)),
        "seen": item["next_check_at"],
    }
    try:
        table.write(Update(key, "SET #next_check_at = :later", values, "#next_check_at = :seen"))
    except ConditionFailed:
        return False
    notices.send(message_of(str(item["workspace"]), webhook_id, from_item(item)))
    return True


def message_of(workspace: str, webhook_id: str, delivery: Delivery) -> Message:
    """Return the message for the next attempt of a delivery."""
    return Message(
        kind="delivery",
        workspace=workspace,
        id=delivery.event_id,
        webhook_id=webhook_id,
        attempt=len(delivery.attempts) + 1,
    )
