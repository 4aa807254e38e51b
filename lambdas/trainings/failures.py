"""Why a training failed, from what SageMaker and the container say of it."""

import json

from lambdas.trainings.schema import Failure

# SageMaker's secondary statuses and error classes, see
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
_BY_SECONDARY = {
    "MaxRuntimeExceeded": Failure(
        code="time_limit",
        message="The training reached its max_runtime_minutes and was stopped.",
        advice="Raise max_runtime_minutes, train fewer epochs, or take a faster instance_type. "
        "What was finished before is kept.",
    ),
    "MaxWaitTimeExceeded": Failure(
        code="spot_wait",
        message="No spot capacity was to be had for long enough.",
        advice="Train without spot, at another time, or on another instance_type.",
    ),
}
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
_BY_CLASS = (
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
_MOST_CHARACTERS = 900


def no_lora() -> Failure:
    """Return the failure of a job that completed and left nothing."""
    return _NO_LORA


def of_stop(secondary: str) -> Failure:
    """Return the failure of a job that was stopped and not by us."""
    return _BY_SECONDARY.get(secondary, _STOPPED_OUTSIDE)


def of_reason(reason: str) -> Failure:
    """Return the failure that a FailureReason tells.

    The container writes a JSON object of code, message and advice, which SageMaker quotes between
    its own words; anything else is classified by SageMaker's error class.
    """
    told = _told_by_container(reason)
    if told:
        return told
    for error_class, failure in _BY_CLASS:
        if error_class in reason:
            return failure.model_copy(update={"message": f"{failure.message} ({_cut(reason)})"})
    return Failure(
        code="training_failed",
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
