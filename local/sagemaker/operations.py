"""The operations: CreateTrainingJob, DescribeTrainingJob, StopTrainingJob, lists and tags."""

import base64
import binascii
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from local.endpoint import Access
from local.sagemaker import rules
from local.sagemaker.describe import described, summary
from local.sagemaker.errors import ApiError, not_authorized, validation
from local.sagemaker.job import FINAL, Job
from local.sagemaker.registry import Registry
from local.sagemaker.runner import Runner, Workshop
from local.sagemaker.transfer import TransferError
from local.sagemaker.uris import S3Uri

PAGE = 10
PASSED_TO_US = {"iam:PassedToService": "sagemaker.amazonaws.com"}
SORT_KEYS: dict[str, Callable[[Job], Any]] = {
    "CreationTime": lambda job: (job.created, job.name),
    "Name": lambda job: job.name,
    "Status": lambda job: (job.status, job.name),
}


@dataclass(frozen=True)
class Operations:
    """All operations on the jobs of one registry; `caller` is an access key id."""

    registry: Registry
    workshop: Workshop
    access: Access
    runners: dict[str, Runner] = field(default_factory=dict)

    def create_training_job(self, caller: str, request: dict[str, Any]) -> dict[str, Any]:
        """Start a job."""
        name = request["TrainingJobName"]
        self._require(caller, "sagemaker:CreateTrainingJob", self.registry.arn(name))
        self._require(caller, "iam:PassRole", request["RoleArn"], PASSED_TO_US)
        if "Tags" in request:
            self._require(caller, "sagemaker:AddTags", self.registry.arn(name))
        rules.check(request)
        self._check_inputs(request)
        job = self.registry.create(request)
        self.run(name)
        return {"TrainingJobArn": job.arn}

    def describe_training_job(self, caller: str, request: dict[str, Any]) -> dict[str, Any]:
        """Tell everything of a job."""
        name = request["TrainingJobName"]
        self._require(caller, "sagemaker:DescribeTrainingJob", self.registry.arn(name))
        return described(self.registry.get(name))

    def stop_training_job(self, caller: str, request: dict[str, Any]) -> dict[str, Any]:
        """Ask a job to end: SIGTERM, and SIGKILL after the grace time."""
        name = request["TrainingJobName"]
        self._require(caller, "sagemaker:StopTrainingJob", self.registry.arn(name))
        self.registry.change(name, _stopping)
        return {}

    def list_training_jobs(self, caller: str, request: dict[str, Any]) -> dict[str, Any]:
        """List jobs, a page at a time."""
        self._require(caller, "sagemaker:ListTrainingJobs", "*")
        found = [job for job in self.registry.all() if _wanted(job, request)]
        descending = request.get("SortOrder", "Descending") == "Descending"
        found.sort(key=SORT_KEYS[request.get("SortBy", "CreationTime")], reverse=descending)
        first = _offset(request.get("NextToken"))
        end = first + request.get("MaxResults", PAGE)
        answer: dict[str, Any] = {
            "TrainingJobSummaries": [summary(job) for job in found[first:end]]
        }
        return answer | ({"NextToken": _token(end)} if end < len(found) else {})

    def add_tags(self, caller: str, request: dict[str, Any]) -> dict[str, Any]:
        """Add or replace tags of a job."""
        self._require(caller, "sagemaker:AddTags", request["ResourceArn"])
        job = self.registry.by_arn(request["ResourceArn"])
        new = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        kept = self.registry.change(job.name, lambda one: replace(one, tags={**one.tags, **new}))
        return {"Tags": _tags(kept)}

    def list_tags(self, caller: str, request: dict[str, Any]) -> dict[str, Any]:
        """List the tags of a job."""
        self._require(caller, "sagemaker:ListTags", request["ResourceArn"])
        return {"Tags": _tags(self.registry.by_arn(request["ResourceArn"]))}

    def interrupt(self, name: str) -> None:
        """Take a spot job's machine away. Raises ApiError."""
        job, runner = self.registry.get(name), self.runners.get(name)
        if not job.spot:
            raise validation("Only a job with EnableManagedSpotTraining can be interrupted.")
        if job.final or runner is None:
            raise validation(f"The training job is in status {job.status}.")
        runner.interrupt()

    def run(self, name: str) -> None:
        """Run a job in the background."""
        runner = self.runners[name] = Runner(name, self.workshop)
        runner.start()

    def _require(
        self, caller: str, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> None:
        if not self.access.allowed(caller, action, resource, context):
            raise not_authorized(action, resource)

    def _check_inputs(self, request: dict[str, Any]) -> None:
        """Refuse a job whose input is not there, as AWS does before it starts a machine."""
        transfer = self.workshop.transfer()
        for channel in request.get("InputDataConfig", []):
            if source := channel["DataSource"].get("S3DataSource"):
                try:
                    found = _any(transfer.listed(S3Uri.parse(source["S3Uri"])))
                except TransferError:
                    found = False
                if not found:
                    raise _no_objects(source["S3Uri"], request["RoleArn"])


def _any(found: Iterable[object]) -> bool:
    return next(iter(found), None) is not None


def _no_objects(uri: str, role: str) -> ApiError:
    return validation(
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that '
        "the bucket exists in the selected region, that objects exist under that S3 prefix, and "
        f'that the role "{role}" has "s3:ListBucket" permissions on bucket '
        f'"{S3Uri.parse(uri).bucket}".'
    )


def _stopping(job: Job) -> Job:
    if job.status in FINAL:
        raise validation(
            f"The request was rejected because the training job is in status {job.status}."
        )
    if job.status == "Stopping":
        return job
    return job.at("Stopping", "Stopping the training job", time.time())


def _wanted(job: Job, request: dict[str, Any]) -> bool:
    def after(name: str, moment: float) -> bool:
        return name not in request or moment > float(request[name])

    def before(name: str, moment: float) -> bool:
        return name not in request or moment < float(request[name])

    return (
        request.get("NameContains", "").lower() in job.name.lower()
        and request.get("StatusEquals", job.status) == job.status
        and after("CreationTimeAfter", job.created)
        and before("CreationTimeBefore", job.created)
        and after("LastModifiedTimeAfter", job.modified)
        and before("LastModifiedTimeBefore", job.modified)
    )


def _tags(job: Job) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in job.tags.items()]


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(str(offset).encode()).decode()


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError) as exc:
        raise validation("Invalid NextToken.") from exc
