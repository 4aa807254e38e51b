"""Where a dataset comes from that was not uploaded."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

CropMode = Literal["center", "fit"]


class CropOrigin(BaseModel):
    """A dataset that was cropped from another."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["crop"] = "crop"
    dataset_id: str = Field(description="The dataset that it was cropped from.")
    resolution: int
    mode: CropMode


class ImportOrigin(BaseModel):
    """A dataset that was copied from a folder in S3."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["import"] = "import"
    s3_uri: str = Field(description="The folder that its files, or its subsets, were copied from.")


Origin = Annotated[CropOrigin | ImportOrigin, Field(discriminator="kind")]
