"""What a workspace may use: the deployment's defaults, or what its operator has set for it."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lambdas.core import settings
from lambdas.core.attributes import Item

BYTES_PER_GB = 10**9


def _or_none(value: Any) -> Any:
    return None if value == "" else value


_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Most = Annotated[_Amount | None, BeforeValidator(_or_none)]


class Limits(BaseModel):
    """The most that a workspace may use; None: as much as it likes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    active_trainings: Annotated[int, Field(ge=0)]
    gpu_hours: Most
    usd: Most
    stored_gb: Most

    @property
    def gpu_seconds(self) -> int | None:
        """Return the GPU seconds a month."""
        return None if self.gpu_hours is None else round(self.gpu_hours * 3600)

    @property
    def usd_micros(self) -> int | None:
        """Return the millionths of a US dollar a month."""
        return None if self.usd is None else round(self.usd * 10**6)

    @property
    def stored_bytes(self) -> int | None:
        """Return the bytes that datasets and models may have."""
        return None if self.stored_gb is None else round(self.stored_gb * BYTES_PER_GB)


class LimitSettings(settings.Settings):
    """The limits in the environment of a function: those of workspaces that have none set."""

    max_active_trainings: int = 20
    max_gpu_hours_per_month: Most = 500
    max_usd_per_month: Most = 1000
    max_stored_gb: Most = 2000

    def defaults(self) -> Limits:
        """Return the deployment's limits."""
        return Limits(
            active_trainings=self.max_active_trainings,
            gpu_hours=self.max_gpu_hours_per_month,
            usd=self.max_usd_per_month,
            stored_gb=self.max_stored_gb,
        )


def limits_of(use: Item | None) -> Limits:
    """Return the limits of a workspace by the item of its counters."""
    defaults = LimitSettings.load().defaults()
    return defaults.model_copy(update=(use or {}).get("limits", {}))
