"""What a training would take in time and money, as far as anybody measured it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from lambdas.trainings.options import options
from lambdas.trainings.plan import Plan
from lambdas.trainings.prices import price_of
from lambdas.trainings.settings import Settings
from lambdas.trainings.validation_schema import Estimate, Price, SpotCost

# "optimize the cost of training models up to 90% over on-demand instances":
# https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html
_SPOT_LEAST = 0.1

# What decides how long a step takes: a measurement counts only where all of it is the same.
_DECISIVE = (
    "resolution",
    "train_batch_size",
    "gradient_accumulation_steps",
    "gradient_checkpointing",
    "mixed_precision",
    "optimizer_type",
    "network_module",
    "network_train_unet_only",
    "cache_latents",
    "cache_text_encoder_outputs",
)


def estimate_of(plan: Plan, settings: Settings) -> Estimate:
    """Return time and cost of a plan; what is unknown is null and told in a note."""
    price = price_of(plan.instance.name, settings)
    seconds = _seconds(plan)
    usd = price.usd_per_hour * seconds / 3600 if price and seconds is not None else None
    at_most = price.usd_per_hour * plan.max_runtime_minutes / 60 if price else None
    return Estimate(
        seconds=seconds,
        usd=_cents(usd),
        spot=None if usd is None else _spot(usd),
        usd_at_most=_cents(at_most),
        price=price,
        notes=list(_notes(plan, price, seconds, settings)),
    )


def _notes(plan: Plan, price: Price | None, seconds: float | None, settings: Settings) -> list[str]:
    notes = []
    if seconds is None:
        notes.append(
            "How long it takes is unknown: nobody measured this family, resolution and batch on "
            f"{plan.instance.gpu} yet. The job itself tells its seconds per step once it runs."
        )
    else:
        notes.append("The seconds are of training alone; SageMaker bills the start-up as well.")
    if plan.captioning:
        notes.append("The tagger's time before the training is not counted; SageMaker bills it.")
    if plan.sample_prompts:
        notes.append("The time to draw sample images is not counted; SageMaker bills it.")
    if price is None:
        notes.append(
            f"The price of {plan.instance.name} in {settings.aws_region or 'this region'} is "
            "unknown: see https://aws.amazon.com/sagemaker/pricing and set training_prices."
        )
    notes.append(
        "Spot capacity costs up to 90% less by AWS's word; how much is known only afterwards."
    )
    return notes


def _seconds(plan: Plan) -> float | None:
    if plan.steps is None or len(plan.groups) > 1:  # whose steps may take one time or another
        return None
    params = plan.params | (plan.groups[0].options if plan.groups else {})
    wanted = {name: params.get(name, options()[name].default) for name in _DECISIVE}
    for speed in _speeds():
        same_place = (speed["fm_type"], speed["gpu"], speed["gpus"]) == (
            plan.fm_type,
            plan.instance.gpu,
            plan.instance.gpus,
        )
        if same_place and speed["options"] == wanted:
            done = plan.continue_from.step if plan.continue_from else 0
            steps = max(plan.steps.total_steps - done, 0)
            return round(steps * float(speed["seconds_per_step"]), 1)
    return None


@cache
def _speeds() -> list[dict[str, Any]]:
    text = Path(__file__).with_name("measured_speeds.json").read_text()
    speeds: list[dict[str, Any]] = json.loads(text)["speeds"]
    return speeds


def _spot(usd: float) -> SpotCost:
    return SpotCost(usd_least=round(usd * _SPOT_LEAST, 2), usd_most=round(usd, 2))


def _cents(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 2)
