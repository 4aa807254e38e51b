"""What the deployment tells the functions that start and follow trainings."""

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from lambdas.core.limits import LimitSettings


def _split(text: Any) -> Any:
    return [one for one in text.split(",") if one] if isinstance(text, str) else text


def _object(text: Any) -> Any:
    return json.loads(text or "{}") if isinstance(text, str) else text


_Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Settings(LimitSettings):
    """The environment of the functions `trainings` and `training_status`."""

    training_image_uri: str
    training_role_arn: str
    default_instance_type: str = "ml.g5.xlarge"
    default_max_runtime_minutes: int = 360
    volume_size_gb: int = 100
    most_waits: int = 10  # at once in a workspace, see following.py
    subnet_ids: _Names = ()
    security_group_ids: _Names = ()
    kms_key_id: str = ""
    aws_region: str = ""  # Lambda sets it
    training_prices: Annotated[dict[str, float], BeforeValidator(_object)] = Field(default={})
    training_tags: Annotated[dict[str, str], BeforeValidator(_object)] = Field(default={})
