"""Reading the value of an option: strictly, by its type, its choices and its range."""

import contextlib
import json
import math
import re
from collections.abc import Callable
from typing import Any

from lambdas.trainings.options import Option

RESOLUTION = r"^ *([0-9]{2,4})(?: *[,x] *([0-9]{2,4}))? *$"
_MOST_INTEGER = 2**53  # beyond it JSON readers lose digits
_MOST_TEXT = 2000


def read(option: Option, value: Any) -> Any:
    """Return a value as sd-scripts takes it.

    Raises ValueError with a sentence that goes on from the option's name.
    """
    value = (
        [_typed(option, one) for one in as_list(value)] if option.many else _typed(option, value)
    )
    _must_be_chosen_well(option, value)
    return value


def shown(value: Any) -> str:
    """Return a value as JSON has it; TOML's dates, which JSON lacks, as text."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return "something too deep or too long"


def as_list(value: Any) -> list[Any]:
    """Return a value that may stand alone as a list."""
    return value if isinstance(value, list) else [value]


def sides(resolution: str) -> tuple[int, int]:
    """Return width and height of a resolution that was read."""
    width, height = resolution.split(",")
    return int(width), int(height)


def _typed(option: Option, value: Any) -> Any:
    if option.name == "resolution":
        return _resolution(value)
    return _READERS[option.type](value)


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"must be true or false, not {shown(value)[:40]}")


def _int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST_INTEGER:
        return value
    raise ValueError(f"must be a whole number, not {shown(value)[:40]}")


def _float(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            if math.isfinite(number := float(value)):
                return number
    raise ValueError(f"must be a number, not {shown(value)[:40]}")


def _int_or_float(value: Any) -> int | float:
    return _int(value) if isinstance(value, int) else _float(value)


def _str(value: Any) -> str:
    if isinstance(value, str) and len(value) <= _MOST_TEXT:
        return value
    raise ValueError(f"must be a text of at most {_MOST_TEXT} characters, not {shown(value)[:40]}")


_READERS: dict[str, Callable[[Any], Any]] = {
    "bool": _bool,
    "int": _int,
    "float": _float,
    "int_or_float": _int_or_float,
    "str": _str,
    "Path": _str,
}


def _resolution(value: Any) -> str:
    each = [side if isinstance(side, str) else str(_int(side)) for side in as_list(value)]
    found = re.fullmatch(RESOLUTION, ",".join(each))
    if found is None:
        raise ValueError('must be a side or a width and a height, as in "512" or "512,768"')
    return f"{found[1]},{found[2] or found[1]}"


def _must_be_chosen_well(option: Option, value: Any) -> None:
    if option.choices and value not in option.choices:
        raise ValueError(f"must be one of {', '.join(map(str, option.choices))}; not {value}")
    low, high = option.minimum, option.maximum
    for number in as_list(value) if low is not None or high is not None else []:
        if (low is not None and number < low) or (high is not None and number > high):
            limits = f"at least {low}" if high is None else f"from {low} to {high}"
            raise ValueError(f"must be {limits}, not {number}")
