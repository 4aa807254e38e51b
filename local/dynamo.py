"""DynamoDB tables of moto whose content is kept in a journal.

What the journal keeps is the changed items, not the requests: to read it back is to put items
into a table, with no expression to evaluate and no clock to be right. moto cannot undo a failed
transaction cheaply (it copies the whole table first, 90 ms at 500 items), so this module puts the
touched items back itself.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from local.intrinsics import ACCOUNT, REGION
from local.journal import Journal

Attributes = Mapping[str, Any]
Change = tuple[str, Attributes, Attributes | None]  # table, key, the item afterwards or None

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
LONGEST_JOURNAL = 20_000


class KeptTable(Table):
    """A table of moto that reads one partition at a time and is never copied as a whole."""

    _partition: DynamoType | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "KeptTable":
        """Itself: the only caller is moto's transaction, which `Tables.write` undoes instead."""
        return self

    def query(self, hash_key: DynamoType | None, *args: Any, **kwargs: Any) -> Any:
        """Answer a Query; one on the table itself looks at its partition alone."""
        index = kwargs.get("index_name", args[6] if len(args) > 6 else None)
        self._partition = None if index else hash_key
        try:
            return super().query(hash_key, *args, **kwargs)
        finally:
            self._partition = None

    def all_items(self) -> list[Item]:
        """Every item, or those of the partition that a Query is looking at."""
        if self._partition is None:
            return super().all_items()
        found: Any = self.items.get(self._partition, {})
        if self.has_range_key:
            return list(found.values())
        return [found] if found else []

    def key_of(self, item: Attributes) -> Attributes:
        """The key attributes of an item."""
        return {name: item[name] for name in self.table_key_attrs if name in item}

    def current(self, key: Attributes) -> Attributes | None:
        """The item with this key in DynamoDB's JSON, or None."""
        item = self.get_item(*self._typed(key))
        return item.to_json()["Attributes"] if item else None

    def replace(self, key: Attributes, item: Attributes | None) -> None:
        """Make the item with this key be this one, or be absent."""
        if item is None:
            self.delete_item(*self._typed(key))
        else:
            self.put_item(dict(item), overwrite=True)

    def _typed(self, key: Attributes) -> tuple[DynamoType, DynamoType | None]:
        hash_key = DynamoType(key[self.hash_key_attr])
        return hash_key, DynamoType(key[self.range_key_attr]) if self.range_key_attr else None


class Tables:
    """The tables of the template. Calls must come one at a time: moto isolates nothing."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._tables: dict[str, KeptTable] = {}
        self._ttl: dict[str, str | None] = {}

    def create(self, request: Mapping[str, Any], ttl_attribute: str | None) -> None:
        """Make a table as CreateTable would; items that its TTL attribute calls dead stay out."""
        backend = dynamodb_backends[ACCOUNT][REGION]
        table = KeptTable(  # type: ignore[abstract]
            request["TableName"],
            account_id=ACCOUNT,
            region=REGION,
            schema=request["KeySchema"],
            attr=request["AttributeDefinitions"],
            billing_mode="PAY_PER_REQUEST",
            global_indexes=request.get("GlobalSecondaryIndexes"),
            indexes=request.get("LocalSecondaryIndexes"),
        )
        if ttl_attribute:
            table.ttl = {"TimeToLiveStatus": "ENABLED", "AttributeName": ttl_attribute}
        backend.tables[table.name] = table
        self._tables[table.name] = table
        self._tables[table.table_arn] = table
        self._ttl[table.name] = ttl_attribute

    def load(self) -> None:
        """Read the journal into the tables and write it anew, without what is past."""
        for record in self._journal.read():
            for name, key, item in record:
                if name in self._tables:
                    self._tables[name].replace(key, item)
        self._drop_expired()
        self._journal.rewrite(self._contents())

    def write(self, operation: str, body: Mapping[str, Any], act: Callable[[], bool]) -> bool:
        """Carry out a writing request with `act`, which says whether it succeeded.

        A success is in the journal when this returns; a failure leaves every item as it was.
        """
        touched = list(_touched(self._tables, operation, body))
        put_back = _as_it_is(touched)
        succeeded = False
        try:
            succeeded = act()
        finally:
            if not succeeded:
                put_back()
        if not succeeded:
            return False
        self._journal.append([(table.name, key, table.current(key)) for table, key in touched])
        if self._journal.lines > LONGEST_JOURNAL + 2 * self._item_count():
            self._journal.rewrite(self._contents())
        return True

    def _drop_expired(self) -> None:
        now = time.time()
        for name, attribute in self._ttl.items():
            table = self._tables[name]
            for item in table.all_items() if attribute else []:
                expiry = item.attrs.get(attribute or "")
                if expiry is not None and expiry.type == "N" and float(expiry.value) < now:
                    table.delete_item(item.hash_key, item.range_key)

    def _contents(self) -> Iterator[list[Change]]:
        for name in self._ttl:
            table = self._tables[name]
            for item in table.all_items():
                attributes = item.to_json()["Attributes"]
                yield [(name, table.key_of(attributes), attributes)]

    def _item_count(self) -> int:
        return sum(len(self._tables[name]) for name in self._ttl)


def before(table: KeptTable, operation: str, body: Mapping[str, Any]) -> Callable[[], None]:
    """Return what makes the items that a request touches be what they are now."""
    return _as_it_is(_touched({table.name: table}, operation, body))


def _as_it_is(touched: Iterable[tuple[KeptTable, Attributes]]) -> Callable[[], None]:
    known = [(table, key, table.current(key)) for table, key in touched]

    def put_back() -> None:
        for table, key, item in known:
            table.replace(key, item)

    return put_back


def _touched(
    tables: Mapping[str, KeptTable], operation: str, body: Mapping[str, Any]
) -> Iterator[tuple[KeptTable, Attributes]]:
    for name, part in _parts(operation, body):
        table = tables.get(name)
        key = table.key_of(part.get("Key") or part.get("Item") or {}) if table else {}
        if table and len(key) == len(table.table_key_attrs):
            yield table, key


def _parts(operation: str, body: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The single writes in a request: the table's name, and what holds `Key` or `Item`."""
    if operation == "TransactWriteItems":
        parts = [part for entry in body.get("TransactItems", []) for part in entry.items()]
        return [(part["TableName"], part) for kind, part in parts if kind != "ConditionCheck"]
    if operation == "BatchWriteItem":
        tables = body.get("RequestItems", {}).items()
        return [(name, part) for name, entries in tables for e in entries for part in e.values()]
    return [(body.get("TableName", ""), body)]
