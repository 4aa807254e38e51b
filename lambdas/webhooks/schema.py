"""What a webhook and its deliveries are, as the API takes them, tells them and keeps them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lambdas.core.notices import EventType

MOST_WEBHOOKS = 20
TEST_TYPE = "webhook.test"


def _each_once(events: list[str]) -> list[str]:
    if len(set(events)) < len(events):
        raise ValueError("names an event type twice: leave one out")
    return events


Events = Annotated[
    list[EventType],
    AfterValidator(_each_once),
    Field(
        max_length=20,
        json_schema_extra={"uniqueItems": True},
        description="The event types that are told; empty: all, those too that come with later "
        "releases.",
        examples=[["training.succeeded", "training.failed"]],
    ),
]
Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2048,
        description="Where notices are posted: https to a public server, on port 443.",
        examples=["https://example.com/hooks/lora"],
    ),
]
Description = Annotated[str, Field(max_length=200, description="A note for people.")]


class NewWebhook(BaseModel):
    """A webhook that is to be made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Url
    events: Events = []
    description: Description = ""


class WebhookChanges(BaseModel):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Url | None = Field(default=None, description="Where notices are posted from now on.")
    events: Events | None = Field(
        default=None, description="The event types that are told from now on; empty: all."
    )
    description: Description | None = Field(default=None, description="A note for people.")
    enabled: bool | None = Field(
        default=None,
        description="false: nothing is sent, and what happens meanwhile is not told later. true: "
        "from now on, with the count of failing days begun anew.",
    )


class Webhook(BaseModel):
    """A webhook as it is kept and told: never its secret."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="`whk_` and a ULID.")
    url: str = Field(description="Where notices are posted.")
    events: list[str] = Field(description="The event types that are told; empty: all.")
    description: str = Field(description="A note for people.")
    enabled: bool = Field(description="Whether notices are sent.")
    disabled_reason: str | None = Field(
        default=None, description="Why the service disabled it; null: it did not."
    )
    failing_since: datetime | None = Field(
        default=None,
        description="Since when every attempt has failed; null: the last one went well. After "
        "five days it is disabled.",
    )
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it last changed.")
    revision: int = Field(default=1, description="Grows with each PATCH; the ETag is made of it.")


class WebhookWithSecret(Webhook):
    """A webhook as it is told once, to whoever made it or gave it a new secret."""

    secret: str = Field(
        description="Shown this once: `whsec_` and the base64 of the key that signs. Check each "
        "notice with it; see docs/guides/webhooks.md."
    )


class Attempt(BaseModel):
    """One try to deliver a notice."""

    model_config = ConfigDict(frozen=True)

    at: datetime = Field(description="When it was made.")
    status_code: int | None = Field(
        default=None, description="What the receiver answered; null: nothing."
    )
    milliseconds: int = Field(description="From looking up the name to the answer.")
    error: str | None = Field(
        default=None, description="Why it counts as failed; null: it doesn't."
    )


class Delivery(BaseModel):
    """What became of telling one notice to one webhook."""

    model_config = ConfigDict(frozen=True)

    event_id: str = Field(description="The header `webhook-id`, the same at every attempt.")
    type: str = Field(description="The event type, or `webhook.test`.")
    status: Literal["pending", "delivered", "failed"] = Field(
        description="`pending` as long as it is tried again."
    )
    attempts: list[Attempt] = Field(description="What was tried so far, the first try first.")
    next_attempt_at: datetime | None = Field(
        default=None, description="When it is tried again; null: it is not."
    )
    created_at: datetime = Field(description="When the notice was first told.")
