"""Where in S3 a workspace's own files may be taken from: its inbox, and what settings give it."""

import re
from dataclasses import dataclass

from pydantic import Field, Json

from lambdas.core import settings
from lambdas.core.errors import Fault, NotFound, Unprocessable

_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.+)", re.DOTALL)
_MOST_KEY_BYTES = 1024
_NO_STEPS = {"", ".", ".."}


class Settings(settings.Settings):
    """What a function that takes files in is told besides: prefixes by workspace."""

    import_prefixes: Json[dict[str, tuple[str, ...]]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Located:
    """An object by its bucket and key."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def located(workspace: str, s3_uri: str) -> Located:
    """Return the object that an `s3://` address of this workspace names; S3 is not asked.

    Raises Unprocessable when it is no such address, and NotFound when it lies anywhere but in the
    workspace's inbox and the prefixes that the settings give it.
    """
    found = _URI.fullmatch(s3_uri)
    if found is None or len(found[2].encode()) > _MOST_KEY_BYTES:
        why = "write it as s3://bucket/key"
        raise Unprocessable("The address can't be read.", faults=[Fault("/s3_uri", why)])
    # Clients of HTTP take such steps for a way up or leave them out.
    strange = _NO_STEPS & set(found[2].split("/"))
    if strange or not s3_uri.startswith(prefixes_of(workspace)):
        raise NotFound(
            "There is no such file for this workspace. Put it into the workspace's inbox, "
            f"{prefixes_of(workspace)[0]}, and import it from there.",
            code="source_not_found",
            faults=[Fault("/s3_uri", "lies in no place that this workspace may import from")],
        )
    return Located(found[1], found[2])


def prefixes_of(workspace: str) -> tuple[str, ...]:
    """Return the `s3://` prefixes that a workspace may import from, its inbox first."""
    told = Settings.load()
    given = told.import_prefixes.get(workspace, ())
    return (f"s3://{told.bucket_name}/{workspace}/inbox/", *given)
