"""DynamoDB's attribute values as moto answers them, without its search for other spellings.

moto asks each value for each of the ten types that it might have, in four spellings, which is a
sixth of what a call costs. A value that it keeps is already what goes over the wire.
"""

from typing import Any

from moto.core.serialize import JSONSerializer

_AS_THEY_ARE = {"S", "N", "BOOL", "NULL", "SS", "NS"}


def answer_as_kept() -> None:
    """Let moto answer attribute values as they are; once for a process is enough."""
    slowly = JSONSerializer._serialize_type_structure

    def serialize(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if key and shape.name == "AttributeValue" and _is_plain(value):
            serialized[key] = value
        else:
            slowly(self, serialized, value, shape, key)

    JSONSerializer._serialize_type_structure = serialize  # type: ignore[method-assign]


def _is_plain(value: Any) -> bool:
    """Say whether it is a value in DynamoDB's JSON that holds no bytes."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    [(kind, held)] = value.items()
    if kind == "M":
        return all(_is_plain(one) for one in held.values())
    if kind == "L":
        return all(_is_plain(one) for one in held)
    return kind in _AS_THEY_ARE
