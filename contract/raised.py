"""Which problems an operation can answer, read from the sources and never listed by hand."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from contract import source
from contract.source import Definition, dotted
from lambdas.core import errors, problems
from lambdas.core.errors import ServiceError

_ERRORS = {f"{errors.__name__}.{error.__name__}": error for error in ServiceError.__subclasses__()}
# Where a code is no constant it was given to one of these, as its n-th argument.
_CARRIERS = {
    "lambdas.models.safetensors.NotSafetensors": 0,
    "lambdas.models.verdict.invalid": 1,
    "lambdas.models.remote_http.no_file": 1,
}
_AWS = "lambdas.core.aws."
_RESPONSE = "aws_lambda_powertools.event_handler.Response"
_CREATED = {"lambdas.core.http.created", "lambdas.core.http.accepted"}


@dataclass(frozen=True, order=True)
class Raised:
    """A problem by its HTTP status and code, and the headers that come with it."""

    status: int
    code: str
    headers: tuple[str, ...] = ()


UNAVAILABLE = Raised(503, "unavailable", ("Retry-After",))


@cache
def by(function: str) -> frozenset[Raised]:
    """Return what can be raised in a function, by its dotted name, and in all that it calls."""
    found: set[Raised] = set()
    carried: set[str] = set()
    passed_on: set[Raised] = set()
    for definition in source.read().reached(function):
        if definition.name.startswith(_AWS):
            found.add(UNAVAILABLE)  # `problems.try_again`, at the border
        for one in _made(definition):
            (found if one.code else passed_on).add(one)
        carried |= _carried(definition)
    of_carried = {Raised(one.status, code, one.headers) for one in passed_on for code in carried}
    return frozenset(found | of_carried)


@cache
def success_headers(function: str) -> frozenset[str]:
    """Return the names of the headers that the answers of a route have."""
    found: set[str] = set()
    for definition in source.read().reached(function):
        for call in _calls(definition):
            called = dotted(call.func, definition.names)
            given = {one.arg: one.value for one in call.keywords}
            if called == _RESPONSE:
                found.update(_keys(given.get("headers")))
            if called in _CREATED:
                found.add("Location")
                found |= {"Idempotent-Replayed"} if "replayed" in given else set()
    return frozenset(found)


def _made(definition: Definition) -> Iterator[Raised]:
    for call in _calls(definition):
        error = _ERRORS.get(dotted(call.func, definition.names) or "")
        if error:
            given = {one.arg: one.value for one in call.keywords}
            code = _code(given["code"]) if "code" in given else error.default_code
            yield Raised(int(problems.STATUS_OF[error]), code, _keys(given.get("headers")))


def _code(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ""


def _keys(node: ast.expr | None) -> tuple[str, ...]:
    if not isinstance(node, ast.Dict):
        return ()
    return tuple(str(one.value) for one in node.keys if isinstance(one, ast.Constant))


def _carried(definition: Definition) -> set[str]:
    found: set[str] = set()
    for call in _calls(definition):
        place = _CARRIERS.get(dotted(call.func, definition.names) or "")
        if place is not None:
            found.add(_code(call.args[place]))
    return found - {""}


def _calls(definition: Definition) -> Iterator[ast.Call]:
    if not isinstance(definition.node, ast.ClassDef):  # its methods are definitions themselves
        yield from (one for one in ast.walk(definition.node) if isinstance(one, ast.Call))
