"""What the deployment tells a function, by environment variables, checked once."""

import os
from functools import cache
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """What every function is told."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    table_name: str
    bucket_name: str
    deployment: str

    @classmethod
    def load(cls: type[S]) -> S:
        """Read the environment, once in the life of the process."""
        settings: S = _load(cls)
        return settings


def of_operator() -> None:
    """Fill in what commands of the operator do not need, who names the table alone."""
    for name in ("BUCKET_NAME", "DEPLOYMENT"):
        os.environ.setdefault(name, "unused")


@cache
def _load(kind: type[S]) -> S:
    return kind.model_validate({name.lower(): value for name, value in os.environ.items()})
