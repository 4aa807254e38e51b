"""Holding requests to the service model: what is required, types, lengths, patterns, enums.

botocore's own validator leaves out patterns and enums, which AWS's side checks.
"""

from collections.abc import Iterator
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from local.sagemaker.errors import ApiError, validation
from local.sagemaker.patterns import matches

NUMBERS = ("integer", "long", "float", "double")
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
}


def check(shape: StructureShape, value: dict[str, Any]) -> None:
    """Raise ApiError naming every fault of a request at once."""
    _check_types(shape, value)
    faults = list(_faults(shape, value, ""))
    if faults:
        count = f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected: "
        raise validation(count + "; ".join(faults))


def _check_types(shape: Shape, value: Any) -> None:
    expected = PYTHON_TYPES.get(shape.type_name, (object,))
    wrong_boolean = isinstance(value, bool) and shape.type_name in NUMBERS
    if not isinstance(value, expected) or wrong_boolean:
        raise ApiError(
            "SerializationException",
            f"{type(value).__name__} can not be converted to {shape.type_name} ({shape.name})",
        )
    for inner_shape, inner in _inner(shape, value):
        _check_types(inner_shape, inner)


def _inner(shape: Shape, value: Any) -> Iterator[tuple[Shape, Any]]:
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield member, value[name]
    elif isinstance(shape, ListShape):
        for one in value:
            yield shape.member, one
    elif isinstance(shape, MapShape):
        for name, one in value.items():
            yield shape.key, name
            yield shape.value, one


def _faults(shape: Shape, value: Any, path: str) -> Iterator[str]:
    rules = shape.metadata
    if isinstance(shape, StructureShape):
        yield from _structure_faults(shape, value, path)
    elif isinstance(shape, ListShape):
        yield from _length_faults(rules, len(value), value, path)
        for number, one in enumerate(value, start=1):
            yield from _faults(shape.member, one, f"{path}.{number}.member")
    elif isinstance(shape, MapShape):
        yield from _length_faults(rules, len(value), value, path)
        for name, one in value.items():
            yield from _faults(shape.key, name, f"{path}.key")
            yield from _faults(shape.value, one, f"{path}.{name}.member")
    elif isinstance(shape, StringShape):
        yield from _string_faults(shape, value, path)
    elif shape.type_name in NUMBERS:
        yield from _range_faults(rules, value, path)


def _structure_faults(shape: StructureShape, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _fault(None, _joined(path, name), "Member must not be null")
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _faults(member, value[name], _joined(path, name))


def _string_faults(shape: StringShape, value: str, path: str) -> Iterator[str]:
    rules = shape.metadata
    yield from _length_faults(rules, len(value), value, path)
    if shape.enum and value not in shape.enum:
        values = ", ".join(sorted(shape.enum))
        yield _fault(value, path, f"Member must satisfy enum value set: [{values}]")
    if "pattern" in rules and not matches(rules["pattern"], value):
        wanted = f"Member must satisfy regular expression pattern: {rules['pattern']}"
        yield _fault(value, path, wanted)


def _length_faults(rules: dict[str, Any], length: int, value: Any, path: str) -> Iterator[str]:
    if "min" in rules and length < rules["min"]:
        wanted = f"Member must have length greater than or equal to {rules['min']}"
        yield _fault(value, path, wanted)
    if "max" in rules and length > rules["max"]:
        yield _fault(value, path, f"Member must have length less than or equal to {rules['max']}")


def _range_faults(rules: dict[str, Any], value: float, path: str) -> Iterator[str]:
    if "min" in rules and value < rules["min"]:
        wanted = f"Member must have value greater than or equal to {rules['min']}"
        yield _fault(value, path, wanted)
    if "max" in rules and value > rules["max"]:
        yield _fault(value, path, f"Member must have value less than or equal to {rules['max']}")


def _fault(value: Any, path: str, wanted: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    if isinstance(value, list | dict):
        shown = f"'{type(value).__name__} of {len(value)}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {wanted}"


def _joined(path: str, name: str) -> str:
    lower = name[0].lower() + name[1:]
    return f"{path}.{lower}" if path else lower
