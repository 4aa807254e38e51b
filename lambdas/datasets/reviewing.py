"""Changes of the whole set and the review of proposals, as they are asked for."""

import time
from contextlib import suppress
from functools import partial

from lambdas.asset_worker.leases import Lost
from lambdas.core import audit, pages, repeats
from lambdas.core.attributes import Item
from lambdas.core.caller import Caller
from lambdas.core.errors import Conflict, Fault, NotFound, Unprocessable
from lambdas.core.idempotency import Attempt
from lambdas.datasets import (
    caption_edits,
    caption_steps,
    caption_writes,
    captions,
    images,
    proposals,
    repository,
)
from lambdas.datasets.caption_files import Place
from lambdas.datasets.caption_text import NO_CAPTION, etag_of
from lambdas.datasets.caption_writes import Author
from lambdas.datasets.edit_schema import (
    Action,
    CaptionEdit,
    Outcome,
    ProposalChoice,
    ProposalOutcome,
    ProposalOutcomes,
    ProposedCaption,
)
from lambdas.datasets.images import Image
from lambdas.datasets.proposals import Proposal

# Of the gateway's 29; the rest goes on in the background.
_SECONDS = 15


def edit(
    caller: Caller, dataset_id: str, action: Action, attempt: Attempt, *, dry_run: bool = False
) -> CaptionEdit:
    """Change all captions of a set, or tell what would change.

    Raises Conflict while the dataset is being checked, or another edit runs.
    """
    place = captions.open_place(caller, dataset_id)
    if dry_run:
        audit.changes_nothing()
        tried = partial(caption_edits.try_out, place, action)
        return repeats.once(attempt, tried, tried)
    return _carried_out(place, caption_edits.begin(place, action, caller.token_id, attempt))


def last_edit(caller: Caller, dataset_id: str) -> CaptionEdit:
    """Return the last change of all captions of a set. Raises NotFound."""
    dataset = repository.get(caller.workspace, dataset_id).dataset
    found = caption_edits.last(caller.workspace, dataset.id)
    if found is None:
        raise NotFound(
            "The captions of this dataset were never changed as a whole.", code="no_edit"
        )
    return found


def proposal_page(
    caller: Caller, dataset_id: str, limit: int, cursor: str | None
) -> pages.Page[ProposedCaption]:
    """Return one page of proposed captions, each with what stands there now."""
    dataset = repository.get(caller.workspace, dataset_id).dataset
    scope = f"proposals of {dataset.id}"
    found = proposals.page(dataset.id, limit, pages.from_cursor(scope, cursor))
    waiting = proposals.from_page(found)
    seen = images.some(dataset.id, [one.image_id for one in waiting])
    return pages.Page(
        data=[_shown(one, seen.get(one.image_id)) for one in waiting],
        next_cursor=pages.to_cursor(scope, found.last.sk if found.last else None),
    )


def accept(
    caller: Caller, dataset_id: str, choice: ProposalChoice, attempt: Attempt
) -> ProposalOutcomes:
    """Make proposals the captions, but where the caption was changed since it was tagged."""
    _must_say_which(choice)
    if choice.all:
        action = Action(kind="accept_proposals")
        return ProposalOutcomes(edit=edit(caller, dataset_id, action, attempt))
    return repeats.once_kept(
        attempt,
        lambda: _accept_some(caller, dataset_id, choice),
        _outcomes,
        lambda kept: _told_again(dataset_id, choice, kept),
    )


def _accept_some(caller: Caller, dataset_id: str, choice: ProposalChoice) -> ProposalOutcomes:
    place = captions.open_place(caller, dataset_id)
    ids = list(dict.fromkeys(choice.image_ids))
    waiting = proposals.some(dataset_id, ids)
    seen = images.some(dataset_id, ids)
    changes, _ = caption_steps.acceptances(dataset_id, list(waiting.values()), seen)
    outcome = caption_writes.write(place, changes, Author(caller.token_id, "proposed"))
    if outcome.written:
        captions.settle_soon(place)
    now = {**seen, **{one: image for one, image in outcome.conflicts.items() if image}}
    return ProposalOutcomes(results=[_accepted(one, waiting, now, outcome.written) for one in ids])


def refuse(
    caller: Caller, dataset_id: str, choice: ProposalChoice, attempt: Attempt
) -> ProposalOutcomes:
    """Take proposals off the list; the captions stay as they are."""
    _must_say_which(choice)
    if choice.all:
        action = Action(kind="refuse_proposals")
        return ProposalOutcomes(edit=edit(caller, dataset_id, action, attempt))
    return repeats.once_kept(
        attempt,
        lambda: _refuse_some(caller, dataset_id, choice),
        _outcomes,
        lambda kept: _told_again(dataset_id, choice, kept),
    )


def _refuse_some(caller: Caller, dataset_id: str, choice: ProposalChoice) -> ProposalOutcomes:
    captions.open_place(caller, dataset_id)
    ids = list(dict.fromkeys(choice.image_ids))
    waiting = proposals.some(dataset_id, ids)
    proposals.refuse(dataset_id, list(waiting.values()))
    return ProposalOutcomes(
        results=[
            ProposalOutcome(outcome="refused" if one in waiting else "no_proposal", image_id=one)
            for one in ids
        ]
    )


def _outcomes(told: ProposalOutcomes) -> Item:
    return {one.image_id: one.outcome for one in told.results}


def _told_again(dataset_id: str, choice: ProposalChoice, kept: Item) -> ProposalOutcomes:
    """Return what became of proposals, each with the caption as it is now."""
    ids = list(dict.fromkeys(choice.image_ids))
    named = [one for one in ids if kept[one] in {"accepted", "conflict"}]
    seen = images.some(dataset_id, named)
    return ProposalOutcomes(
        results=[_outcome(kept[one], one, seen.get(one) if one in named else None) for one in ids]
    )


def _carried_out(place: Place, edit_id: str) -> CaptionEdit:
    with suppress(Lost):  # the worker goes on
        caption_edits.run(place.workspace, place.dataset.id, time.monotonic() + _SECONDS)
    found = caption_edits.last(place.workspace, place.dataset.id)
    if found is None or found.id != edit_id:
        raise Conflict(
            "The change of this Idempotency-Key is done, and another followed it.",
            code="edit_replaced",
        )
    return found


def _must_say_which(choice: ProposalChoice) -> None:
    if choice.all == bool(choice.image_ids):
        raise Unprocessable(
            "Say which proposals you mean.",
            faults=[Fault("/image_ids", "give image_ids, or all: true, and not both")],
        )


def _accepted(
    image_id: str,
    waiting: dict[str, Proposal],
    seen: dict[str, Image],
    written: dict[str, Image],
) -> ProposalOutcome:
    image = written.get(image_id) or seen.get(image_id)
    if image_id not in waiting:
        return ProposalOutcome(outcome="no_proposal", image_id=image_id)
    return _outcome("accepted" if image_id in written else "conflict", image_id, image)


def _outcome(outcome: Outcome, image_id: str, image: Image | None) -> ProposalOutcome:
    return ProposalOutcome(
        outcome=outcome,
        image_id=image_id,
        text=image.caption if image else None,
        etag=etag_of(image) if image else None,
    )


def _shown(proposal: Proposal, image: Image | None) -> ProposedCaption:
    return ProposedCaption(
        **proposal.model_dump(exclude={"base"}),
        current=image.caption if image else None,
        current_etag=etag_of(image) if image else NO_CAPTION,
        conflict=image is None or proposals.is_outdated(proposal, image),
    )
