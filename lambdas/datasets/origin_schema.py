"""Where a dataset comes from that was not uploaded."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

CropMode = Literal["center", "fit"]


class CropOrigin(BaseModel):
    """A dataset that was cropped from another."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["crop"] = Field(default="crop", description="It was cropped.")
    dataset_id: str = Field(description="The dataset that it was cropped from.")
    resolution: int = Field(
        description="Pixels: the side of the squares, or of the buckets' square."
    )
    mode: CropMode = Field(description="How it was cropped.")


class ImportOrigin(BaseModel):
    """A dataset that was copied from a folder in S3."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["import"] = Field(default="import", description="It was imported.")
    s3_uri: str = Field(description="The folder that its files, or its subsets, were copied from.")


Origin = Annotated[CropOrigin | ImportOrigin, Field(discriminator="kind")]
