"""Telling a notice: to the topic, and to each webhook of the workspace that wants its type.

The topic comes first, as a publishing can't stand in a transaction; then one transaction keeps the
text, makes all deliveries and takes the notice out of the outbox. So whatever call a crash comes
before, the notice is told when its message comes again, and every webhook gets the same text.
"""

import json
from datetime import datetime

from lambdas.core import aws, clock, notices, settings, table
from lambdas.core.attributes import Item
from lambdas.core.notices import Message, Notice
from lambdas.core.observability import logger
from lambdas.core.table import ConditionFailed, Key, Update
from lambdas.notifier import payload
from lambdas.webhooks import deliveries
from lambdas.webhooks import repository as webhooks

_AT_ONCE = 100
_SENT_AGAIN_SECONDS = 300
_STILL_WAITS = "attribute_exists(#open_shard)"


class Settings(settings.Settings):
    """What the notifier is told besides; no topic where the deployment wants none."""

    notice_topic_arn: str = ""


def tell(workspace: str, notice_id: str) -> None:
    """Tell a notice, unless that was done."""
    item = notices.find(workspace, notice_id)
    if item is None or "open_shard" not in item:
        return
    notice = Notice(
        notice_id,
        str(item["type"]),
        workspace,
        str(item["resource_id"]),
        datetime.fromisoformat(item["at"]),
    )
    wanting = [
        one.id
        for one in webhooks.all_of(workspace)
        if one.enabled and (not one.events or notice.type in one.events)
    ]
    body = payload.render(workspace, item)
    _publish(notice, body)
    if _kept(notice, body, wanting):
        logger.info("told", notice=notice_id, type=notice.type, webhooks=len(wanting))
        for webhook_id in wanting:
            told = deliveries.from_item(deliveries.put_of(webhook_id, notice).item)
            notices.send(deliveries.message_of(workspace, webhook_id, told))


def reconcile(now: datetime) -> int:
    """Send messages again for notices that nobody told; return how many."""
    return sum(_send_again(key) for key in list(_overdue(now)))


def _overdue(now: datetime) -> list[Key]:
    pages = (
        table.query_due(f"notice#{shard}", clock.text(now), limit=_AT_ONCE)
        for shard in range(notices.SHARDS)
    )
    return [Key(str(item["pk"]), str(item["sk"])) for page in pages for item in page.items]


def _send_again(key: Key) -> bool:
    # Put off first, so that it is not sent every minute while the queue is long.
    later = {"later": clock.text(clock.later(_SENT_AGAIN_SECONDS))}
    try:
        table.write(Update(key, "SET #next_check_at = :later", later, _STILL_WAITS))
    except ConditionFailed:
        return False
    notices.send(Message(kind="notice", workspace=key.pk.partition("#")[0], id=key.sk))
    return True


def _publish(notice: Notice, body: str) -> None:
    topic = Settings.load().notice_topic_arn
    if not topic:
        return
    told = {"id": notice.id, "type": notice.type, "workspace": notice.workspace}
    aws.sns().publish(
        TopicArn=topic,
        Message=json.dumps(
            {"id": notice.id, "workspace": notice.workspace, **json.loads(body)},
            ensure_ascii=False,
        ),
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in told.items()
        },
    )


def _kept(notice: Notice, body: str, wanting: list[str]) -> bool:
    told: Item = {"body": body}
    update = Update(
        notices.key_of(notice.workspace, notice.id),
        "SET #body = :body REMOVE #open_shard, #next_check_at",
        told,
        _STILL_WAITS,
    )
    try:
        table.transact([update, *(deliveries.put_of(one, notice) for one in wanting)])
    except ConditionFailed:
        return False  # another told it meanwhile
    return True
