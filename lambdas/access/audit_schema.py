"""Who did what, as the API tells it."""

from datetime import datetime
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, ConfigDict, Field

from lambdas.core.audit import Outcome

_TIME = {"format": "date-time"}
Since = Annotated[
    str | None,
    Query(
        max_length=40,
        json_schema_extra=_TIME,
        description="Only events from this time on, ISO 8601; absent: all that are kept.",
    ),
]
Until = Annotated[
    str | None,
    Query(
        max_length=40,
        json_schema_extra=_TIME,
        description="Only events up to this time, ISO 8601.",
    ),
]
OfAction = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Za-z]{1,60}$",
        description="Only this operation, by its operationId: `createTraining`, say.",
    ),
]
OfToken = Annotated[
    str | None,
    Query(pattern=r"^[A-Za-z0-9_]{1,40}$", description="Only what this token's bearer did."),
]


class AuditEvent(BaseModel):
    """A request that changed something."""

    model_config = ConfigDict(frozen=True)

    at: datetime = Field(description="When it was done.")
    token_id: str = Field(
        description="Whose request it was; `operator` for what was done with AWS credentials."
    )
    role: str = Field(
        description="The token's role then; `operator` for what was done with AWS credentials."
    )
    action: str = Field(
        description="The operationId; `setLimits` where an operator set the workspace's limits.",
        examples=["createTraining"],
    )
    path: str = Field(
        description="Of the request, without its query; of an operator's command its name."
    )
    resource_id: str | None = Field(
        description="What was made, else what the path names; several ids with blanks between."
    )
    request_id: str = Field(description="The answer had it, and so have the logs.")
    outcome: Outcome = Field(
        description="`invalid`: it was completed and turned out to be no such file."
    )
