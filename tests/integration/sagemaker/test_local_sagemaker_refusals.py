"""The SageMaker endpoint: what it refuses."""

from collections.abc import Callable
from typing import Any

import endpoints
import httpx
import pytest
from botocore.exceptions import ClientError
from sagemaker_support import Stack, channel, code, request


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    content = request("never-made")
    change(content)
    return content


def without(*names: str) -> Callable[[dict[str, Any]], Any]:
    def change(content: dict[str, Any]) -> None:
        for one in names[:-1]:
            content = content[one]
        del content[names[-1]]

    return change


def having(value: Any, *names: Any) -> Callable[[dict[str, Any]], Any]:
    def change(content: Any) -> None:
        for one in names[:-1]:
            content = content[one]
        content[names[-1]] = value

    return change


STOPPING = "StoppingCondition"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("RoleArn"), "roleArn"),
        (without("OutputDataConfig", "S3OutputPath"), "outputDataConfig.s3OutputPath"),
        (without("AlgorithmSpecification", "TrainingInputMode"), "trainingInputMode"),
        (having("-starts-badly", "TrainingJobName"), "regular expression pattern"),
        (having("ends-badly-", "TrainingJobName"), "regular expression pattern"),
        (having("under_score", "TrainingJobName"), "regular expression pattern"),
        (having("a" * 64, "TrainingJobName"), "length less than or equal to 63"),
        (having("not-a-role", "RoleArn"), "regular expression pattern"),
        (having("ml.g99.huge", "ResourceConfig", "InstanceType"), "enum value set"),
        (having("Fax", "AlgorithmSpecification", "TrainingInputMode"), "enum value set"),
        (having("ZIP", "OutputDataConfig", "CompressionType"), "enum value set"),
        (having(0, STOPPING, "MaxRuntimeInSeconds"), "greater than or equal to 1"),
        (having({"a": "x" * 2501}, "HyperParameters"), "hyperParameters.a.member"),
        (having({str(n): "" for n in range(101)}, "HyperParameters"), "equal to 100"),
        (having("bad name", "InputDataConfig", 0, "ChannelName"), "inputDataConfig.1.member"),
        (having([channel(f"c{n}", "input/") for n in range(21)], "InputDataConfig"), "equal to 20"),
        (having([{"Key": "a", "Value": "x,y"}], "Tags"), "tags.1.member.value"),
        (having([{"Key": "a", "Value": "x" * 257}], "Tags"), "equal to 256"),
        (having({"1BAD": "x"}, "Environment"), "environment.key"),
        # beyond the model
        (having([channel("c", "input/")] * 2, "InputDataConfig"), "must be unique"),
        (having([channel("c", "empty/")], "InputDataConfig"), "No S3 objects found"),
        (having("kms", "ResourceConfig", "VolumeKmsKeyId"), "VolumeKmsKeyId"),
        (having(True, "EnableManagedSpotTraining"), "MaxWaitTimeInSeconds"),
        (having(60, STOPPING, "MaxWaitTimeInSeconds"), "EnableManagedSpotTraining"),
        (
            lambda content: content.update(
                EnableManagedSpotTraining=True,
                StoppingCondition={"MaxRuntimeInSeconds": 61, "MaxWaitTimeInSeconds": 60},
            ),
            "MaxWaitTimeInSeconds",
        ),
        (without("AlgorithmSpecification", "TrainingImage"), "TrainingImage"),
        (without("ResourceConfig"), "ResourceConfig"),
        (having([{"Key": "a", "Value": "1"}] * 2, "Tags"), "unique"),
    ],
)
def test_what_aws_refuses_is_refused(stack: Stack, change: Any, words: str) -> None:
    lax = endpoints.client("sagemaker", stack.endpoint, parameter_validation=False)
    content = changed(change)
    with pytest.raises(ClientError) as error:
        lax.create_training_job(**content)
    assert code(error) == "ValidationException"
    assert words in str(error.value)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    listed = stack.sagemaker.list_training_jobs(NameContains="never-made")
    assert listed["TrainingJobSummaries"] == []


def test_all_faults_are_told_at_once(stack: Stack) -> None:
    with pytest.raises(ClientError) as error:
        stack.sagemaker.create_training_job(
            **request("a_b", RoleArn="r" * 20, OutputDataConfig={"S3OutputPath": "file:///x"})
        )
    assert "3 validation errors detected" in str(error.value)


def test_a_wrong_type_is_a_serialization_error(stack: Stack) -> None:
    lax = endpoints.client("sagemaker", stack.endpoint, parameter_validation=False)
    with pytest.raises(ClientError) as error:
        lax.create_training_job(**changed(having("yes", "EnableNetworkIsolation")))
    assert code(error) == "SerializationException"


def test_volume_keys_are_fine_where_the_volume_is_no_local_disk(stack: Stack, name: str) -> None:
    resources = {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    stack.create(name, ResourceConfig={**resources, "VolumeKmsKeyId": "key"})
    assert stack.wait(name)["ResourceConfig"]["VolumeKmsKeyId"] == "key"


def test_a_name_is_used_once(stack: Stack, name: str) -> None:
    stack.create(name)
    with pytest.raises(stack.sagemaker.exceptions.ResourceInUse):
        stack.create(name)
    stack.wait(name)
    with pytest.raises(stack.sagemaker.exceptions.ResourceInUse):
        stack.create(name)


def test_an_unknown_job_is_not_found(stack: Stack) -> None:
    for call in (stack.sagemaker.describe_training_job, stack.sagemaker.stop_training_job):
        with pytest.raises(ClientError) as error:
            call(TrainingJobName="nobody")
        assert code(error) == "ValidationException"
        assert "Requested resource not found." in str(error.value)


def test_an_operation_that_is_not_offered_says_so(stack: Stack) -> None:
    with pytest.raises(ClientError) as error:
        stack.sagemaker.list_endpoints()
    assert code(error) == "UnknownOperationException"


def test_an_unsigned_and_a_wrongly_signed_request_are_refused(stack: Stack) -> None:
    target = {"X-Amz-Target": "SageMaker.ListTrainingJobs"}
    answer = httpx.post(stack.endpoint.url, content=b"{}", headers=target)
    assert answer.json()["__type"] == "MissingAuthenticationTokenException"
    other = endpoints.client("sagemaker", stack.endpoint, "AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(ClientError) as error:
        other.list_training_jobs()
    assert code(error) == "UnrecognizedClientException"
