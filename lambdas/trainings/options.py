"""The options of sd-scripts: what their parsers have, and what they mean here.

`kohya_options.json` is read from the parsers at the pinned commit (`python -m local.kohya.options
--write`); `option_notes.json` is written by hand and says of each option that it is open to users,
owned by the service or refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Per = Literal["dataset", "subset"]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Option:
    """One option; `owned` and `refused` say why it is not open, None where it is.

    `meant` marks an owned option that changes what is learnt: it is never quietly left out. `per`
    says for what sd-scripts' dataset config may have it too: for a folder of images (`subset`), or
    for all folders that share buckets and batches (`dataset`).
    """

    name: str
    type: str
    default: Any
    families: tuple[str, ...]
    choices: tuple[Any, ...]
    many: bool
    per: Per | None = None
    section: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    owned: str | None = None
    refused: str | None = None
    meant: bool = False

    @property
    def open(self) -> bool:
        """Say whether users may set it."""
        return self.owned is None and self.refused is None


@cache
def options() -> Mapping[str, Option]:
    """Return every option of the two scripts, by name.

    Raises KeyError for an option that nobody has sorted yet.
    """
    table, notes = _read("kohya_options.json")["options"], _notes()["options"]
    return {name: _option(name, entry, notes[name]) for name, entry in table.items()}


@cache
def open_options() -> Mapping[str, Option]:
    """Return the options that users may set, by name."""
    return {name: option for name, option in options().items() if option.open}


@cache
def dataset_options() -> Mapping[str, Option]:
    """Return the open options that a dataset may have for itself, by name."""
    return {name: option for name, option in open_options().items() if option.per}


def sections() -> tuple[str, ...]:
    """Return the sections that open options are grouped in, in the order to show them."""
    return tuple(_notes()["sections"])


def _option(name: str, entry: dict[str, Any], note: dict[str, Any]) -> Option:
    # An allow-list stands for choices: other names would make sd-scripts import what they name.
    choices = note.get("allowed") or [one for one in entry.get("choices", ()) if one is not None]
    told = {key: value for key, value in note.items() if key != "allowed"}
    return Option(
        name=name,
        type=entry["type"],
        default=entry["default"],
        families=tuple(entry["families"]),
        choices=tuple(choices),
        many=entry.get("nargs") == "*",
        per=entry.get("per"),
        **told,
    )


@cache
def _notes() -> dict[str, Any]:
    return _read("option_notes.json")


def _read(name: str) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((_FOLDER / name).read_text())
    return table
