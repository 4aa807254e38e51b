"""What can be set for a deployment, all of it under the CDK context key "lorastack"."""

import difflib
import json
from typing import Annotated, Literal, Self

from constructs import Node
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from problems import DeploymentError

KEY = "lorastack"

SubnetId = Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]
SecurityGroupId = Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s]+)$")]
# SageMaker allows these characters in tags, and 50 tags, of which we add some of our own.
TagKey = Annotated[str, Field(pattern=r"^[\w .:/=+\-@]+$", max_length=128)]
TagValue = Annotated[str, Field(pattern=r"^[\w .:/=+\-@]*$", max_length=256)]

InstanceTypeName = Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")]
WorkspaceName = Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}$")]
FolderUri = Annotated[
    str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^/*?$]+/)*$", max_length=1000)
]
# CDK drops what is null in a context.
Amount = Annotated[float, Field(ge=0, lt=10**9, allow_inf_nan=False)] | Literal["none"]
Price = Annotated[float, Field(gt=0, lt=10_000, allow_inf_nan=False)]


class DeploymentSettings(BaseModel):
    """One deployment of LoRAStack. A description ends the sentence "it must be ..."."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deployment: str = Field(
        "lorastack",
        pattern=r"^[a-z0-9]{1,15}$",
        description="1 to 15 lower-case letters and digits, as it begins every job name",
    )
    account: str | None = Field(
        None, pattern=r"^\d{12}$", description="a string of 12 digits, or left out"
    )
    region: str | None = Field(
        None,
        pattern=r"^[a-z]{2}(-[a-z]+)+-\d$",
        description='an AWS region such as "eu-west-1", or left out',
    )
    default_instance_type: str = Field(
        "ml.g5.xlarge",
        pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$",
        description='a SageMaker instance type such as "ml.g5.xlarge"',
    )
    # 28 days is SageMaker's longest run by quota.
    default_max_runtime_minutes: int = Field(
        360, ge=1, le=40_320, description="a number of minutes from 1 to 40320 (28 days)"
    )
    volume_size_gb: int = Field(
        100, ge=1, le=16_384, description="a number of gigabytes from 1 to 16384"
    )
    # What a workspace may use that has no limits of its own; see docs/guides/access.md.
    max_active_trainings: int = Field(20, ge=1, le=1000, description="a number from 1 to 1000")
    max_gpu_hours_per_month: Amount = Field(
        500, description='a number of GPU hours from 0, or "none" for no limit'
    )
    max_usd_per_month: Amount = Field(
        1000, description='a number of US dollars from 0, or "none" for no limit'
    )
    max_stored_gb: Amount = Field(
        2000, description='a number of gigabytes from 0, or "none" for no limit'
    )
    audit_days: int = Field(90, ge=1, le=3650, description="a number of days from 1 to 3650")
    subnet_ids: tuple[SubnetId, ...] = Field(
        (), max_length=16, description='a list of at most 16 subnet ids such as "subnet-0a1b2c3d"'
    )
    security_group_ids: tuple[SecurityGroupId, ...] = Field(
        (), max_length=5, description='a list of at most 5 security group ids such as "sg-0a1b2c3d"'
    )
    kms_key_arn: str | None = Field(
        None,
        pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$",
        description="the ARN of a KMS key (arn:aws:kms:<region>:<account>:key/<id>), or left out",
    )
    tags: dict[TagKey, TagValue] = Field(
        {},
        max_length=40,
        description="an object of at most 40 tags, made of letters, digits, spaces and _.:/=+-@",
    )
    # Over lambdas/trainings/prices.json, for the region that this deployment is in.
    training_prices: dict[InstanceTypeName, Price] = Field(
        {},
        max_length=100,
        description="an object of USD per hour of training by instance type, such as "
        '{"ml.g5.xlarge": 1.41}',
    )
    console_origins: tuple[Origin, ...] = Field(
        ("*",),
        min_length=1,
        # Whose pages may read files and answers; tokens are sent by script alone, so that "*" gives
        # no page what it has no token for.
        description='a list of origins such as "https://lora.example.org", or ["*"]',
    )
    training_image_uri: str | None = Field(
        None,
        pattern=r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/[a-z0-9._/-]+[:@]\S+$",
        description="the URI of an image in ECR with its tag or digest, or left out to build ours",
    )
    # What may be imported besides a workspace's inbox; the worker may read it.
    import_prefixes: dict[WorkspaceName, tuple[FolderUri, ...]] = Field(
        {},
        max_length=100,
        description="an object of lists of S3 folders by workspace, such as "
        '{"acme": ["s3://acme-files/models/"]}, each ending in a slash',
    )
    download_secret_name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9/_+=.@-]{1,512}$",
        description="the name of a secret in Secrets Manager that holds a JSON object of tokens by "
        'host, such as {"huggingface.co": "hf_..."}, or left out',
    )
    notice_topic: bool = Field(
        True,
        description="true or false: whether what happens in every workspace is also published to "
        "an SNS topic of the stack",
    )
    retention: Literal["retain", "destroy"] = Field(
        "retain", description='"retain" or "destroy": what becomes of table and bucket'
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description='"DEBUG", "INFO", "WARNING" or "ERROR"'
    )

    @model_validator(mode="after")
    def _tags_are_ours(self) -> Self:
        if any(key.lower().startswith("aws:") for key in self.tags):
            raise ValueError("tags may not begin with aws:, which AWS keeps for itself")
        return self

    @model_validator(mode="after")
    def _network_is_whole(self) -> Self:
        if bool(self.subnet_ids) != bool(self.security_group_ids):
            raise ValueError("subnet_ids and security_group_ids go together: set both or neither")
        return self


def limits_environment(settings: DeploymentSettings) -> dict[str, str]:
    """What every function that serves requests must know of limits and of the audit log."""
    most = {
        "MAX_GPU_HOURS_PER_MONTH": settings.max_gpu_hours_per_month,
        "MAX_USD_PER_MONTH": settings.max_usd_per_month,
        "MAX_STORED_GB": settings.max_stored_gb,
    }
    return {
        "MAX_ACTIVE_TRAININGS": str(settings.max_active_trainings),
        "AUDIT_DAYS": str(settings.audit_days),
        **{name: "" if limit == "none" else f"{limit:.15g}" for name, limit in most.items()},
    }


def load_settings(node: Node) -> DeploymentSettings:
    """Reads the settings from the context: the object "lorastack", then keys "lorastack:<name>".

    Raises DeploymentError for the first setting that is wrong.
    """
    given = {**_object(node.try_get_context(KEY)), **_single_keys(node)}
    try:
        return DeploymentSettings.model_validate(given)
    except ValidationError as exc:
        raise DeploymentError(_sentence(exc.errors()[0])) from exc


def _object(value: object) -> dict[str, object]:
    # The CLI's -c hands every value on as text.
    if isinstance(value, str):
        value = _parsed(value)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DeploymentError(
            f'The context key "{KEY}" must be a JSON object of settings; write it in cdk.json.'
        )
    return value


def _single_keys(node: Node) -> dict[str, object]:
    context: dict[str, object] = node.get_all_context()
    prefix = f"{KEY}:"
    return {
        key.removeprefix(prefix): _parsed(value)
        for key, value in context.items()
        if key.startswith(prefix)
    }


def _parsed(value: object) -> object:
    if not isinstance(value, str) or not value.startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _sentence(error: ErrorDetails) -> str:
    if not error["loc"]:
        return f'Settings under "{KEY}" in cdk.json: {error["ctx"]["error"]}.'
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return f'There is no setting "{name}" under "{KEY}" in cdk.json{_did_you_mean(name)}.'
    must = DeploymentSettings.model_fields[name].description
    return (
        f'The setting "{name}" under "{KEY}" in cdk.json has the value {error["input"]!r}: '
        f"it must be {must}."
    )


def _did_you_mean(name: str) -> str:
    near = difflib.get_close_matches(name, DeploymentSettings.model_fields, n=1)
    if near:
        return f', but there is "{near[0]}"'
    return f"; there are {', '.join(DeploymentSettings.model_fields)}"
