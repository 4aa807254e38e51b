"""Documents in YAML, read by libyaml, which takes a quarter of PyYAML's own time."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

# PyYAML is sometimes built without libyaml.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> dict[str, Any]:
    """What a file says; nobody may change it, as all who read the same text share it."""
    return parse(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=2)
def parse(text: str) -> dict[str, Any]:
    """What a text says; nobody may change it."""
    parsed: dict[str, Any] = yaml.load(text, Loader=_LOADER)  # noqa: S506, both are safe ones
    return parsed
