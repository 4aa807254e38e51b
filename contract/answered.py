"""What answers hold: every field of theirs is always there, if only as null."""

from collections.abc import Iterator
from typing import Any

_HERE = "#/components/schemas/"


def require_all(document: dict[str, Any]) -> None:
    """Say of what is only ever answered that all its fields are there.

    Models say which fields a reader of the table may lack; answers are written with all of them.
    Generators of clients make `string | null` of such a field, not one that may be missing. Fields
    may be added to answers, so none is closed to them.
    """
    schemas = document["components"]["schemas"]
    answered, asked = set[str](), set[str]()
    for path in document["paths"].values():
        for operation in path.values():
            answered |= _reached(operation["responses"], schemas)
            asked |= _reached(operation.get("requestBody", {}), schemas)
    for entry in document["webhooks"].values():
        answered |= _reached(entry["post"]["requestBody"], schemas)
    for response in document["components"]["responses"].values():
        answered |= _reached(response, schemas)
    for name in answered - asked:
        if "properties" in schemas[name]:
            schemas[name]["required"] = list(schemas[name]["properties"])
            schemas[name].pop("additionalProperties", None)  # fields may be added


def _reached(node: Any, schemas: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    ahead = [node]
    while ahead:
        for name in set(_named(ahead.pop())) - found:
            found.add(name)
            ahead.append(schemas[name])
    return found


def _named(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(_HERE):
            yield reference.removeprefix(_HERE)
    if isinstance(node, dict | list):
        for one in node.values() if isinstance(node, dict) else node:
            yield from _named(one)
