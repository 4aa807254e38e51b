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
    expires_in_days: Whole = Field(default=90, ge=1, le=365)


class Token(BaseModel):
    """A token as a list tells of it: never the secret, of which only the SHA-256 is kept."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime


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


class Health(BaseModel):
    """The service answers."""

    status: str
    deployment: str
