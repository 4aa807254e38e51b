"""A job as DescribeTrainingJob, ListTrainingJobs and its EventBridge event show it.

Source of the event: "Training job state change" in the SageMaker developer guide.
"""

from collections.abc import Callable
from typing import Any

from local.sagemaker.job import Job
from local.sagemaker.uris import S3Uri

Time = Callable[[float], float]
ECHOED = (
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
    "CheckpointConfig",
    "DebugHookConfig",
    "DebugRuleConfigurations",
    "TensorBoardOutputConfig",
    "ExperimentConfig",
    "ProfilerConfig",
    "ProfilerRuleConfigurations",
    "Environment",
    "RetryStrategy",
    "RemoteDebugConfig",
    "InfraCheckConfig",
)
FLAGS = (
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
)


def described(job: Job) -> dict[str, Any]:
    """Return DescribeTrainingJob's answer; times are seconds since the epoch."""
    return _without_none(
        {
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "ModelArtifacts": _artifacts(job),
            "TrainingJobStatus": job.status,
            "SecondaryStatus": job.secondary,
            "FailureReason": job.failure,
            **{name: job.request[name] for name in ECHOED if name in job.request},
            **{name: bool(job.request.get(name)) for name in FLAGS},
            **_times(job, lambda seconds: round(seconds, 3)),
            "TrainingTimeInSeconds": _seconds(job),
            "BillableTimeInSeconds": _seconds(job),
        }
    )


def summary(job: Job) -> dict[str, Any]:
    """Return one entry of ListTrainingJobs' answer."""
    return _without_none(
        {
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "CreationTime": round(job.created, 3),
            "TrainingEndTime": job.ended and round(job.ended, 3),
            "LastModifiedTime": round(job.modified, 3),
            "TrainingJobStatus": job.status,
            "SecondaryStatus": job.secondary,
        }
    )


def event_detail(job: Job) -> dict[str, Any]:
    """Return the detail of its state-change event; times are milliseconds since the epoch."""
    found = described(job) | _times(job, lambda seconds: round(seconds * 1000))
    return _without_none(found | {"Tags": dict(job.tags)})


def artifacts_uri(job: Job) -> S3Uri:
    """Return the folder of a job's output."""
    return S3Uri.parse(job.request["OutputDataConfig"]["S3OutputPath"]) / job.name / "output"


def uncompressed(job: Job) -> bool:
    """Return whether its output is stored as it is."""
    return bool(job.request["OutputDataConfig"].get("CompressionType") == "NONE")


def _artifacts(job: Job) -> dict[str, str] | None:
    if job.status not in ("Completed", "Stopped"):
        return None
    name = "model" if uncompressed(job) else "model.tar.gz"
    return {"S3ModelArtifacts": str(artifacts_uri(job) / name)}


def _seconds(job: Job) -> int | None:
    return round(job.run_seconds) if job.ended and job.started else None


def _times(job: Job, time: Time) -> dict[str, Any]:
    transitions = [
        _without_none(
            {
                "Status": one.status,
                "StartTime": time(one.start),
                "EndTime": None if one.end is None else time(one.end),
                "StatusMessage": one.message,
            }
        )
        for one in job.transitions
    ]
    return {
        "CreationTime": time(job.created),
        "TrainingStartTime": None if job.started is None else time(job.started),
        "TrainingEndTime": None if job.ended is None else time(job.ended),
        "LastModifiedTime": time(job.modified),
        "SecondaryStatusTransitions": transitions,
    }


def _without_none(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}
