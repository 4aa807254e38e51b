"""What a token is, as the API takes it, tells it and keeps it."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lambdas.core.caller import Role
from lambdas.core.json_types import Whole

WORKSPACE_PATTERN = r"^[a-z0-9]{1,20}$"

Workspace = Annotated[str, Field(pattern=WORKSPACE_PATTERN)]


class NewToken(BaseModel):
    """A token that is to be made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100, description="For whom or what it is.")
    role: Role = Field(
        default="trainer",
        description="viewer reads; trainer also uploads and trains; admin also manages tokens.",
    )
    expires_in_days: Whole = Field(
        default=90, ge=1, le=365, description="Days until it stops working."
    )


class Token(BaseModel):
    """A token as a list tells of it: never the secret, of which only the SHA-256 is kept."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="`tok_` and a ULID.")
    name: str = Field(description="For whom or what it is.")
    role: Role = Field(
        description="viewer reads; trainer also uploads and trains; admin also manages tokens."
    )
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime = Field(description="When it stops working.")
    last_used_at: datetime | None = Field(
        default=None, description="To ten minutes; null: it was not used since it was made."
    )


class TokenWithSecret(Token):
    """A token as it is told once, to whoever made it."""

    token: str = Field(description="Shown this once. Send it as `Authorization: Bearer <token>`.")


class Grant(BaseModel):
    """What a token's hash stands for."""

    model_config = ConfigDict(frozen=True)

    workspace: str
    role: Role
    token_id: str
    valid_until: int = Field(description="Seconds since 1970.")
    used_at: int = Field(default=0, description="When it was last noted, in seconds since 1970.")


class Health(BaseModel):
    """The service answers."""

    status: str = Field(description="Always `ok`.")
    deployment: str = Field(description="The name of the deployment.")
