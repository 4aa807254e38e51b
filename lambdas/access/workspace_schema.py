"""What a workspace uses and may use, as the API tells it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Used(BaseModel):
    """How much of something is used."""

    model_config = ConfigDict(frozen=True)

    used: float = Field(description="In the unit that the name says.")
    limit: float | None = Field(description="null: there is none.")
    left: float | None = Field(description="null: there is no limit.")


class Counted(BaseModel):
    """How many of something there are."""

    model_config = ConfigDict(frozen=True)

    used: int = Field(description="How many there are.")
    limit: int | None = Field(description="null: there is none.")
    left: int | None = Field(description="null: there is no limit.")


class Workspace(BaseModel):
    """A workspace: what it uses, and what it may use."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="The workspace's.")
    created_at: datetime = Field(description="When it was made.")
    month: str = Field(
        description="Of gpu_hours and usd, in UTC: a training counts in the month in which it was "
        "made.",
        examples=["2026-11"],
    )
    resets_at: datetime = Field(description="When the next month begins, with nothing used.")
    active_trainings: Counted = Field(description="Trainings that have not ended.")
    gpu_hours: Used = Field(
        description="Hours times GPUs: what SageMaker billed for trainings that have ended, and "
        "max_runtime_minutes for each that has not, the most that it may take."
    )
    usd: Used = Field(
        description="US dollars, likewise, of trainings whose instance type has a known price."
    )
    stored_bytes: Counted = Field(
        description="Of datasets and models, as they were declared when they were made, then as "
        "they are; what trainings leave beside their LoRA is not counted."
    )
