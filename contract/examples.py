"""The examples of the document: what a test recorded of the handlers, put beside the schemas."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("examples.json")


def give(operation: dict[str, Any]) -> None:
    """Put request and answer of an operation's example where they belong."""
    example = _recorded().get(operation["operationId"], {})
    if "request" in example and "requestBody" in operation:
        operation["requestBody"]["content"]["application/json"]["example"] = example["request"]
    if "response" in example:
        response = operation["responses"][str(example["status"])]
        response["content"]["application/json"]["example"] = example["response"]


@cache
def _recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8")) if _FILE.exists() else {}
    return found
