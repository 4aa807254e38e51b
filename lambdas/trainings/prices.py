"""What an hour of an instance costs: the deployment's own prices, else a dated table.

`prices.json` has only what was found with a source; an unknown price stays unknown.
"""

import json
from functools import cache
from pathlib import Path

from lambdas.trainings.settings import Settings
from lambdas.trainings.validation_schema import Price

SETTING = "the deployment's setting training_prices"


def price_of(instance_type: str, settings: Settings) -> Price | None:
    """Return the price of an instance type where this deployment is, None when it is unknown."""
    region = settings.aws_region
    own = settings.training_prices.get(instance_type)
    if own is not None:
        return Price(usd_per_hour=own, region=region, as_of=None, source=SETTING)
    return _table().get(region, {}).get(instance_type)


@cache
def _table() -> dict[str, dict[str, Price]]:
    table = json.loads(Path(__file__).with_name("prices.json").read_text())["prices"]
    return {
        region: {name: Price(region=region, **entry) for name, entry in prices.items()}
        for region, prices in table.items()
    }
