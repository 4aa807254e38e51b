"""Tags: words that people find things by."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field


def check_tag(tag: str) -> str:
    """Return the tag in NFC without blanks around it.

    Raises ValueError when nothing is left or it has a control character.
    """
    tag = unicodedata.normalize("NFC", tag).strip()
    if not tag or any(unicodedata.category(character).startswith("C") for character in tag):
        raise ValueError("a tag has at least one letter and no control or invisible character")
    return tag


def _each_once(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


Tags = Annotated[
    list[
        Annotated[
            str,
            Field(max_length=50, json_schema_extra={"pattern": r"\S"}),
            AfterValidator(check_tag),
        ]
    ],
    AfterValidator(_each_once),
    Field(max_length=20, description="Words to find it by; each stands once."),
]
