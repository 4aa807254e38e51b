"""How far an upload has come, as the API tells it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from lambdas.models.schema import Model


class ArrivedPart(BaseModel):
    """A part that S3 has."""

    model_config = ConfigDict(frozen=True)

    part_number: int = Field(description="Counted from 1.")
    size: int = Field(description="Its size in bytes.")
    etag: str = Field(description="As S3 answered it.")


class UploadState(BaseModel):
    """How far an upload has come."""

    model_config = ConfigDict(frozen=True)

    model: Model = Field(description="The model itself.")
    part_size: int = Field(description="In bytes; the last part is what is left.")
    part_count: int = Field(description="Of how many parts the file is.")
    expires_at: datetime | None = Field(
        description="When the upload is given up and the model's name is free again."
    )
    arrived: list[ArrivedPart] = Field(description="In the order of their numbers.")
    missing: list[int] = Field(
        description="The numbers of the parts that are still to come: POST /models/{id}/uploads "
        "gives URLs for them, 500 at a time."
    )
