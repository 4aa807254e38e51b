"""The published contract, openapi.yaml, as a mapping."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import yaml

# libyaml reads the contract in a quarter of the time; PyYAML is sometimes built without it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_document(root: Path) -> Mapping:
    """The document below `root`; nobody may change what is returned, as all share it."""
    return parse_document(read_text(root))


def read_text(root: Path) -> str:
    """The document below `root` as it is written."""
    return (root / "openapi.yaml").read_text(encoding="utf-8")


@lru_cache(maxsize=2)
def parse_document(text: str) -> Mapping:
    """What a text says, parsed once; nobody may change it."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506, both loaders are safe ones
