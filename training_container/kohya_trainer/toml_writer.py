"""Write the TOML that sd-scripts and the rehearsal engine read.

sd-scripts parses with ``toml`` 0.10.2, which departs from TOML 1.0: it reads ``"\\""`` as an empty
string, splits arrays at commas inside strings, decodes ``\\u005C`` twice, stumbles over ``\\\\U``
after a ``\\U`` escape, and refuses ``[1, 0.5]``. What is written here is the part that it and
``tomllib`` read alike (compared on 400,000 random strings); the little that cannot be said in both
is refused.
"""

import re
import string
from collections.abc import Mapping, Sequence

from kohya_trainer.failure import TrainingFailed

Scalar = str | int | float | bool
Value = Scalar | Sequence[Scalar]

_PLAIN = frozenset(string.ascii_letters + string.digits + " ._-/:+()@=%&*;!?<>|~^$`")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def table(values: Mapping[str, Value]) -> str:
    """One flat table: a line for each key, in the order given.

    Raises TrainingFailed (bad_option) for a key or a value that TOML cannot hold.
    """
    return "".join(_line(key, value) for key, value in values.items())


def tables(header: str, rows: Sequence[Mapping[str, Value]]) -> str:
    """An array of tables: every row under its own ``[[header]]``."""
    return "".join(f"\n[[{header}]]\n{table(row)}" for row in rows)


def _line(key: str, value: Value) -> str:
    if not _BARE_KEY.fullmatch(key):
        raise _refused(key, "is no option name")
    try:
        return f"{key} = {_value(value)}\n"
    except ValueError as exc:
        raise _refused(key, str(exc)) from exc


def _value(value: Value) -> str:
    if isinstance(value, (str, bool, int, float)):
        return _scalar(value)
    if not isinstance(value, (list, tuple)):
        raise ValueError("has a value that is neither text, a number, true or false, nor a list")
    return "[" + ", ".join(_scalar(item) for item in _alike(value)) + "]"


def _alike(items: Sequence[Scalar]) -> Sequence[Scalar]:
    """The items with whole numbers made fractional beside fractional ones."""
    kinds = {type(item) for item in items}
    if kinds == {int, float}:
        return [float(item) for item in items]
    if len(kinds) > 1:
        raise ValueError("is a list that mixes text, numbers or truth values")
    return items


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (int, float)):
        return repr(value)
    raise ValueError("has a value that is neither text, a number, nor true or false")


def _text(value: str) -> str:
    if value == '"' or value.startswith('""'):
        return _literal(value)
    pairs = zip(" " + value, value, strict=False)
    return '"' + "".join(_character(before, char) for before, char in pairs) + '"'


def _character(before: str, char: str) -> str:
    if char == "\\":
        return "\\\\"
    if char in _PLAIN and not (before == "\\" and char in "uU"):
        return char
    if 0xD800 <= ord(char) <= 0xDFFF:
        raise ValueError("holds half of a surrogate pair")
    return f"\\u{ord(char):04X}" if ord(char) < 0x10000 else char


def _literal(value: str) -> str:
    if set(value) - _PLAIN - {'"'}:
        raise ValueError("begins with double quotes and cannot be handed to sd-scripts")
    return f"'{value}'"


def _refused(key: str, why: str) -> TrainingFailed:
    return TrainingFailed(
        "bad_option",
        f"The option {key[:60]!r} {why}.",
        "Correct config_params and start the training again.",
    )
