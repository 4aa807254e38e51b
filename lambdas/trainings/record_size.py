"""Whether a training fits into an item of the table, which holds 400 KB."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import to_json

from lambdas.core.errors import Fault, pointer

MOST_BYTES = 340_000
"""As JSON, which is about as long; the rest is for what the job tells: progress, failure, log."""


def too_large(parts: Mapping[str, Any], told: object) -> Iterator[Fault]:
    """Yield the largest part of a request when all of it, with what is told of it, is too much."""
    sizes = {name: len(to_json(value)) for name, value in parts.items()}
    total = sum(sizes.values()) + len(to_json(told))
    if total > MOST_BYTES:
        name = max(sizes, key=sizes.__getitem__)
        text = (
            f"takes {sizes[name]} bytes of the {total} that the training would have; "
            f"{MOST_BYTES} is the most: write less there"
        )
        yield Fault(pointer(name), text)
