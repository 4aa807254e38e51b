"""Who did what: an event for each request that changed something, for the workspace's admins.

The event goes along with the first transaction of its request, so there is no such change without
it. What a request changes without a transaction is recorded right behind it: that event is lost
where the process dies, or the table does not answer, in between; the log has it then.

An event lies twice, by time and by action; each also under a facet by its token. So every filter of
`GET /audit` is one Query.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from typing import Literal

from lambdas.core import aws, clock, companion, settings, table
from lambdas.core.attributes import Item
from lambdas.core.errors import ServiceError
from lambdas.core.ids import ulid
from lambdas.core.observability import logger
from lambdas.core.table import Put

Outcome = Literal["done", "invalid"]


class Settings(settings.Settings):
    """How long events are kept."""

    audit_days: int = 90


@dataclass(frozen=True)
class Event:
    """Who does what; `resource_id` is None until it is known what is made."""

    workspace: str
    token_id: str
    role: str
    action: str
    path: str
    request_id: str
    resource_id: str | None = None
    outcome: Outcome = "done"


_CURRENT: ContextVar[Event | None] = ContextVar("event", default=None)


@contextmanager
def recording(event: Event) -> Iterator[companion.Companion]:
    """Have what is done within recorded with its first transaction."""
    before = _CURRENT.set(event)
    try:
        with companion.going_along(writes) as along:
            yield along
    finally:
        _CURRENT.reset(before)


def about(resource_id: str) -> None:
    """Say what the current request makes."""
    event = _CURRENT.get()
    if event:
        _CURRENT.set(replace(event, resource_id=resource_id))


def came_to(outcome: Outcome) -> None:
    """Say what the change of the current request is, other than done."""
    event = _CURRENT.get()
    if event:
        _CURRENT.set(replace(event, outcome=outcome))


def changes_nothing() -> None:
    """Say that the current request only tells what it would do, so that it is not recorded."""
    _CURRENT.set(None)


def of_operator(workspace: str, action: str, command: str, resource_id: str | None = None) -> Event:
    """Return the event of what is done with AWS credentials rather than a token."""
    return Event(
        workspace=workspace,
        token_id="operator",  # noqa: S106
        role="operator",
        action=action,
        path=command,
        request_id=ulid(),
        resource_id=resource_id,
    )


def writes() -> Sequence[Put]:
    """Return the writes of the current request's event."""
    event = _CURRENT.get()
    return [] if event is None else _puts(event)


def keep_now() -> None:
    """Write the current request's event by itself; what can't be written is logged."""
    event = _CURRENT.get()
    if event is None:
        return
    try:
        table.transact([])  # of nothing but what goes along
    except (*aws.ERRORS, ServiceError) as error:
        logger.error("an audit event is lost", audit=asdict(event), reason=str(error))


def partition_of(workspace: str, action: str | None) -> str:
    """Return the partition of a workspace's events, or of those of an action."""
    return f"{workspace}#audit" + (f"#{action}" if action else "")


def facet_of(workspace: str, action: str | None, token_id: str) -> str:
    """Return the facet of the events of a token, or of those of an action by it."""
    return f"{partition_of(workspace, action)}#by#{token_id}"


def _puts(event: Event) -> list[Put]:
    moment = clock.now()
    expires = clock.epoch(moment) + Settings.load().audit_days * 24 * 3600
    sort_key = f"{clock.text(moment)}~{event.request_id}"
    told: Item = {**_told(event), "at": clock.text(moment), "expires_at": expires}
    return [
        Put(
            {
                "pk": partition_of(event.workspace, action),
                "sk": sort_key,
                "facet": facet_of(event.workspace, action, event.token_id),
                **told,
            },
            condition=None,
        )
        for action in (None, event.action)
    ]


def _told(event: Event) -> Mapping[str, str | None]:
    found = asdict(event)
    del found["workspace"]
    return found
