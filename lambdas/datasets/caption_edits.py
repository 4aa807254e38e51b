"""A change of all captions of a set: begun by a request, ended by whoever has the time.

How far it is stands in one item for each dataset, with the cursor; an image that was changed names
the edit, so that an edit which was cut off goes on and does nothing twice.
"""

import time
from dataclasses import dataclass

from lambdas.asset_worker import leases
from lambdas.asset_worker.leases import HELD, Lease, Lost
from lambdas.core import clock, pending, queue, table
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict, NotFound
from lambdas.core.idempotency import Attempt
from lambdas.core.ids import ulid
from lambdas.core.observability import logger
from lambdas.core.queue import Kind, Task
from lambdas.core.table import ConditionFailed, Key, Put, Update
from lambdas.datasets import (
    caption_files,
    caption_steps,
    images,
    proposals,
    repository,
)
from lambdas.datasets.caption_files import Place
from lambdas.datasets.caption_steps import Step
from lambdas.datasets.caption_writes import Author
from lambdas.datasets.edit_schema import Action, CaptionEdit

KIND: Kind = "edit_captions"
AT_ONCE = 96
MOST_ATTEMPTS = 5
_MOST_SKIPPED = 50
_MOST_EXAMPLES = 5
_OVER = "over"  # no id of an image is this
_BROKE_OFF = (
    "The change broke off several times. Some captions may be changed; do it again, and if it "
    "stays tell whoever runs this service."
)


def key_of(workspace: str, dataset_id: str) -> Key:
    """Return where the last edit of a dataset's captions lies."""
    return Key(f"{workspace}#caption_edit", dataset_id)


def last(workspace: str, dataset_id: str) -> CaptionEdit | None:
    """Return the last edit of a dataset's captions."""
    item = table.get(key_of(workspace, dataset_id))
    return None if item is None else _from_item(item)


def try_out(place: Place, action: Action) -> CaptionEdit:
    """Tell what an action would do, and do nothing."""
    edit = CaptionEdit(id=None, status="dry_run", action=action, started_at=clock.now())
    done = Step()
    for image in images.known(place.dataset.id):
        done = done.plus(caption_steps.plan(place, action, [image], edit_id=None).step)
    return _with(edit, done)


def begin(place: Place, action: Action, token_id: str, attempt: Attempt) -> str:
    """Keep a new edit that waits to be carried out; return its id, or that of an earlier attempt's.

    Raises Conflict while another edit of this dataset runs.
    """
    made = attempt.made_before()
    if made is not None:
        return made
    edit = CaptionEdit(id=ulid(), status="running", action=action, started_at=clock.now())
    assert edit.id
    key = key_of(place.workspace, place.dataset.id)
    item = edit.model_dump(mode="json") | pending.values(KIND, place.dataset.id)
    put = Put(
        {"pk": key.pk, "sk": key.sk, "token_id": token_id} | item,
        "attribute_not_exists(#pk) OR attribute_not_exists(#pending)",
    )
    return attempt.transact(edit.id, put, taken=_busy()) or edit.id


def run(workspace: str, dataset_id: str, deadline: float) -> None:
    """Carry out the edit that waits, or go on with it, until `deadline` (monotonic seconds).

    Nothing happens where another is at it or it is done. Raises Lost.
    """
    lease = leases.take(key_of(workspace, dataset_id), KIND)
    if lease is None:
        return
    work = _Work(
        lease, _from_item(lease.item), str(lease.item["token_id"]), lease.item.get("after")
    )
    if lease.attempts >= MOST_ATTEMPTS:
        logger.error("giving up an edit of captions", dataset_id=dataset_id)
        _end(work, "failed", _BROKE_OFF)
        return
    try:
        is_done = _go_on(work, workspace, dataset_id, deadline)
    except NotFound:
        _end(work, "failed", "The dataset is gone.")
        return
    except Conflict as error:  # it is being checked, or deleted
        logger.info("an edit of captions waits", dataset_id=dataset_id, reason=error.code)
        leases.give_back(lease)
        return
    if is_done:
        _end(work, "done", None)
        queue.send(Task(kind="settle_captions", workspace=workspace, id=dataset_id))
    else:
        leases.give_back(lease)
        queue.send(Task(kind=KIND, workspace=workspace, id=dataset_id))


@dataclass
class _Work:
    lease: Lease
    edit: CaptionEdit
    token_id: str
    after: str | None


def _go_on(work: _Work, workspace: str, dataset_id: str, deadline: float) -> bool:
    """Do slice after slice; say whether it was the last."""
    assert work.edit.id
    while work.after != _OVER:
        place = Place(workspace, repository.get(workspace, dataset_id).dataset)
        if place.dataset.status == "deleting":
            raise NotFound("The dataset is being deleted.")
        source = "proposed" if work.edit.action.kind == "accept_proposals" else "edited"
        author = Author(work.token_id, source, work.edit.id)  # type: ignore[arg-type]
        done, work.after = _slice(place, work, author)
        work.edit = _with(work.edit, done)
        _keep(work)
        if time.monotonic() > deadline:
            break
    return work.after == _OVER


def _slice(place: Place, work: _Work, author: Author) -> tuple[Step, str]:
    """Do the next images, or proposals; return what was done and where the next slice begins."""
    dataset_id, action = place.dataset.id, work.edit.action
    if action.kind in {"accept_proposals", "refuse_proposals"}:
        found = proposals.page(dataset_id, AT_ONCE, work.after)
        waiting = proposals.from_page(found)
        if action.kind == "refuse_proposals":
            proposals.refuse(dataset_id, waiting)
            step = Step(looked_at=len(waiting), changed=len(waiting))
        else:
            step = caption_steps.accept(place, waiting, author)
    else:
        found = images.page(dataset_id, AT_ONCE, work.after)
        seen = [images.from_item(item) for item in found.items]
        caption_files.write_all(place, caption_files.unwritten_of(seen))
        step = caption_steps.carry_out(place, action, seen, author)
    return step, found.last.sk if found.last else _OVER


def _keep(work: _Work) -> None:
    told = work.edit.model_dump(
        mode="json",
        include={"looked_at", "changed", "skipped", "examples", "skipped_images"},
    )
    _write(work, told | {"after": work.after})
    leases.renew(work.lease)


def _end(work: _Work, status: str, message: str | None) -> None:
    told = {"status": status, "message": message or "", "ended_at": clock.text(clock.now())}
    _write(work, told, f" REMOVE {pending.REMOVE}, #after")


def _write(work: _Work, changes: Item, also: str = "") -> None:
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in changes) + also
    try:
        table.write(Update(work.lease.key, expression, changes | {"lease": work.lease.token}, HELD))
    except ConditionFailed as error:
        raise Lost(f"the edit of {work.lease.key.sk} is another's") from error


def _with(edit: CaptionEdit, done: Step) -> CaptionEdit:
    return edit.model_copy(
        update={
            "looked_at": edit.looked_at + done.looked_at,
            "changed": edit.changed + done.changed,
            "skipped": edit.skipped + len(done.skipped),
            "examples": [*edit.examples, *done.examples][:_MOST_EXAMPLES],
            "skipped_images": [*edit.skipped_images, *done.skipped][:_MOST_SKIPPED],
        }
    )


def _from_item(item: Item) -> CaptionEdit:
    known = {name: item.get(name) for name in CaptionEdit.model_fields if name in item}
    return CaptionEdit.model_validate(known | {"message": item.get("message") or None})


def _busy() -> Conflict:
    return Conflict(
        "Another change of all captions of this dataset runs. GET /datasets/{id}/captions/edit "
        "tells how far it is; try again when it is done.",
        code="captions_busy",
        headers={"Retry-After": "5"},
    )
