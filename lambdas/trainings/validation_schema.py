"""What POST /trainings/validate takes and tells."""

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from lambdas.core.errors import Fault
from lambdas.trainings.samples_schema import SamplePrompt
from lambdas.trainings.schema import DatasetUsed, FmType, Frozen, NewTraining, Preset, Steps


class TrainingDraft(NewTraining):
    """A training that is to be checked; its options may be as people paste them."""

    config_params: dict[str, Any] | str = Field(
        default={},
        description="Options of Kohya's sd-scripts over the preset's: an object, TOML text with or "
        "without sections, or what the kohya_ss window saved as JSON. What can only mean one thing "
        "is corrected.",
        examples=["[training]\nlr = 1e-4\nepochs = 10"],
    )


def _tellable(value: Any) -> Any:
    """Return a value that JSON has; TOML's dates and NaN, which it lacks, as text."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return str(value)[:100]
    return value


_Told = Annotated[Any, BeforeValidator(_tellable)]


class Correction(Frozen):
    """An option that was read otherwise than it was written."""

    dataset: int | None = Field(
        default=None,
        description="Whose options it is in: the place in `datasets`, from 0; null: config_params.",
    )
    option: str = Field(description="The option as sd-scripts calls it, or the section.")
    given: _Told = Field(description="What was written; with its name where that was another.")
    taken: _Told = Field(description="What it was read as; null: it was left out.")
    why: str = Field(description="Why it was read so.")


class Price(Frozen):
    """What an hour of an instance costs on demand, and where that comes from."""

    usd_per_hour: float = Field(description="US dollars an hour, on demand.")
    region: str = Field(description="The AWS region that it is for.")
    as_of: str | None = Field(description="A date or a month; null for the deployment's own.")
    source: str = Field(description="Where it comes from.")


class SpotCost(Frozen):
    """What a training may cost on spot capacity; its discount is known only afterwards."""

    usd_least: float = Field(description="US dollars, at the highest discount.")
    usd_most: float = Field(description="US dollars, without a discount.")


class Estimate(Frozen):
    """What a training would take; null is unknown, and the notes say why."""

    seconds: float | None = Field(description="Of training alone, from a measured speed.")
    usd: float | None = Field(description="For those seconds, on demand.")
    spot: SpotCost | None = Field(
        description="What it may cost on spot capacity; null: not asked for, or unknown."
    )
    usd_at_most: float | None = Field(
        description="For max_runtime_minutes on demand: the job is stopped after them."
    )
    price: Price | None = Field(description="What the instance costs.")
    notes: list[str] = Field(description="Why something is unknown.")


class Validation(Frozen):
    """What would come of a training; nothing was started."""

    valid: bool = Field(
        description="Whether POST /trainings would start it with the config_params and the "
        "datasets' options of this answer; where there are corrections, those that were sent would "
        "be refused."
    )
    errors: list[Fault] = Field(description="All that must change before it can start.")
    warnings: list[Fault] = Field(description="What would start, and is hardly what is meant.")
    corrections: list[Correction] = Field(
        description="What was read otherwise than it was written."
    )
    fm_type: FmType | None = Field(description="The family of the base model.")
    instance_type: str = Field(description="Where it would run.")
    preset: Preset = Field(description="What the options are completed with.")
    config_params: dict[str, Any] = Field(description="The options that would be trained with.")
    datasets: list[DatasetUsed] = Field(
        description="The datasets as they would be trained on, less those that can't be."
    )
    sample_prompts: list[SamplePrompt] = Field(description="With what the requests left open.")
    toml: str = Field(description="The same as sd-scripts' --config_file, by section.")
    steps: Steps | None = Field(description="How much work it would be.")
    estimate: Estimate = Field(description="How long it would take and what it would cost.")
