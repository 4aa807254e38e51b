"""The routes of changes to a whole set of captions, and of proposed captions."""

from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import BaseModel

from lambdas.core.caller import Caller, CurrentCaller
from lambdas.core.http import IdempotencyKey
from lambdas.core.idempotency import Attempt
from lambdas.core.pages import Cursor, Limit, Page
from lambdas.datasets import reviewing
from lambdas.datasets.caption_schema import Replacement, TagToAdd, TagToRemove
from lambdas.datasets.edit_schema import (
    Action,
    CaptionEdit,
    ProposalChoice,
    ProposalOutcomes,
    ProposedCaption,
)

router = Router()  # type: ignore[no-untyped-call]

_CAPTIONS = "/datasets/<dataset_id>/captions"
_PROPOSALS = "/datasets/<dataset_id>/proposals"


@router.post(f"{_CAPTIONS}/replace", tags=["Captions"], operation_id="replaceInCaptions")
def replace_in_captions(
    caller: CurrentCaller,
    dataset_id: str,
    body: Replacement,
    idempotency_key: IdempotencyKey = None,
) -> CaptionEdit:
    """Find and replace in all captions.

    With `dry_run` it tells how many would change and shows a few. A caption that would be empty
    where the dataset needs one, or too long, is skipped and told. A large set goes on in the
    background: `status` is `running` then.
    """
    action = Action(kind="replace", **body.model_dump(exclude={"dry_run"}))
    attempt = _attempt(caller, idempotency_key, "replace", dataset_id, body)
    return reviewing.edit(caller, dataset_id, action, attempt, dry_run=body.dry_run)


@router.post(f"{_CAPTIONS}/add-tag", tags=["Captions"], operation_id="addTag")
def add_tag(
    caller: CurrentCaller,
    dataset_id: str,
    body: TagToAdd,
    idempotency_key: IdempotencyKey = None,
) -> CaptionEdit:
    """Add a tag to all captions.

    To those that lack it, at the start or at the end; an image without caption gets one.
    """
    action = Action(kind="add_tag", tag=body.tag, position=body.position)
    attempt = _attempt(caller, idempotency_key, "add-tag", dataset_id, body)
    return reviewing.edit(caller, dataset_id, action, attempt, dry_run=body.dry_run)


@router.post(f"{_CAPTIONS}/remove-tag", tags=["Captions"], operation_id="removeTag")
def remove_tag(
    caller: CurrentCaller,
    dataset_id: str,
    body: TagToRemove,
    idempotency_key: IdempotencyKey = None,
) -> CaptionEdit:
    """Remove a tag from all captions.

    Wherever it is a whole tag of the first line.
    """
    action = Action(kind="remove_tag", tag=body.tag)
    attempt = _attempt(caller, idempotency_key, "remove-tag", dataset_id, body)
    return reviewing.edit(caller, dataset_id, action, attempt, dry_run=body.dry_run)


@router.get(f"{_CAPTIONS}/edit", tags=["Captions"], operation_id="getCaptionEdit")
def get_caption_edit(caller: CurrentCaller, dataset_id: str) -> CaptionEdit:
    """Read the last change of all captions.

    How far it is, what it changed and what it had to skip.
    """
    return reviewing.last_edit(caller, dataset_id)


@router.get(_PROPOSALS, tags=["Captions"], operation_id="listProposals")
def list_proposals(
    caller: CurrentCaller, dataset_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[ProposedCaption]:
    """List proposed captions.

    What a training with `captioning` proposed, each with the caption as it stands. Nothing of it
    is taken until it is accepted.
    """
    return reviewing.proposal_page(caller, dataset_id, limit, cursor)


@router.post(f"{_PROPOSALS}/accept", tags=["Captions"], operation_id="acceptProposals")
def accept_proposals(
    caller: CurrentCaller,
    dataset_id: str,
    body: ProposalChoice,
    idempotency_key: IdempotencyKey = None,
) -> ProposalOutcomes:
    """Accept proposed captions.

    Singly by `image_ids`, or `all`. A caption that was changed since it was tagged is a `conflict`
    and stays as it is; the earlier texts of the others are kept.
    """
    attempt = _attempt(caller, idempotency_key, "accept", dataset_id, body)
    return reviewing.accept(caller, dataset_id, body, attempt)


@router.post(f"{_PROPOSALS}/refuse", tags=["Captions"], operation_id="refuseProposals")
def refuse_proposals(
    caller: CurrentCaller,
    dataset_id: str,
    body: ProposalChoice,
    idempotency_key: IdempotencyKey = None,
) -> ProposalOutcomes:
    """Refuse proposed captions.

    Singly by `image_ids`, or `all`: they are dropped, and the captions stay as they are.
    """
    attempt = _attempt(caller, idempotency_key, "refuse", dataset_id, body)
    return reviewing.refuse(caller, dataset_id, body, attempt)


def _attempt(
    caller: Caller, key: str | None, verb: str, dataset_id: str, body: BaseModel
) -> Attempt:
    return Attempt.of(caller.workspace, key, f"{verb} {dataset_id}", body)
