"""moto's DynamoDB with less of its way there and back, for local mode and the unit tests.

Of a call on an item, four fifths of the time go to reading HTTP and writing it, to searching the
other spellings that a value might have, and to parsing an expression that was parsed before. What
the call does is moto's own code all the same.
"""

import copy
import inspect
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from moto.core import responses
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.core.serialize import JSONSerializer
from moto.core.utils import camelcase_to_underscores
from moto.dynamodb.parsing import validators
from moto.dynamodb.parsing.ast_nodes import Expression  # type: ignore[attr-defined]
from moto.dynamodb.parsing.expressions import (  # type: ignore[attr-defined]
    UpdateExpressionParser,
)
from moto.dynamodb.responses import DynamoHandler
from werkzeug.exceptions import HTTPException

ON_ITEMS = frozenset(
    {
        *("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query"),
        *("BatchGetItem", "BatchWriteItem", "TransactWriteItems"),
    }
)
_AS_THEY_ARE = {"S", "N", "BOOL", "NULL", "SS", "NS"}


@dataclass(frozen=True)
class ItemAnswer:
    """What DynamoDB answers: a status of HTTP and JSON."""

    status: int
    body: str


def answer(operation: str, request: Mapping[str, Any], account: str, region: str) -> ItemAnswer:
    """Have moto carry out a call on items."""
    handler = DynamoHandler()
    handler.body = handler.params = request
    handler.region, handler.current_account = region, account
    handler.headers = {
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "Content-Type": "application/x-amz-json-1.0",
    }
    handler.response_headers, handler.querystring = {}, {}
    try:
        done = getattr(handler, camelcase_to_underscores(operation))()
    except ServiceException as error:
        done = ActionResult(error)
    except HTTPException as error:
        return ItemAnswer(int(error.code or 400), str(error.description))
    status, _, body = handler.serialized(done)
    return ItemAnswer(int(status), str(body))


@cache
def quicken() -> None:
    """Spare moto what it does again and again; what it answers stays the same."""
    _serialize_attribute_values_as_kept()
    responses.method_names_from_class = cache(_method_names)  # type: ignore
    parse = UpdateExpressionParser.make
    UpdateExpressionParser.make = lru_cache(1000)(parse)
    validators.deepcopy = _copied  # type: ignore


def _method_names(kind: type) -> frozenset[str]:
    return frozenset(name for name, _ in inspect.getmembers(kind, inspect.isfunction))


def _copied(what: Any) -> Any:
    """A copy; of an expression in a seventh of the time."""
    if isinstance(what, Expression):
        return pickle.loads(pickle.dumps(what, pickle.HIGHEST_PROTOCOL))  # noqa: S301 - our own
    return copy.deepcopy(what)


def _serialize_attribute_values_as_kept() -> None:
    """Answer a value that moto keeps as it is: that is what goes over the wire."""
    slowly = JSONSerializer._serialize_type_structure

    def serialize(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if key and shape.name == "AttributeValue" and _is_plain(value):
            serialized[key] = value
        else:
            slowly(self, serialized, value, shape, key)

    JSONSerializer._serialize_type_structure = serialize  # type: ignore[method-assign]


def _is_plain(value: Any) -> bool:
    """Say whether it is a value in DynamoDB's JSON that holds no bytes."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    [(kind, held)] = value.items()
    if kind == "M":
        return all(_is_plain(one) for one in held.values())
    if kind == "L":
        return all(_is_plain(one) for one in held)
    return kind in _AS_THEY_ARE
