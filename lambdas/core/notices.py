"""Notices of what happened, kept in an outbox: written with the change itself, so none is lost.

A notice is one write more in the transaction that makes the change. The message that has it told
is sent after that, and a crash in between loses the message and not the notice: it stands in the
`open` index until it is told, and a schedule sends the message again.
"""

import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lambdas.core import aws, clock, settings, table
from lambdas.core.attributes import Item
from lambdas.core.ids import new_id
from lambdas.core.observability import logger
from lambdas.core.table import Key, Put

EventType = Literal[
    "training.started",
    "training.interrupted",
    "training.succeeded",
    "training.failed",
    "training.canceled",
    "dataset.ready",
    "dataset.invalid",
    "model.ready",
    "model.invalid",
]
SHARDS = 4
KEPT_SECONDS = 30 * 24 * 3600
# A message that was sent is taken within seconds; one that was not is sent by the schedule then.
LOOKED_AT_AGAIN_SECONDS = 60


class Message(BaseModel):
    """What the notifier is to do: tell a notice, or make one attempt to deliver it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["notice", "delivery"]
    workspace: str
    id: str
    webhook_id: str | None = None
    attempt: int = 1


class Settings(settings.Settings):
    """What a function that sends is told besides."""

    notice_queue_url: str


@dataclass(frozen=True)
class Notice:
    """That something happened to a resource of a workspace."""

    id: str
    type: str
    workspace: str
    resource_id: str
    at: datetime


def of(workspace: str, kind: EventType, resource_id: str) -> Notice:
    """Return a notice of what happens now."""
    return Notice(new_id("evt"), kind, workspace, resource_id, clock.now())


def key_of(workspace: str, notice_id: str) -> Key:
    """Return where a notice lies."""
    return Key(f"{workspace}#notice", notice_id)


def put_of(notice: Notice) -> Put:
    """Return the write of a notice, to stand in the transaction of what it tells."""
    key = key_of(notice.workspace, notice.id)
    return Put(
        {"pk": key.pk, "sk": key.sk, **record_of(notice), **waiting("notice", notice.id)},
    )


def record_of(notice: Notice) -> Item:
    """Return what is kept of a notice, for 30 days."""
    return {
        "type": notice.type,
        "resource_id": notice.resource_id,
        "at": clock.text(notice.at),
        "expires_at": clock.epoch(clock.later(KEPT_SECONDS)),
    }


def waiting(kind: str, identifier: str) -> Item:
    """Return the attributes by which the schedule finds what nobody took on."""
    return {
        "open_shard": f"{kind}#{zlib.crc32(identifier.encode()) % SHARDS}",
        "next_check_at": clock.text(clock.later(LOOKED_AT_AGAIN_SECONDS)),
    }


def announce(notice: Notice) -> None:
    """Have a notice told, once what it tells is written.

    What it tells stands whatever becomes of the message, so a queue that fails is only logged.
    """
    try:
        send(Message(kind="notice", workspace=notice.workspace, id=notice.id))
    except aws.ERRORS:
        logger.warning("the schedule will tell a notice", notice=notice.id, exc_info=True)


def send(message: Message, delay_seconds: int = 0) -> None:
    """Put a message into the notifier's queue, to be seen after 0 to 900 seconds."""
    aws.sqs().send_message(
        QueueUrl=Settings.load().notice_queue_url,
        MessageBody=message.model_dump_json(),
        DelaySeconds=delay_seconds,
        MessageGroupId=message.workspace,  # where one has much to tell, others are not behind it
    )


def find(workspace: str, notice_id: str) -> Item | None:
    """Return a notice as it is kept, None when it has expired."""
    return table.get(key_of(workspace, notice_id))
