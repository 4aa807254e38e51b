"""A DynamoDB to measure against: dynalite (npm), its calls and capacity units counted.

dynalite has no TransactWriteItems, so a transaction's writes are made one by one here, each with
its condition.
"""

import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.npm import installed
from local.demo import engine
from local.template import Template

VERSION = "4.0.0"
_READY_SECONDS = 30
_ITEMS_AT_ONCE = 25  # BatchWriteItem's limit
_CALLS = {
    "Put": "put_item",
    "Update": "update_item",
    "Delete": "delete_item",
    "ConditionCheck": "get_item",
}


@contextmanager
def dynalite(folder: Path) -> Iterator[str]:
    """Run an empty one, installed into the folder; yield its URL."""
    program = installed(folder, "dynalite", VERSION, "cli.js")
    data = folder / "dynalite-data"
    shutil.rmtree(data, ignore_errors=True)
    port = _free_port()
    command = ["node", str(program), "--port", str(port), "--path", str(data)]
    process = subprocess.Popen([*command, "--createTableMs", "0"], stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)
        shutil.rmtree(data, ignore_errors=True)


def create_table(client: Any, name: str) -> None:
    """Make the table of the synthesized template, with its indexes."""
    (table,) = Template.load(engine.ROOT / "cdk.out").tables
    client.create_table(**{**table.create, "TableName": name})


def fill(client: Any, table: str, items: Iterable[dict[str, Any]]) -> None:
    """Put items, given in DynamoDB's JSON."""
    batch: list[dict[str, Any]] = []
    for item in items:
        batch.append({"PutRequest": {"Item": item}})
        if len(batch) == _ITEMS_AT_ONCE:
            client.batch_write_item(RequestItems={table: batch})
            batch = []
    if batch:
        client.batch_write_item(RequestItems={table: batch})


@dataclass
class Metered:
    """A DynamoDB client that counts calls and consumed capacity units."""

    client: Any
    calls: Counter[str] = field(default_factory=Counter)
    units: float = 0.0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The operation, counted."""

        def call(**request: Any) -> Any:
            self.calls[name] += 1
            answer = getattr(self.client, name)(**request, ReturnConsumedCapacity="TOTAL")
            told = answer.get("ConsumedCapacity", {})
            for one in told if isinstance(told, list) else [told]:
                self.units += one.get("CapacityUnits", 0.0)
            return answer

        return call

    def transact_write_items(self, **request: Any) -> None:
        """The writes one by one; a condition on an item that is not written costs its read."""
        for single in request["TransactItems"]:
            ((kind, body),) = single.items()
            if kind == "ConditionCheck":
                body = {name: body[name] for name in ("TableName", "Key")}
            known = {n: v for n, v in body.items() if n != "ReturnValuesOnConditionCheckFailure"}
            getattr(self, _CALLS[kind])(**known)

    def taken(self) -> tuple[int, float]:
        """Calls and units since this was last asked."""
        taken = sum(self.calls.values()), self.units
        self.calls.clear()
        self.units = 0.0
        return taken


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
