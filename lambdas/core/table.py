"""The one DynamoDB table: items as plain dicts, conditions in DynamoDB's own words, no Scan.

In an expression `#name` stands for the attribute `name` and `:value` for an entry of `values`;
the maps that DynamoDB wants are made here.
"""

import random
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.core import aws, companion
from lambdas.core.attributes import Item, decode_item, encode, encode_item
from lambdas.core.errors import Unavailable
from lambdas.core.observability import logger
from lambdas.core.settings import Settings

# Reasons for which a whole transaction is to be tried again, see
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_TRANSIENT = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_TRANSIENT_ERRORS = {"TransactionConflictException", "TransactionInProgressException"}
_ATTEMPTS = 8
_MOST_IN_BATCH = 25
_WHOLE_PAGE = 10_000
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Key:
    """The primary key of an item."""

    pk: str
    sk: str


class ConditionFailed(Exception):
    """A condition did not hold: `found` has what lay there, by the index of the write it stopped.

    None stands for no item. A write that failed no condition of its own is absent.
    """

    def __init__(self, found: Mapping[int, Item | None]) -> None:
        super().__init__(f"condition failed for write {sorted(found)}")
        self.found = dict(found)


@dataclass(frozen=True)
class Put:
    """Write an item whole; by default only where none is."""

    item: Item
    condition: str | None = "attribute_not_exists(#pk)"
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Update:
    """Change attributes of the item at `key`: `expression` as in UpdateExpression."""

    key: Key
    expression: str
    values: Mapping[str, Any] = field(default_factory=dict)
    condition: str | None = "attribute_exists(#pk)"


@dataclass(frozen=True)
class Delete:
    """Remove the item at `key`."""

    key: Key
    condition: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """Hold the whole transaction to a condition on an item that it does not write."""

    key: Key
    condition: str
    values: Mapping[str, Any] = field(default_factory=dict)


Write = Put | Update | Delete | Check


@dataclass(frozen=True)
class Page:
    """Items of one Query and the sort key from which the next goes on."""

    items: tuple[Item, ...]
    last: Key | None


def get(key: Key) -> Item | None:
    """Read one item as it stands: what was written a moment ago is seen."""
    answer = aws.dynamodb().get_item(TableName=_name(), Key=_encode_key(key), ConsistentRead=True)
    found = answer.get("Item")
    return None if found is None else decode_item(found)


def batch_get(keys: Iterable[Key]) -> dict[Key, Item]:
    """Read up to 100 items, as they stand, in one call; what does not exist is absent."""
    unique = list(dict.fromkeys(keys))
    request: Any = {_name(): {"Keys": [_encode_key(key) for key in unique], "ConsistentRead": True}}
    found: dict[Key, Item] = {}
    for attempt in range(_ATTEMPTS):
        answer = aws.dynamodb().batch_get_item(RequestItems=request)
        items = [decode_item(item) for item in answer["Responses"].get(_name(), [])]
        found |= {Key(item["pk"], item["sk"]): item for item in items}
        request = answer.get("UnprocessedKeys")
        if not request:
            return found
        _pause(attempt)
    raise busy()


def query(
    pk: str,
    *,
    limit: int,
    after: str | None = None,
    newest_first: bool = True,
    consistent: bool = False,
) -> Page:
    """Read one page of the items that share `pk`, in the order of their sort keys.

    `consistent`: what was written a moment ago is seen, for twice the price.
    """
    start = None if after is None else {"pk": pk, "sk": after}
    return _query("#pk = :pk", {"pk": pk}, limit, start, newest_first, consistent=consistent)


def query_facet(facet: str, *, limit: int, after: Key | None = None) -> Page:
    """Read one page of the items of a facet, newest first."""
    start = None if after is None else {"facet": facet, "pk": after.pk, "sk": after.sk}
    return _query("#facet = :facet", {"facet": facet}, limit, start, True, index="facets")


def query_times(
    pk: str, since: str, until: str, *, limit: int, after: Key | None = None, of_facet: bool = False
) -> Page:
    """Read one page of what has its sort key from `since` to `until`, newest first.

    `pk` is the partition's, or with `of_facet` the facet's.
    """
    name = "facet" if of_facet else "pk"
    start = None if after is None else {"pk": after.pk, "sk": after.sk} | {name: pk}
    return _query(
        f"#{name} = :{name} AND #sk BETWEEN :since AND :until",
        {name: pk, "since": since, "until": until},
        limit,
        start,
        True,
        index="facets" if of_facet else None,
    )


def query_due(shard: str, until: str, *, limit: int) -> Page:
    """Read what of a shard of the `open` index wants looking at by `until`."""
    return _query(
        "#open_shard = :shard AND #next_check_at <= :until",
        {"shard": shard, "until": until},
        limit,
        None,
        False,
        index="open",
    )


def _query(
    condition: str,
    values: Mapping[str, Any],
    limit: int,
    start: Item | None,
    newest_first: bool,
    index: str | None = None,
    *,
    consistent: bool = False,
) -> Page:
    request: Any = {
        "TableName": _name(),
        "KeyConditionExpression": condition,
        "Limit": limit,
        "ScanIndexForward": not newest_first,
        **_placeholders(condition, values),
    }
    if index:
        request["IndexName"] = index
    if consistent:
        request["ConsistentRead"] = True
    if start:
        request["ExclusiveStartKey"] = encode_item(start)
    answer = aws.dynamodb().query(**request)
    last = answer.get("LastEvaluatedKey")
    return Page(
        items=tuple(decode_item(item) for item in answer["Items"]),
        last=None if last is None else Key(last["pk"]["S"], last["sk"]["S"]),
    )


def query_all(pk: str) -> Iterator[Item]:
    """Yield all items that share `pk`, in the order of their sort keys, 1 MB to a call."""
    after: Key | None = None
    while True:
        start = None if after is None else {"pk": pk, "sk": after.sk}
        page = _query("#pk = :pk", {"pk": pk}, _WHOLE_PAGE, start, False)
        yield from page.items
        if page.last is None:
            return
        after = page.last


def put_all(items: Sequence[Item]) -> None:
    """Write items whole, 25 to a call and in no order, over whatever lay there."""
    _write_all([{"PutRequest": {"Item": encode_item(item)}} for item in items])


def delete_all(keys: Sequence[Key]) -> None:
    """Remove items, 25 to a call and in no order; one that is not there does as well."""
    _write_all([{"DeleteRequest": {"Key": _encode_key(key)}} for key in keys])


def _write_all(requests: Sequence[Item]) -> None:
    for first in range(0, len(requests), _MOST_IN_BATCH):
        _write_batch(requests[first : first + _MOST_IN_BATCH])


def _write_batch(requests: Sequence[Item]) -> None:
    request: Any = {_name(): requests}
    for attempt in range(_ATTEMPTS):
        request = aws.dynamodb().batch_write_item(RequestItems=request).get("UnprocessedItems")
        if not request:
            return
        _pause(attempt)
    raise busy()


def write(single: Write) -> None:
    """Carry out one write, trying again with jitter where a transaction holds the item.

    Raises ConditionFailed when its condition does not hold.
    """
    calls = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}
    ((kind, request),) = _request(single).items()
    _until_settled(lambda: getattr(aws.dynamodb(), calls[kind])(**request))


def write_if_quick(update: Update) -> None:
    """Carry out a change that may as well not be made: tried once, for half a second at most."""
    request: Any = _request(update)["Update"]
    try:
        aws.dynamodb_at_once().update_item(**request)
    except aws.ERRORS as error:
        logger.info("a change was passed over", reason=type(error).__name__)


def transact(writes: Sequence[Write]) -> None:
    """Carry out all writes or none, trying again with jitter where DynamoDB asks for it.

    The first one of a request takes the record of who made it along (`core/audit.py`). Raises
    ConditionFailed with what the writes found whose condition does not hold.
    """
    along = companion.waiting()
    requests: Any = [_request(single) for single in [*writes, *(along.writes() if along else ())]]
    # The same token in each try: one whose answer was lost counts as this one's success.
    token = uuid.uuid4().hex
    _until_settled(
        lambda: aws.dynamodb().transact_write_items(
            TransactItems=requests, ClientRequestToken=token
        )
    )
    if along:
        along.gone = True


def _until_settled(call: Callable[[], object]) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            call()
            return
        except ClientError as error:
            _raise_unless_transient(error)
            _pause(attempt)
    raise busy()


def busy() -> Unavailable:
    """Return the error for records that others change all the time."""
    return Unavailable(
        "The database is busy with the same records. Try again in a moment.",
        headers={"Retry-After": "1"},
    )


def _raise_unless_transient(error: ClientError) -> None:
    code = aws.error_code(error)
    if code in _TRANSIENT_ERRORS:
        return
    if code == "ConditionalCheckFailedException":
        raise ConditionFailed({0: _old_item(error.response)}) from error
    if code != "TransactionCanceledException":
        raise error
    reasons: Any = error.response.get("CancellationReasons", [])
    found = {
        index: _old_item(reason)
        for index, reason in enumerate(reasons)
        if reason.get("Code") == "ConditionalCheckFailed"
    }
    if found:
        raise ConditionFailed(found) from error
    if not _TRANSIENT & {reason.get("Code") for reason in reasons}:
        raise error


def _old_item(told: Mapping[str, Any]) -> Item | None:
    item = told.get("Item")
    return decode_item(item) if item else None


def _pause(attempt: int) -> None:
    # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    time.sleep(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.02 * 2**attempt)))  # noqa: S311


def _request(single: Write) -> dict[str, Any]:
    match single:
        case Put(item, condition, values):
            body: Item = {"Item": encode_item(item)}
            return {"Put": body | _conditioned(condition, values)}
        case Update(key, expression, values, condition):
            body = {"Key": _encode_key(key), "UpdateExpression": expression}
            return {"Update": body | _conditioned(condition, values, expression)}
        case Delete(key, condition, values):
            return {"Delete": {"Key": _encode_key(key)} | _conditioned(condition, values)}
        case Check(key, condition, values):
            body = {"Key": _encode_key(key)}
            return {"ConditionCheck": body | _conditioned(condition, values)}


def _conditioned(condition: str | None, values: Mapping[str, Any], update: str = "") -> Item:
    request = {"TableName": _name()} | _placeholders(f"{condition or ''} {update}", values)
    if condition:
        request |= {
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    return request


def _placeholders(expressions: str, values: Mapping[str, Any]) -> Item:
    names = {f"#{name}": name for name in re.findall(r"#(\w+)", expressions)}
    filled = {f":{name}": encode(value) for name, value in values.items()}
    return ({"ExpressionAttributeNames": names} if names else {}) | (
        {"ExpressionAttributeValues": filled} if filled else {}
    )


def _encode_key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _name() -> str:
    return Settings.load().table_name
