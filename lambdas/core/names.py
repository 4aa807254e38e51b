"""Names that people give, checked with sentences that say what would do."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from lambdas.core.errors import Conflict, Fault
from lambdas.core.ids import looks_like_id

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
_NAME = re.compile(NAME_PATTERN)


def check_name(name: str) -> str:
    """Return the name.

    Raises ValueError when it is no name of ours or could be taken for an id.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "use 1 to 63 letters, digits, dots, dashes and underscores, a letter or digit first"
        )
    if looks_like_id(name):
        raise ValueError("a name may not look like an id of ours: choose another")
    return name


Name = Annotated[
    str,
    AfterValidator(check_name),
    Field(
        description="Unique in the workspace among its kind; may not look like an id.",
        json_schema_extra={"pattern": NAME_PATTERN},
        examples=["tusiji-style"],
    ),
]
Reference = Annotated[
    str, Field(min_length=1, max_length=63, description="An id or a name.", examples=["tusiji"])
]


def name_taken(kind: str, name: str) -> Conflict:
    """Return the error for a name that another of the kind has."""
    return Conflict(
        f"A {kind} called {name} exists in this workspace.",
        code="name_taken",
        faults=[Fault("/name", "is in use: choose another name")],
    )
