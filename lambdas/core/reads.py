"""What holds for the requests of all rooms: known query parameters, sparse fields, not modified.

It stands around the routes, behind the validation of the request and around that of the answer.
"""

import difflib
import json
import typing
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lambdas.core import entity_tags
from lambdas.core.errors import Fault, Unprocessable

FIELDS = "fields"
SPARSE = "application/vnd.lorastack.sparse+json"  # what it is, so that it breaks no schema
_ORDERS = {"sort", "sort_by", "order", "order_by", "orderby", "sortby"}
Next = Callable[[APIGatewayRestResolver], Response[Any]]


def around(app: APIGatewayRestResolver, go_on: Next) -> Response[Any]:
    """Hold a request to what its route knows, and give the answer the form that was asked for.

    Raises Unprocessable for query parameters or fields that do not exist.
    """
    faults = faults_of_query(app)
    if faults:
        raise Unprocessable("Some of what the query asks for does not exist.", faults=faults)
    response = go_on(app)
    if _is_known_already(app, response):
        headers = dict(response.headers)
        return Response(status_code=HTTPStatus.NOT_MODIFIED, body=None, headers=headers)
    wanted = _given(app).get(FIELDS)
    if wanted is not None and isinstance(response.body, dict) and "data" in response.body:
        return _sparse(response, response.body, _listed(wanted))
    return response


def faults_of_query(app: APIGatewayRestResolver) -> list[Fault]:
    """Return what is wrong with the names in a request's query: none is silently passed over.

    Where there is no such route, or no such method of one, that is what is to be told.
    """
    route = app.context["_route"]
    if route.func.__module__.startswith("aws_lambda_powertools"):
        return []
    entry = entry_of(route.func) if route.method == "GET" else None
    known = [param.alias for param in route.dependant.query_params]
    known += [FIELDS] if entry else []
    given = _given(app)
    faults = [
        _unknown(name, known, is_list=entry is not None) for name in given if name not in known
    ]
    if entry and FIELDS in given:
        faults += _faults_of_fields(given[FIELDS], names_of(entry))
    return faults


@cache
def entry_of(route: Callable[..., Any]) -> type[BaseModel] | None:
    """Return what the list that a route answers consists of; None where it answers no list."""
    answered = typing.get_type_hints(route).get("return")
    data = getattr(answered, "model_fields", {}).get("data")
    entries = typing.get_args(data.annotation) if data else ()
    return entries[0] if entries else None


def names_of(entry: type[BaseModel]) -> list[str]:
    """Return the fields of an entry, as they are told."""
    fields: dict[str, FieldInfo] = entry.model_fields
    return [field.serialization_alias or field.alias or name for name, field in fields.items()]


def _given(app: APIGatewayRestResolver) -> dict[str, str]:
    return app.current_event.query_string_parameters or {}


def _listed(wanted: str) -> list[str]:
    return [name for one in wanted.split(",") if (name := one.strip())]


def _sparse(response: Response[Any], whole: dict[str, Any], names: Sequence[str]) -> Response[Any]:
    body = whole | {"data": [_only(one, names) for one in whole["data"]]}
    return Response(
        status_code=response.status_code,
        content_type=SPARSE,
        # Powertools serialises what is application/json alone.
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        headers={k: v for k, v in response.headers.items() if k.lower() != "content-type"},
    )


def _only(entry: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: entry[name] for name in names if name in entry}


def _unknown(name: str, known: Sequence[str], *, is_list: bool) -> Fault:
    there_are = f"there are {', '.join(known)}" if known else "there are none"
    text = f"is no parameter of this route, {there_are}{_did_you_mean(name, known)}"
    if is_list and name.lower() in _ORDERS:
        text = f"is no parameter: lists have one order, which can't be chosen; {there_are}"
    return Fault(f"query:{name[:50]}", text)


def _faults_of_fields(wanted: str, known: Sequence[str]) -> list[Fault]:
    names = _listed(wanted)
    pointer = f"query:{FIELDS}"
    if not names:
        return [Fault(pointer, f"name some, with commas between: {', '.join(known)}")]
    return [
        Fault(
            pointer,
            f"there is no field {name[:50]}: there are {', '.join(known)}"
            f"{_did_you_mean(name, known)}",
        )
        for name in dict.fromkeys(names)
        if name not in known
    ]


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower()[:50], list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _is_known_already(app: APIGatewayRestResolver, response: Response[Any]) -> bool:
    tag = response.headers.get("ETag")
    asked = app.current_event.headers.get("If-None-Match")
    if app.current_event.http_method != "GET" or not isinstance(tag, str):
        return False
    return entity_tags.names(asked, tag)
