"""What the service publishes of itself: files that synthesis wrote, sent as they are.

They lie beside `lambdas/` in the zip as in a checkout, see infrastructure/published.py.
"""

import json
from functools import cache
from http import HTTPStatus
from pathlib import Path

from aws_lambda_powertools.event_handler import Response

from lambdas.core import entity_tags

FOLDER = Path(__file__).parents[2] / "build" / "published"


def answer(name: str, if_none_match: str | None) -> Response[str]:
    """Return a file, or 304 without it where the client has it already."""
    # In lower case: Powertools would take the text of what it finds under Content-Type for an
    # object, and write it as JSON once more.
    headers = {key.lower(): value for key, value in _headers(name).items()}
    if entity_tags.names(if_none_match, headers["etag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers, body="")
    return Response(status_code=HTTPStatus.OK, headers=headers, body=_text(name))


@cache
def _headers(name: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(_text("headers.json"))[name]
    return found


@cache
def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
