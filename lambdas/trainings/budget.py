"""What trainings cost, held to the month's limits: the most is reserved, then what it was counts.

A training counts in the month in which it was made, with `max_runtime_minutes` on its GPUs at the
price known then; so trainings that start at once can't spend the same money. When it ends, its
share of that which SageMaker bills stays. Where the price is unknown only hours count.
"""

from collections.abc import Mapping
from datetime import datetime

from lambdas.core import clock, use
from lambdas.core.attributes import Item
from lambdas.core.errors import LimitReached, ServiceError, TooManyRequests
from lambdas.core.limits import Limits
from lambdas.core.table import Update
from lambdas.core.use import Known
from lambdas.trainings.instances import INSTANCE_TYPES
from lambdas.trainings.prices import price_of
from lambdas.trainings.schema import Charge, Training
from lambdas.trainings.settings import Settings

_MICROS = 10**6


def reserve(
    instance_type: str, max_runtime_minutes: int, made_at: datetime, settings: Settings
) -> Charge:
    """Return the most that a training may cost."""
    price = price_of(instance_type, settings)
    seconds = max_runtime_minutes * 60
    return Charge(
        month=use.month_of(made_at),
        gpu_seconds=seconds * INSTANCE_TYPES[instance_type].gpus,
        usd=None if price is None else round(price.usd_per_hour * seconds / 3600, 6),
    )


def reserved(workspace: str, charge: Charge, limits: Limits) -> Update:
    """Return the write that reserves it, where the month has room."""
    most = {"gpu_seconds": limits.gpu_seconds, "usd_micros": limits.usd_micros}
    return use.more_of_month(workspace, charge.month, _amounts(charge), most)


def spent(training: Training, billable_seconds: int) -> Charge | None:
    """Return what a training cost that SageMaker bills for so long; None: it was not reserved."""
    charge = training.charge
    if charge is None:
        return None
    share = billable_seconds / (training.max_runtime_minutes * 60)
    return Charge(
        month=charge.month,
        gpu_seconds=round(charge.gpu_seconds * share),
        usd=None if charge.usd is None else round(charge.usd * share, 6),
    )


def settled(workspace: str, before: Charge, after: Charge) -> Update:
    """Return the write that counts what a training cost in the place of what was reserved."""
    was, is_now = _amounts(before), _amounts(after)
    added = {name: is_now[name] - was[name] for name in was}
    return use.settled_of_month(workspace, before.month, added)


def too_many(found: Item | None, known: Known) -> ServiceError:
    """Return the error for a training more than there may be at once."""
    most, active = known.limits.active_trainings, int((found or {}).get("active_trainings", 0))
    return TooManyRequests(
        f"{active} trainings are under way in this workspace and {most} may be, so there is none "
        "left. Wait for one to end, or cancel one.",
        code="too_many_trainings",
        headers={"Retry-After": "60"},
    )


def no_money_left(found: Item | None, charge: Charge, limits: Limits) -> ServiceError:
    """Return the error for a training that may take more than the month has left."""
    counted = found or {}
    hours = counted.get("gpu_seconds", 0)
    if limits.gpu_seconds is not None and hours + charge.gpu_seconds > limits.gpu_seconds:
        text = _reached("GPU hours", charge.month, _in_hours(charge, hours, limits))
        return LimitReached(text, code="gpu_hours_limit")
    text = _reached("US dollars", charge.month, _in_usd(charge, counted, limits))
    return LimitReached(text, code="usd_limit")


def _in_hours(charge: Charge, used: int, limits: Limits) -> Mapping[str, float]:
    return {
        "needed": charge.gpu_seconds / 3600,
        "used": used / 3600,
        "most": limits.gpu_hours or 0,
    }


def _in_usd(charge: Charge, counted: Item, limits: Limits) -> Mapping[str, float]:
    used = int(counted.get("usd_micros", 0)) / _MICROS
    return {"needed": charge.usd or 0, "used": used, "most": limits.usd or 0}


def _reached(unit: str, month: str, told: Mapping[str, float]) -> str:
    left = max(told["most"] - told["used"], 0)
    resets = clock.text(use.month_after(month))
    return (
        f"This training may take up to {told['needed']:.2f} {unit} and the workspace has "
        f"{left:.2f} of {told['most']:.2f} left in {month} ({told['used']:.2f} are used or "
        "reserved by trainings under way). Give a shorter max_runtime_minutes or a smaller "
        f"instance_type, wait for trainings to end or until {resets}, or ask the operator for "
        "more."
    )


def _amounts(charge: Charge) -> dict[str, int]:
    amounts = {"gpu_seconds": charge.gpu_seconds}
    if charge.usd is not None:
        amounts["usd_micros"] = round(charge.usd * _MICROS)
    return amounts
