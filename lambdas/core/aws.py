"""AWS clients: made when first used and kept, so that a cold start pays only for what it needs."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient


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


@cache
def dynamodb() -> "DynamoDBClient":
    """Return the DynamoDB client."""
    client: DynamoDBClient = _client("dynamodb")
    return client


@cache
def s3() -> "S3Client":
    """Return the S3 client; it presigns with Signature V4, which browsers' preflights need."""
    client: S3Client = _client(
        "s3",
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return client


@cache
def sagemaker() -> "SageMakerClient":
    """Return the SageMaker client."""
    client: SageMakerClient = _client("sagemaker", read_timeout=20)
    return client
