"""Reading who did what: by time, of one action or one token if asked, each by one Query."""

from datetime import datetime, timedelta

from lambdas.access.audit_schema import AuditEvent
from lambdas.core import audit, clock, pages, table
from lambdas.core.caller import Caller
from lambdas.core.errors import Fault, Unprocessable
from lambdas.core.table import Key

# Behind every sort key that begins with the same time.
_LAST = "\x7f"


def page(
    caller: Caller,
    since: str | None,
    until: str | None,
    action: str | None,
    token_id: str | None,
    limit: int,
    cursor: str | None,
) -> pages.Page[AuditEvent]:
    """Return one page of events, newest first.

    Raises Unprocessable for what is no time with a zone, or the later first.
    """
    first, last = _span(since, until)
    scope = f"audit:{action}:{token_id}"
    position = pages.from_cursor(scope, cursor)
    partition = audit.partition_of(caller.workspace, action)
    found = table.query_times(
        audit.facet_of(caller.workspace, action, token_id) if token_id else partition,
        clock.text(first),
        clock.text(last) + _LAST,
        limit=limit,
        after=Key(partition, position) if position else None,
        of_facet=token_id is not None,
    )
    return pages.Page(
        data=[AuditEvent.model_validate(item) for item in found.items],
        next_cursor=pages.to_cursor(scope, found.last.sk if found.last else None),
    )


def _span(since: str | None, until: str | None) -> tuple[datetime, datetime]:
    """Return from when to when events are asked for; those past their time count as gone."""
    first, last = _moment(since), _moment(until)
    given = {"since": (since, first), "until": (until, last)}
    faults = [
        Fault(f"query:{name}", "give a time with its zone, as in 2026-11-22T12:00:00Z")
        for name, (text, moment) in given.items()
        if text is not None and moment is None
    ]
    if first and last and last < first:
        faults = [Fault("query:until", "is before since: exchange the two")]
    if faults:
        raise Unprocessable("This is no span of time.", faults=faults)
    # TTL lags by up to days.
    oldest = clock.now() - timedelta(days=audit.Settings.load().audit_days)
    return max(first or oldest, oldest), last or clock.now()


def _moment(text: str | None) -> datetime | None:
    """Return a time that says its zone, None for any other text."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None
