"""What CreateTrainingJob refuses beyond its service model."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from local.sagemaker.errors import validation

# "Certain Nitro-based instances include local storage ... you can't request a VolumeKmsKeyId":
# ResourceConfig in the SageMaker API reference.
LOCAL_STORAGE = frozenset(
    {"g4dn", "g5", "g6", "g6e", "gr6", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200"}
    | {"trn1", "trn1n", "trn2", "c5d", "c6id", "m5d", "m5dn", "m6id", "r5d", "r5dn", "r6id"}
    | {"i3", "i3en"}
)
Request = dict[str, Any]


def check(request: Request) -> None:
    """Raise ApiError for a request that AWS would refuse although the model allows it."""
    for rule in RULES:
        rule(request)


def _needs_its_parts(request: Request) -> None:
    specification = request.get("AlgorithmSpecification", {})
    if not {"TrainingImage", "AlgorithmName"} & set(specification):
        raise validation("You must specify either a TrainingImage or an AlgorithmName.")
    if "ResourceConfig" not in request:
        raise validation("ResourceConfig is required for a training job with an instance.")


def _instances(request: Request) -> None:
    resources = request["ResourceConfig"]
    if "InstanceType" not in resources or not resources.get("InstanceCount"):
        raise validation("ResourceConfig needs an InstanceType and an InstanceCount of at least 1.")
    if not resources.get("VolumeSizeInGB"):
        raise validation("VolumeSizeInGB must be at least 1.")
    family = resources["InstanceType"].split(".")[1]
    if resources.get("VolumeKmsKeyId") and family in LOCAL_STORAGE:
        raise validation(
            f"VolumeKmsKeyId is not supported for instance type {resources['InstanceType']}, "
            "which has local storage that is encrypted by the hardware."
        )


def _waiting(request: Request) -> None:
    stopping = request.get("StoppingCondition", {})
    wait, run = stopping.get("MaxWaitTimeInSeconds"), stopping.get("MaxRuntimeInSeconds", 86_400)
    if not request.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise validation(
                "MaxWaitTimeInSeconds can be specified only if EnableManagedSpotTraining is true."
            )
        return
    if wait is None or wait < run:
        raise validation(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds when EnableManagedSpotTraining is true."
        )


def _channels(request: Request) -> None:
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise validation(f"Channel names must be unique; used twice: {', '.join(twice)}")
    for channel in request.get("InputDataConfig", []):
        if not channel["DataSource"]:
            raise validation(f"Channel {channel['ChannelName']} has no data source.")


def _tags(request: Request) -> None:
    keys = [tag["Key"] for tag in request.get("Tags", [])]
    if len(keys) != len(set(keys)):
        raise validation("Tag keys must be unique.")
    if any(key.lower().startswith("aws:") for key in keys):
        raise validation("Tag keys that start with aws: are reserved.")


RULES: tuple[Callable[[Request], None], ...] = (
    _needs_its_parts,
    _instances,
    _waiting,
    _channels,
    _tags,
)
