"""What an interruption of a spot training would cost, told before it is started."""

from collections.abc import Iterator

from lambdas.core.errors import Fault, pointer
from lambdas.trainings.plan import Plan
from lambdas.trainings.schema import NewTraining
from lambdas.trainings.validation_schema import Estimate

_LONG_SECONDS = 15 * 60
_LONG_STEPS = 500
"""Where nobody knows how long a step takes: some 10 minutes at 1.2 s."""


def warnings(request: NewTraining, plan: Plan, estimate: Estimate) -> Iterator[Fault]:
    """Yield what would be lost, where that is much."""
    if not request.spot or plan.steps is None:
        return
    done = plan.continue_from.epoch if plan.continue_from else 0
    epochs = plan.steps.epochs - done
    if request.keep_state is False:
        text = "without state an interruption begins the training afresh: leave it out, or set true"
        yield Fault("/keep_state", f"{text}{_lost(plan, estimate, plan.steps.total_steps)}")
        return
    every = _saved_every(plan)
    stretch = min(every, epochs) * plan.steps.steps_per_epoch
    if epochs <= every:
        text = "all of it is one stretch without a saved state, so an interruption begins it afresh"
        remedy = "train more, shorter epochs (fewer repeats), or without spot"
        if epochs > 1:
            remedy = "set save_every_n_epochs to 1"
        yield Fault("/spot", f"{text}{_lost(plan, estimate, stretch)}: {remedy}")
    elif _is_long(plan, estimate, stretch):
        where = "save_every_n_epochs" if every > 1 else ""
        text = f"an interruption may cost up to {stretch} steps"
        remedy = "lower save_every_n_epochs" if every > 1 else "make epochs shorter (fewer repeats)"
        at = pointer("config_params", where) if where else "/spot"
        yield Fault(at, f"{text}{_lost(plan, estimate, stretch)}, done again: {remedy}")


def _saved_every(plan: Plan) -> int:
    ratio = plan.params.get("save_n_epoch_ratio")
    if ratio and plan.steps:
        return max(plan.steps.epochs // int(ratio), 1)
    return int(plan.params.get("save_every_n_epochs", 1))


def _is_long(plan: Plan, estimate: Estimate, steps: int) -> bool:
    seconds = _seconds(plan, estimate, steps)
    return steps > _LONG_STEPS if seconds is None else seconds > _LONG_SECONDS


def _seconds(plan: Plan, estimate: Estimate, steps: int) -> float | None:
    if estimate.seconds is None or plan.steps is None:
        return None
    done = plan.continue_from.step if plan.continue_from else 0
    return estimate.seconds * steps / max(plan.steps.total_steps - done, 1)


def _lost(plan: Plan, estimate: Estimate, steps: int) -> str:
    """Return time and money of so many steps, as far as they are known."""
    seconds = _seconds(plan, estimate, steps)
    if seconds is None:
        return ""
    told = f"{seconds / 60:.0f} minutes"
    if estimate.price:
        usd = estimate.price.usd_per_hour * seconds / 3600
        told += f", at most {usd:.2f} dollars"
    return f" ({told})"
