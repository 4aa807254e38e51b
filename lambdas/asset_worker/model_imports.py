"""An import at hand: what the worker knows of it, and how it tells how far it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from lambdas.asset_worker import leases
from lambdas.asset_worker.leases import Lease
from lambdas.models import repository
from lambdas.models.import_schema import Source
from lambdas.models.schema import Model, Upload

TOLD_EVERY_SECONDS = 2.0


class Refused(Exception):
    """The file will not do: `code` and the message say why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TimeIsOver(Exception):
    """This run ends here; another goes on."""


@dataclass(frozen=True)
class Found:
    """What a first look at a source told: size in bytes, None where it is not told."""

    size: int | None
    etag: str | None
    resumable: bool = True
    sha256: str | None = None
    file_name: str | None = None


@dataclass(frozen=True)
class Import:
    """A model that is being imported; `deadline` in monotonic seconds."""

    workspace: str
    lease: Lease
    model: Model
    source: Source
    upload: Upload | None
    deadline: float

    @classmethod
    def of(cls, workspace: str, lease: Lease, deadline: float) -> Self:
        """Read an import from the item that the lease is on."""
        return cls(
            workspace,
            lease,
            repository.from_item(lease.item),
            Source.model_validate(lease.item["source"]),
            repository.upload_from(lease.item),
            deadline,
        )

    @property
    def key(self) -> str:
        """Where the file is to lie in the bucket."""
        return repository.file_key(self.workspace, self.model)

    def kept(
        self,
        *,
        model: Model | None = None,
        source: Source | None = None,
        upload: Upload | None = None,
    ) -> "Import":
        """Keep what was found out, and go on. Raises Lost."""
        found: dict[str, Any] = {}
        if model:
            found |= model.model_dump(
                mode="json", include={"file_name", "size", "sha256", "import_"}, exclude_none=True
            )
        if source:
            found["source"] = source.model_dump(mode="json")
        if upload:
            found["upload"] = upload.model_dump(mode="json")
        leases.renew(self.lease, **found)
        return replace(
            self,
            model=model or self.model,
            source=source or self.source,
            upload=upload or self.upload,
        )

    def tell(self, bytes_done: int) -> None:
        """Tell how many bytes there are. Raises Lost."""
        assert self.model.import_
        told = self.model.import_.model_copy(update={"bytes_done": bytes_done})
        leases.renew(self.lease, **{"import": told.model_dump(mode="json")})

    def must_have_time(self) -> None:
        """Raise TimeIsOver when this run has to end."""
        if time.monotonic() > self.deadline:
            raise TimeIsOver


class Progress:
    """Tells every few seconds how many bytes there are, by `write`, which keeps the lease."""

    def __init__(self, write: Callable[[int], None]) -> None:
        self._write, self._told_at = write, time.monotonic()

    def tell(self, bytes_done: int) -> None:
        """Tell it, unless it was told just now. Raises Lost."""
        now = time.monotonic()
        if now - self._told_at < TOLD_EVERY_SECONDS:
            return
        self._write(bytes_done)
        self._told_at = now
