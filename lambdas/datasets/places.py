"""Where a workspace may import from: its inbox, and what the deployment gives it."""

import re
from dataclasses import dataclass

from lambdas.core import inbox
from lambdas.core.errors import Fault, NotFound

_URI = re.compile(r"s3://([^/]+)/+(.*)", re.DOTALL)


@dataclass(frozen=True)
class Place:
    """A folder in S3; `key` ends in a slash."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The `s3://` address of the folder."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.key.rstrip("/").rpartition("/")[2]


def place_of(workspace: str, s3_uri: str) -> Place:
    """Return the folder at an address.

    Raises NotFound when the workspace may not import from there, whatever is or isn't there.
    """
    place = _parsed(s3_uri)
    allowed = inbox.prefixes_of(workspace)
    if place is None or not place.uri.startswith(allowed):
        raise NotFound(
            f"{s3_uri} is no folder that this workspace can import from. Its inbox is {allowed[0]}",
            code="place_not_found",
            faults=[Fault("/s3_uri", f"must begin with {allowed[0]}")],
        )
    return place


def _parsed(s3_uri: str) -> Place | None:
    found = _URI.fullmatch(s3_uri)
    if found is None:
        return None
    steps = found[2].rstrip("/").split("/")
    if any(step in {"", ".", ".."} for step in steps):
        return None
    return Place(found[1], "/".join(steps) + "/")
