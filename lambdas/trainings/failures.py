"""Why a training failed, from what SageMaker and the container say of it."""

import json
import re

from lambdas.trainings.schema import Failure

# SageMaker's secondary statuses and error classes, see
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
_BY_SECONDARY = {
    "MaxRuntimeExceeded": Failure(
        code="time_limit",
        message="The training reached its max_runtime_minutes and was stopped.",
        advice="Raise max_runtime_minutes, train fewer epochs, or take a faster instance_type. "
        "What was finished before is kept; where its state was (keep_state), a new training with "
        "its id as continue_from goes on from there.",
    ),
    "MaxWaitTimeExceeded": Failure(
        code="spot_wait",
        message="No spot capacity was to be had for long enough.",
        advice="Train without spot, at another time, or on another instance_type.",
    ),
}
_SPOT_LOST = Failure(
    code="spot_lost",
    message="Its spot machine was taken away {count}, and it didn't come to its end.",
    advice="Train without spot, at another time, or on another instance_type; to go on from its "
    "newest state, give its id as continue_from.",
)
_STOPPED_OUTSIDE = Failure(
    code="stopped_outside",
    message="The SageMaker job was stopped, but not by this service.",
    advice="Ask who manages the AWS account, then start it again.",
)
_NO_LORA = Failure(
    code="no_lora",
    message="The job ended without an error and without a LoRA.",
    advice="Read the job's log in CloudWatch; most often the dataset turned out empty.",
)
_JOB_LOST = Failure(
    code="job_lost",
    message="SageMaker knows nothing of the job any more, and it can't be running.",
    advice="Start the training again.",
)
# Words of which a FailureReason has some: SageMaker has classes for few causes only. Pulling:
# https://github.com/aws/sagemaker-python-sdk/issues/1968, and ECS's CannotPullContainerError.
_BY_CLASS = (
    (
        r"Cannot ?[Pp]ull|[Ff]ailed to pull|pulling image|ImageNotFound",
        Failure(
            code="image_pull",
            message="SageMaker could not get the training image.",
            advice="Whoever runs this service looks whether the image of the deploy settings is in "
            "ECR, in this region, and whether the training role may read it.",
        ),
    ),
    (
        # 28 is the container's exit where it had no room to say why.
        r"[Nn]o space left|[Ii]nsufficient disk|exit code: 28\b",
        Failure(
            code="disk_full",
            message="The machine's disk is full.",
            advice="Save less often, train on fewer images, or deploy with a larger volume.",
        ),
    ),
    (
        r"[Dd]ata download failed|Failed to download data",
        Failure(
            code="data_download",
            message="SageMaker could not bring the model, a dataset or a state to the machine.",
            advice="Look whether the model and the datasets are still there, and start it again.",
        ),
    ),
    (
        "CapacityError",
        Failure(
            code="no_capacity",
            message="AWS has no machine of this instance_type free in this region.",
            advice="Try again later or take another instance_type.",
        ),
    ),
    (
        "InternalServerError",
        Failure(
            code="service_fault",
            message="SageMaker lost the job through a fault of its own.",
            advice="Start the training again.",
        ),
    ),
    (
        "ResourceLimitExceeded",
        Failure(
            code="quota",
            message="The account's quota for this instance_type is used up.",
            advice="Wait for other trainings to end, take another instance_type, or ask AWS "
            "Service Quotas for more.",
        ),
    ),
)
_UNTOLD = "training_failed"
_MOST_CHARACTERS = 900

MOST_INTERRUPTIONS = 10
"""After more, a job is stopped: it begins again and again, and is charged for it."""

_MOST_LINES, _MOST_OF_A_LINE = 20, 300


def no_lora() -> Failure:
    """Return the failure of a job that completed and left nothing."""
    return _NO_LORA


def of_stop(secondary: str, interruptions: int = 0) -> Failure:
    """Return the failure of a job that was stopped and not by us, or by us for it was lost often.

    One that waited in vain after an interruption was lost; one that never ran waited.
    """
    lost = secondary == "MaxWaitTimeExceeded" and interruptions > 0
    if lost or interruptions > MOST_INTERRUPTIONS:
        count = "once" if interruptions == 1 else f"{interruptions} times"
        return _SPOT_LOST.model_copy(update={"message": _SPOT_LOST.message.format(count=count)})
    return _BY_SECONDARY.get(secondary, _STOPPED_OUTSIDE)


def of_reason(reason: str) -> Failure:
    """Return the failure that a FailureReason tells.

    The container writes a JSON object of code, message and advice, which SageMaker quotes between
    its own words; anything else is classified by SageMaker's error class.
    """
    told = _told_by_container(reason)
    if told:
        return told
    for pattern, failure in _BY_CLASS:
        if re.search(pattern, reason):
            return failure.model_copy(update={"message": f"{failure.message} ({_cut(reason)})"})
    return Failure(
        code=_UNTOLD,
        message=_cut(reason) or "SageMaker gave no reason.",
        advice="Read the job's log in CloudWatch.",
    )


def job_lost() -> Failure:
    """Return the failure of a job that SageMaker knows nothing of any more."""
    return _JOB_LOST


def refused(reason: str) -> Failure:
    """Return the failure of a job that SageMaker would not take; `reason` is its error code."""
    return Failure(
        code="launch_refused",
        message=f"SageMaker refused the job ({reason}).",
        advice="Nothing was started or charged. Whoever runs this service finds SageMaker's words "
        "in the function's log, and most often the cause in its deploy settings.",
    )


def with_log(failure: Failure, told: bytes | None) -> Failure:
    """Return the failure with the last lines of the log, from what the container left of it.

    Where nothing says more than that the job failed, its code, sentence and advice count too.
    """
    try:
        left = json.loads(told or b"{}")
        lines = [str(line)[:_MOST_OF_A_LINE] for line in left.get("log_tail", [])[-_MOST_LINES:]]
        if failure.code == _UNTOLD and left.get("code"):
            failure = Failure(code=left["code"], message=left["message"], advice=left["advice"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return failure
    return failure.model_copy(update={"log_tail": lines})


def _told_by_container(reason: str) -> Failure | None:
    begin, end = reason.find("{"), reason.rfind("}")
    if begin < 0 or end < begin:
        return None
    try:
        told = json.loads(reason[begin : end + 1])
        return Failure(code=told["code"], message=told["message"], advice=told["advice"])
    except (ValueError, KeyError, TypeError):
        return None


def _cut(text: str) -> str:
    return text[:_MOST_CHARACTERS]
