"""DynamoDB's attribute values and Python's, turned into each other."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Item = dict[str, Any]


def encode_item(item: Item) -> dict[str, Any]:
    """Turn a plain dict into an item: what is None is left out, a None further in stays."""
    return {name: encode(value) for name, value in item.items() if value is not None}


def encode(value: Any) -> Any:
    """Turn a plain value into an attribute value.

    Raises TypeError for what DynamoDB has no attribute for.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | float() | Decimal():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case dict():
            return {"M": {name: encode(one) for name, one in value.items()}}
        case list() | tuple():
            return {"L": [encode(one) for one in value]}
    raise TypeError(f"no DynamoDB attribute for a {type(value).__name__}")


def decode_item(item: Mapping[str, Any]) -> Item:
    """Turn an item into a plain dict; a number without point or exponent is an int."""
    return {name: _decode(value) for name, value in item.items()}


def _decode(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return float(content) if set(content) & set(".eE") else int(content)
        case "M":
            return decode_item(content)
        case "L":
            return [_decode(one) for one in content]
    return content
