"""What the contract says of reads and no route declares: sparse fields, and what is not modified.

`core/reads.py` serves it for all rooms, so it is described for all here.
"""

import inspect
import typing
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel

from lambdas.core import reads as served

_FIELDS = {
    "name": served.FIELDS,
    "in": "query",
    "required": False,
    "style": "form",
    "explode": False,
    "description": "Only these fields of each entry, with commas between: `id,name,status`. The "
    f"answer is {served.SPARSE} then.",
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "title": "If-None-Match"},
    "description": "The ETag of what you have: the answer is 304 without a body while that still "
    "stands. Where it has a download URL, that has half an hour left at least.",
}
_ETAG = {
    "description": "How it stands, for If-Match and If-None-Match.",
    "schema": {"type": "string"},
}
_SPARSE_PAGE = {
    "type": "object",
    "title": "SparsePage",
    "description": "The same list; its entries have only the fields that were asked for.",
    "properties": {
        "data": {"type": "array", "items": {"type": "object", "additionalProperties": True}}
    },
    "required": ["data"],
    "additionalProperties": True,
}


def describe(operation: dict[str, Any], method: str, route: Callable[..., Any]) -> None:
    """Add to an operation what holds for all reads of its kind."""
    if method != "get":
        return
    if entry := served.entry_of(route):
        operation.setdefault("parameters", []).append(_fields_of(entry))
        operation["responses"]["200"]["content"][served.SPARSE] = {"schema": dict(_SPARSE_PAGE)}
    if _has_an_etag(route):
        given = operation.setdefault("parameters", [])
        if all(one["name"].lower() != "if-none-match" for one in given):
            given.append(dict(_IF_NONE_MATCH))
        operation["responses"]["200"].setdefault("headers", {})["ETag"] = dict(_ETAG)
        operation["responses"]["304"] = {
            "description": "What you have still stands.",
            "headers": {"ETag": dict(_ETAG)},
        }


def _fields_of(entry: type[BaseModel]) -> dict[str, Any]:
    names = {"type": "string", "enum": served.names_of(entry)}
    return _FIELDS | {"schema": {"type": "array", "minItems": 1, "items": names}}


def _has_an_etag(route: Callable[..., Any]) -> bool:
    # A read answers a Response of its own for the sake of this header alone.
    answered = inspect.get_annotations(route, eval_str=True).get("return")
    return typing.get_origin(answered) is Response
