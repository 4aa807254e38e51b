"""The routes of captions."""

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from lambdas.core.caller import CurrentCaller
from lambdas.datasets import captions
from lambdas.datasets.caption_schema import (
    Caption,
    CaptionOutcomes,
    CaptionVersions,
    CaptionWrites,
    NewCaption,
    TagCounts,
)
from lambdas.datasets.preconditions import IfMatch, IfNoneMatch, Precondition, quoted

router = Router()  # type: ignore[no-untyped-call]

TagLimit = Annotated[int, Query(ge=1, le=1000, description="How many tags to answer at most.")]

_ONE = "/datasets/<dataset_id>/images/<image_id>/caption"


@router.get(_ONE, tags=["Captions"], operation_id="getCaption")
def get_caption(caller: CurrentCaller, dataset_id: str, image_id: str) -> Response[Caption]:
    """Read a caption.

    Its ETag is what `If-Match` wants when it is written.
    """
    return _with_etag(captions.read(caller, dataset_id, image_id))


@router.put(_ONE, tags=["Captions"], operation_id="putCaption")
def put_caption(
    caller: CurrentCaller,
    dataset_id: str,
    image_id: str,
    body: NewCaption,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[Caption]:
    """Write a caption.

    With `If-Match` and the ETag of the caption that it replaces: 412 where someone else changed it
    meanwhile, 428 where there is one and `If-Match` is missing. The file that trainings read is
    replaced before the answer, and the earlier text is kept. A text that stands there already is
    success whatever `If-Match` says, so that a request may be repeated.
    """
    held = Precondition(if_match, if_none_match)
    return _with_etag(captions.write(caller, dataset_id, image_id, body.text, held))


@router.get(f"{_ONE}/versions", tags=["Captions"], operation_id="listCaptionVersions")
def list_caption_versions(caller: CurrentCaller, dataset_id: str, image_id: str) -> CaptionVersions:
    """Read the earlier texts of a caption.

    The newest 20, with who replaced them and when. To restore one, write it.
    """
    return captions.versions(caller, dataset_id, image_id)


@router.put("/datasets/<dataset_id>/captions", tags=["Captions"], operation_id="putCaptions")
def put_captions(caller: CurrentCaller, dataset_id: str, body: CaptionWrites) -> CaptionOutcomes:
    """Write many captions.

    Each with the `etag` of the caption that it replaces. Faults (an image that does not exist, a
    text that won't do, an etag that is missing) are told all at once, and nothing is written then.
    A caption that someone else changed meanwhile is answered as a `conflict` with what stands
    there; all others are written. Where a request breaks off, some are written and some not:
    send it again, and what is written already is `unchanged`.
    """
    return captions.write_many(caller, dataset_id, body)


@router.get("/datasets/<dataset_id>/tags", tags=["Captions"], operation_id="countTags")
def count_tags(caller: CurrentCaller, dataset_id: str, limit: TagLimit = 200) -> TagCounts:
    """Count the tags of a dataset.

    The words between commas in the first line of each caption, the most frequent first.
    """
    return captions.tags(caller, dataset_id, limit)


def _with_etag(caption: Caption) -> Response[Any]:
    return Response(
        status_code=HTTPStatus.OK,
        content_type="application/json",
        body=caption,
        headers={"ETag": quoted(caption.etag)},
    )
