"""What happened to a training, by type and in either order.

A training has tens of events, hundreds after many interruptions: they are read in one call, of
which a page and a type are taken.
"""

from typing import Literal

from lambdas.core import pages
from lambdas.core.caller import Caller
from lambdas.trainings import repository
from lambdas.trainings.results_schema import TrainingEvent, TrainingEventType

Order = Literal["desc", "asc"]


def page(
    caller: Caller,
    training_id: str,
    kind: TrainingEventType | None,
    order: Order,
    limit: int,
    cursor: str | None,
) -> pages.Page[TrainingEvent]:
    """Return one page of what happened to a training, of one type if asked.

    Raises NotFound, and InvalidRequest when the cursor belongs to another list.
    """
    repository.get(caller.workspace, training_id)
    scope = f"events:{training_id}:{kind}:{order}"
    after = pages.from_cursor(scope, cursor)
    found = [one for one in repository.events(training_id) if kind in (None, one.type)]
    if order == "desc":
        found.reverse()
    rest = [one for one in found if after is None or _is_behind(one.id, after, order)]
    last = rest[limit - 1].id if len(rest) > limit else None
    return pages.Page(data=rest[:limit], next_cursor=pages.to_cursor(scope, last))


def _is_behind(event_id: str, after: str, order: Order) -> bool:
    return event_id > after if order == "asc" else event_id < after
