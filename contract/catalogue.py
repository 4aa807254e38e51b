"""`docs/guides/errors.md`: every code that the API answers, made from the sources."""

import ast
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus

from contract import raised
from contract.codes import CODES
from contract.document import contract
from contract.source import ROOT

_BORDER = (
    "lambdas.core.http.handler_of",
    "lambdas.core.caller.admit",
    "lambdas.core.problems.no_such_route",
    "lambdas.core.problems.as_service_error",
    "lambdas.core.problems.try_again",
)
_HEAD = """\
# Errors

Whatever goes wrong is answered as a problem (RFC 9457) with `Content-Type:
application/problem+json`:

```json
{
  "type": "about:blank",
  "title": "Unprocessable Entity",
  "status": 422,
  "code": "validation_failed",
  "detail": "2 fields of the request will not do.",
  "errors": [
    {"pointer": "/name", "message": "is required"},
    {"pointer": "query:limit", "message": "should be less than or equal to 100"}
  ],
  "request_id": "9d1d2f0e-7c0a-4f55-9d83-0b1b1c1f2a61"
}
```

- `code` is stable and for programs. A client that meets one it does not know goes by `status`.
- `detail` and `message` are for people and may be reworded at any time.
- `errors` has every fault of the request at once. A `pointer` leads into the body (RFC 6901); one
  of the form `query:limit` or `header:Idempotency-Key` names a parameter.
- `request_id` finds the request in the logs of whoever runs the service. Nothing else of the inside
  is ever told.
- After 409, 429 or 503 with `Retry-After`, the same request may be sent again after so many
  seconds; after 500, 503 and 504 with the same `Idempotency-Key`, so that nothing is made twice.
- What another workspace owns is answered like what does not exist: 404.
- An `Accept` header is not held against a client: what there is, is sent as JSON.

What a training failed of is told in the training (`failure.code`, see
[trainings.md](trainings.md)), what is wrong with files in a dataset's report and a model's
`invalid_reason` (see [datasets.md](datasets.md) and [models.md](models.md)).

This page is made from the sources by `make openapi`.
"""


def guide() -> str:
    """Return the guide as Markdown."""
    parts = [_HEAD]
    for status in sorted({status for status, _ in answered()}):
        parts.append(f"\n## {status} {HTTPStatus(status).phrase}\n")
        parts.append("| Code | When | What to do |\n|---|---|---|")
        parts += [_row(code) for found, code in sorted(answered()) if found == status]
    return "\n".join(parts) + "\n"


@cache
def answered() -> frozenset[tuple[int, str]]:
    """Return status and code of every problem that a route, its border or the gateway answers."""
    return frozenset({*_of_routes(), *_of_borders(), *_of_gateway()})


def _of_routes() -> Iterator[tuple[int, str]]:
    document = contract()
    shared = document["components"]["responses"]
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                name = response.get("$ref", "").rpartition("/")[2]
                told = shared[name] if name else response
                yield from ((int(status), code) for code in told.get("x-problem-codes", []))


def _of_borders() -> Iterator[tuple[int, str]]:
    for function in _BORDER:
        yield from ((one.status, one.code) for one in raised.by(function))


def _of_gateway() -> Iterator[tuple[int, str]]:
    """Yield what the gateway answers: each `Answer(status, code, ...)` of its source."""
    tree = ast.parse((ROOT / "infrastructure/gateway_responses.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Answer":
            status, code = node.args[:2]
            told = [one.value for one in (status, code) if isinstance(one, ast.Constant)]
            if len(told) == 2 and not str(told[1]).startswith("$"):  # else it repeats another
                yield int(str(told[0])), str(told[1])


def _row(code: str) -> str:
    meaning = CODES[code]
    return f"| `{code}` | {meaning.when} | {meaning.remedy} |"
