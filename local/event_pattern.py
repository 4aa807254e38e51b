"""EventBridge's event patterns.

moto has them too (a test holds the two together), but its import takes 0.9 s of the start and
60 MB in the process that serves the gateway.
Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

MISSING = object()
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}


class PatternError(Exception):
    """A pattern uses an operator that local mode does not know."""


def matches_event(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether an event fits a checked pattern: every field that the pattern names must."""
    return all(_field_fits(name, wanted, event) for name, wanted in pattern.items())


def check_pattern(pattern: Mapping[str, Any]) -> None:
    """Raise PatternError when a pattern uses an operator that is not known here."""
    for name, wanted in pattern.items():
        for part in [wanted] if isinstance(wanted, Mapping) else wanted:
            if name == "$or" or isinstance(wanted, Mapping):
                check_pattern(part)
            elif isinstance(part, Mapping):
                _check_operators(part)


def _check_operators(matcher: Mapping[str, Any]) -> None:
    for name, operand in matcher.items():
        if name not in OPERATORS:
            raise PatternError(f"the event pattern operator {name!r} is not known to local mode")
        if name == "anything-but" and isinstance(operand, Mapping):
            _check_operators(operand)


def _field_fits(name: str, wanted: Any, event: Mapping[str, Any]) -> bool:
    if name == "$or":
        return any(matches_event(alternative, event) for alternative in wanted)
    actual = event.get(name, MISSING)
    if isinstance(wanted, Mapping):
        return matches_event(wanted, actual if isinstance(actual, Mapping) else {})
    return any(_fits(matcher, actual) for matcher in wanted)


def _fits(matcher: Any, actual: Any) -> bool:
    """One entry of a field's list: a value to equal, or an operator such as {"prefix": ...}."""
    if isinstance(matcher, Mapping):
        ((name, operand),) = matcher.items()
        if name == "exists":
            return bool(operand) is (actual is not MISSING)
    if actual is MISSING:
        return False
    values = actual if isinstance(actual, list) else [actual]
    if not isinstance(matcher, Mapping):
        return any(_equal(matcher, value) for value in values)
    return any(_operator_fits(name, operand, value) for value in values)


def _equal(wanted: Any, value: Any) -> bool:
    return bool(wanted == value) and isinstance(wanted, bool) is isinstance(value, bool)


def _operator_fits(name: str, operand: Any, value: Any) -> bool:
    if name == "anything-but":
        return not any(_fits(refused, value) for refused in _each(operand))
    if name == "numeric":
        return _numeric_fits(operand, value)
    return isinstance(value, str) and any(
        _text_fits(name, wanted, value) for wanted in _each(operand)
    )


def _each(operand: Any) -> list[Any]:
    return operand if isinstance(operand, list) else [operand]


def _numeric_fits(operand: list[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    pairs = zip(operand[::2], operand[1::2], strict=True)
    return all(COMPARISONS[comparison](value, bound) for comparison, bound in pairs)


def _text_fits(name: str, wanted: Any, value: str) -> bool:
    if isinstance(wanted, Mapping):
        return TEXT_OPERATORS[name](wanted["equals-ignore-case"].lower(), value.lower())
    return TEXT_OPERATORS[name](wanted, value)


def _wildcard(pattern: str, value: str) -> bool:
    """`*` stands for any text; a backslash makes the next `*` or backslash a plain one."""
    parts = re.split(r"(\\[*\\]|\*)", pattern)
    translated = [".*" if p == "*" else re.escape(p[-1] if p[:1] == "\\" else p) for p in parts]
    return re.fullmatch("".join(translated), value, re.DOTALL) is not None


TEXT_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "prefix": lambda wanted, value: value.startswith(wanted),
    "suffix": lambda wanted, value: value.endswith(wanted),
    "equals-ignore-case": lambda wanted, value: value.lower() == wanted.lower(),
    "wildcard": _wildcard,
}
OPERATORS = {*TEXT_OPERATORS, "exists", "anything-but", "numeric"}
