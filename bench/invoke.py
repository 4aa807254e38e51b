"""One function in a fresh process, as after a cold start: import it, call it twice, say the time.

Reads {"handler": "lambdas.x.handler", "event": {...}} from standard input and prints one line of
JSON: seconds of the import, of the first and of the second call, and the AWS calls of the first.
"""

import importlib
import json
import sys
import time
from types import SimpleNamespace
from typing import Any

CONTEXT = SimpleNamespace(
    function_name="bench",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:bench",
    aws_request_id="bench",
)


def main() -> None:
    """Measure what standard input asks for."""
    asked = json.load(sys.stdin)
    calls: list[str] = []
    began = time.perf_counter()
    handler = importlib.import_module(asked["handler"]).handler
    imported = time.perf_counter()
    _count_calls(calls)
    first = handler(asked["event"], CONTEXT)
    answered = time.perf_counter()
    of_first = list(calls)
    handler(asked["event"], CONTEXT)
    told = {
        "import": imported - began,
        "first": answered - imported,
        "second": time.perf_counter() - answered,
        "calls": of_first,
        "status": (first or {}).get("statusCode"),
    }
    print(f"\n{json.dumps(told)}")


def _count_calls(calls: list[str]) -> None:
    from lambdas.core import aws

    def note(model: Any, **_: Any) -> None:
        calls.append(model.name)

    aws._session().register("before-call", note)


if __name__ == "__main__":
    main()
