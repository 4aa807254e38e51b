"""How far the bytes of a model have come, and how far they have been read."""

from pydantic import BaseModel, ConfigDict, Field


class ImportProgress(BaseModel):
    """Where an imported model comes from, and how far it has come."""

    model_config = ConfigDict(frozen=True)

    source: str = Field(description="The link without its query, or the `s3://` address.")
    bytes_done: int = Field(default=0, description="How many bytes have come.")
    bytes_total: int | None = Field(default=None, description="Null until the source tells it.")


class CheckProgress(BaseModel):
    """How far the bytes of a model that is `checking` have been read."""

    model_config = ConfigDict(frozen=True)

    bytes_done: int = Field(default=0, description="How many bytes have been read.")
    bytes_total: int = Field(description="The size of the file in bytes.")
