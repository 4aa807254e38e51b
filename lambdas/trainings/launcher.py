"""SageMaker: the one place where a training becomes a job."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.core import aws, bucket
from lambdas.core.ids import ulid_of
from lambdas.core.observability import logger
from lambdas.trainings import repository, states
from lambdas.trainings.instances import INSTANCE_TYPES
from lambdas.trainings.job_datasets import channels_of
from lambdas.trainings.schema import Continued, Training
from lambdas.trainings.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import CreateTrainingJobRequestTypeDef

# A spot job may wait this long for its machine, besides its running time.
SPOT_WAIT_SECONDS = 24 * 3600
_LEAST_NVME_GB = 125  # ml.g4dn.xlarge
_JOB_NAME = re.compile(r"([a-z0-9]{1,15})-([a-z0-9]{1,20})-([0-9A-HJKMNP-TV-Z]{26})")


@dataclass(frozen=True)
class Launched:
    """What CreateTrainingJob came to: `later` keeps the training queued, to be tried again."""

    outcome: Literal["started", "refused", "later"]
    reason: str = ""


@dataclass(frozen=True)
class JobState:
    """A training job as SageMaker tells of it, by event or by DescribeTrainingJob."""

    name: str
    status: str
    secondary: str
    modified_ms: int
    message: str
    failure_reason: str
    started_at: datetime | None
    ended_at: datetime | None
    billable_seconds: int | None
    interruptions: int = 0

    @property
    def provider_status(self) -> str:
        """Return SageMaker's own words."""
        return f"{self.status}/{self.secondary}"


def job_name(deployment: str, workspace: str, training_id: str) -> str:
    """Return the job's name: it follows from the training, so a repeat makes no second job."""
    return f"{deployment}-{workspace}-{ulid_of(training_id)}"


def training_of(name: str, deployment: str) -> tuple[str, str] | None:
    """Return the workspace and the id of the training that a job belongs to, None for others'."""
    found = _JOB_NAME.fullmatch(name)
    if found is None or found[1] != deployment:
        return None
    return found[2], f"trn_{found[3]}"


def start(workspace: str, training: Training) -> Launched:
    """Ask SageMaker for the job; one that exists already is as good."""
    request = job_request(workspace, training, Settings.load())
    try:
        aws.sagemaker().create_training_job(**request)
    except ClientError as error:
        return _outcome_of(error)
    except BotoCoreError as error:
        logger.warning("CreateTrainingJob did not answer", reason=str(error))
        return Launched("later", "SageMaker did not answer.")
    return Launched("started")


def stop(name: str) -> bool:
    """Ask SageMaker to stop a job; False when there is no such job."""
    try:
        aws.sagemaker().stop_training_job(TrainingJobName=name)
    except ClientError as error:
        if _is_missing(error):
            return False
        if aws.error_code(error) == "ValidationException":
            return True  # it has ended or is stopping already
        raise
    return True


def try_to_stop(name: str) -> None:
    """Ask SageMaker to stop a job, now if it answers; reconciling asks again if not."""
    try:
        stop(name)
    except aws.ERRORS as error:
        logger.warning("StopTrainingJob did not come through", job=name, reason=str(error))


def describe(name: str) -> JobState | None:
    """Return how a job stands, None when there is no such job."""
    try:
        answer = aws.sagemaker().describe_training_job(TrainingJobName=name)
    except ClientError as error:
        if _is_missing(error):
            return None
        raise
    return state_of(answer)


def state_of(told: Mapping[str, Any]) -> JobState:
    """Read a DescribeTrainingJob answer or the detail of a state-change event; in the latter times
    are milliseconds since 1970."""
    secondary = told.get("SecondaryStatus", "")
    transitions = told.get("SecondaryStatusTransitions") or [{}]
    return JobState(
        name=told["TrainingJobName"],
        status=told["TrainingJobStatus"],
        secondary=secondary,
        modified_ms=_milliseconds(told["LastModifiedTime"]),
        message=transitions[-1].get("StatusMessage", "") or secondary,
        failure_reason=told.get("FailureReason") or "",
        started_at=_moment(told.get("TrainingStartTime")),
        ended_at=_moment(told.get("TrainingEndTime")),
        billable_seconds=told.get("BillableTimeInSeconds"),
        interruptions=sum(one.get("Status") == "Interrupted" for one in transitions),
    )


def job_request(
    workspace: str, training: Training, settings: Settings
) -> "CreateTrainingJobRequestTypeDef":
    """Return the CreateTrainingJob request; it follows from the record alone."""
    root = bucket.uri(repository.folder_of(workspace, training.id))
    request: Any = {
        "TrainingJobName": training.job_name,
        "RoleArn": settings.training_role_arn,
        "AlgorithmSpecification": {
            "TrainingImage": settings.training_image_uri,
            "TrainingInputMode": "File",
        },
        "InputDataConfig": _channels(workspace, training),
        "OutputDataConfig": _output(root, settings),
        "ResourceConfig": _resources(training, settings),
        "StoppingCondition": _stopping(training),
        "EnableManagedSpotTraining": training.spot,
        "EnableNetworkIsolation": True,
        "CheckpointConfig": {"S3Uri": f"{root}checkpoints/", "LocalPath": "/opt/ml/checkpoints"},
        "TensorBoardOutputConfig": {
            "S3OutputPath": f"{root}logs/",
            "LocalPath": "/opt/ml/output/tensorboard",
        },
        "Tags": _tags(workspace, training, settings),
    }
    if settings.subnet_ids:
        request["VpcConfig"] = {
            "Subnets": list(settings.subnet_ids),
            "SecurityGroupIds": list(settings.security_group_ids),
        }
    return request  # type: ignore[no-any-return]


def _output(root: str, settings: Settings) -> dict[str, str]:
    output = {"S3OutputPath": f"{root}output/", "CompressionType": "NONE"}
    return output | ({"KmsKeyId": settings.kms_key_id} if settings.kms_key_id else {})


def _resources(training: Training, settings: Settings) -> dict[str, Any]:
    nvme = INSTANCE_TYPES[training.instance_type].local_nvme
    resources: dict[str, Any] = {
        "InstanceType": training.instance_type,
        "InstanceCount": 1,
        # Local NVMe has the size it has: more than there is would be refused.
        "VolumeSizeInGB": min(settings.volume_size_gb, _LEAST_NVME_GB)
        if nvme
        else settings.volume_size_gb,
    }
    # Refused for local NVMe, which encrypts by itself.
    encrypts = settings.kms_key_id and not nvme
    return resources | ({"VolumeKmsKeyId": settings.kms_key_id} if encrypts else {})


def _stopping(training: Training) -> dict[str, int]:
    runtime = training.max_runtime_minutes * 60
    stopping = {"MaxRuntimeInSeconds": runtime}
    if training.spot:
        stopping["MaxWaitTimeInSeconds"] = runtime + SPOT_WAIT_SECONDS
    return stopping


def _channels(workspace: str, training: Training) -> list[dict[str, Any]]:
    places = {
        "config": f"{workspace}/trainings/{training.id}/input/",
        "model": f"{workspace}/models/{training.model.id}/",
    }
    if training.continue_from:
        places["init"] = _init(workspace, training.continue_from)
    places |= {
        channel: f"{workspace}/datasets/{dataset_id}/"
        for dataset_id, channel in channels_of(training.datasets).items()
    }
    return [
        {
            "ChannelName": name,
            "InputMode": "File",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": bucket.uri(prefix),
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
        for name, prefix in places.items()
    ]


def _init(workspace: str, continued: Continued) -> str:
    if continued.kind == "state":
        return states.folder_of(workspace, continued.id)
    return f"{workspace}/models/{continued.id}/"


def _tags(workspace: str, training: Training, settings: Settings) -> list[dict[str, str]]:
    ours = {
        "lorastack:deployment": settings.deployment,
        "lorastack:workspace": workspace,
        "lorastack:training": training.id,
    }
    merged = training.tags | settings.training_tags | ours
    return [{"Key": name, "Value": value} for name, value in merged.items()]


def _outcome_of(error: ClientError) -> Launched:
    code, message = aws.error_code(error), error.response.get("Error", {}).get("Message", "")
    logger.info("CreateTrainingJob refused", code=code, reason=message)
    if code == "ResourceInUse":
        return Launched("started")
    if code in {"ValidationException", "AccessDeniedException", "ResourceNotFound"}:
        return Launched("refused", code)
    return Launched("later", code)


def _is_missing(error: ClientError) -> bool:
    # SageMaker has no code of its own for this, only the sentence.
    message = error.response.get("Error", {}).get("Message", "")
    return aws.error_code(error) in {"ValidationException", "ResourceNotFound"} and (
        "not found" in message.lower()
    )


def _milliseconds(told: Any) -> int:
    return int(told.timestamp() * 1000) if isinstance(told, datetime) else int(told)


def _moment(told: Any) -> datetime | None:
    if told is None:
        return None
    return datetime.fromtimestamp(_milliseconds(told) / 1000, UTC)
