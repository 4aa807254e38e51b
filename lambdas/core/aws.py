"""AWS clients: made when first used and kept, so that a cold start pays only for what it needs."""

from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sqs import SQSClient


# What a call to AWS raises: it was refused, or no answer came.
ERRORS = (BotoCoreError, ClientError)
_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}


@cache
def _session() -> Any:
    # botocore, not boto3: the low-level clients are the same and importing boto3 costs 30 ms more.
    import botocore.session

    return botocore.session.get_session()


def _client(service: str, **config: Any) -> Any:
    from botocore.config import Config

    settings: dict[str, Any] = {
        "connect_timeout": 2,
        "read_timeout": 10,
        "retries": {"mode": "standard", "total_max_attempts": 3},
    }
    return _session().create_client(service, config=Config(**(settings | config)))


def error_code(error: ClientError) -> str:
    """Return AWS's code of an error."""
    return error.response.get("Error", {}).get("Code", "")


def is_passing(error: Exception) -> bool:
    """Say whether an error is one of load or of the network, so that a later try may succeed."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error_code(error) in _THROTTLED or status in {429, 500, 502, 503, 504}
    return isinstance(error, BotoCoreError)


@cache
def dynamodb() -> "DynamoDBClient":
    """Return the DynamoDB client."""
    client: DynamoDBClient = _client("dynamodb")
    return client


@cache
def dynamodb_at_once() -> "DynamoDBClient":
    """Return a DynamoDB client that tries once, for what nobody may wait for."""
    client: DynamoDBClient = _client(
        "dynamodb",
        connect_timeout=0.25,
        read_timeout=0.25,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    return client


@cache
def s3() -> "S3Client":
    """Return the S3 client; it presigns with Signature V4, which browsers' preflights need."""
    client: S3Client = _client(
        "s3",
        signature_version="s3v4",
        max_pool_connections=16,  # as many as threads that read images' headers
        # The bucket's own host in its own region: the global one redirects, and browsers'
        # preflights do not follow.
        s3={"addressing_style": "virtual"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return client


@cache
def sagemaker() -> "SageMakerClient":
    """Return the SageMaker client."""
    client: SageMakerClient = _client("sagemaker", read_timeout=20)
    return client


@cache
def sqs() -> "SQSClient":
    """Return the SQS client."""
    client: SQSClient = _client("sqs")
    return client


@cache
def sns() -> Any:
    """Return the SNS client."""
    return _client("sns")


@cache
def secretsmanager() -> Any:
    """Return the Secrets Manager client."""
    return _client("secretsmanager")
