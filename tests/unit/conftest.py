"""An AWS in memory for the unit tests: moto, without a socket, and our own SageMaker."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.client import BaseClient
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.base_backend import BackendDict
from moto.dynamodb.models import dynamodb_backends

from lambdas.asset_worker import fetching, model_imports
from lambdas.core import aws
from local import dynamo, quick_moto
from local.quick_moto import ON_ITEMS
from tests.unit.direct import on_items, short_way
from tests.unit.fakes import AwsCalls, FakeSageMaker
from tests.unit.kept import set_stage
from tests.unit.web import Web, make_web

ENVIRONMENT = {
    "TABLE_NAME": "table",
    "BUCKET_NAME": "bucket",
    "DEPLOYMENT": "lorastack",
    "ASSET_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/assets",
    "NOTICE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/notices",
    "NOTICE_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:notices",
    "TRAINING_IMAGE_URI": "000000000000.dkr.ecr.us-east-1.amazonaws.com/lorastack:1",
    "TRAINING_ROLE_ARN": "arn:aws:iam::000000000000:role/training",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
}
os.environ.update(ENVIRONMENT)
quick_moto.quicken()


def pytest_collection_finish() -> None:
    """Leave what is there by now to itself: to look it all through takes 50 ms at each collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def aws_in_memory() -> Iterator[None]:
    """An AWS that keeps its clients for a whole module: to make them takes 0.1 s a test."""
    _forget_clients()
    with mock_aws(), short_way():
        yield
    _forget_clients()


@pytest.fixture
def aws_calls(
    aws_in_memory: None, sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
) -> AwsCalls:
    """An empty table and bucket; every call to AWS is noted."""
    calls = AwsCalls()
    BackendDict.reset()
    table = _make_table()
    aws.s3().create_bucket(Bucket="bucket")
    for queue in ("assets", "notices", "published"):
        aws.sqs().create_queue(QueueName=queue)
    topic = aws.sns().create_topic(Name="notices")["TopicArn"]
    aws.sns().subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint="arn:aws:sqs:us-east-1:123456789012:published",
    )
    through = BaseClient._make_api_call

    def call(client: BaseClient, operation: str, request: dict) -> dict:
        if client.meta.service_model.service_name == "sagemaker":
            return calls.answer(operation, lambda: sagemaker.answer(operation, request))
        if client.meta.service_model.service_name == "dynamodb" and operation in ON_ITEMS:
            return calls.answer(operation, lambda: on_items(table, client, operation, request))
        return calls.answer(operation, lambda: through(client, operation, request))

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    set_stage(calls, monkeypatch)
    return calls


def _forget_clients() -> None:
    for client in (
        *(aws.dynamodb, aws.s3, aws.sagemaker, aws.sqs, aws.sns, aws.secretsmanager),
        aws._session,
    ):
        client.cache_clear()


@pytest.fixture
def sagemaker() -> FakeSageMaker:
    return FakeSageMaker()


@pytest.fixture
def web(aws_calls: AwsCalls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Web:
    """An Internet for the worker, which tells its progress at once."""
    made = make_web(tmp_path)
    monkeypatch.setattr(fetching, "network", made.network)
    monkeypatch.setattr(model_imports, "TOLD_EVERY_SECONDS", 0)
    return made


def _make_table() -> dynamo.KeptTable:
    """Make it one that a transaction does not copy as a whole."""

    def keys(partition: str, sort: str) -> list[dict]:
        return [
            {"AttributeName": partition, "KeyType": "HASH"},
            {"AttributeName": sort, "KeyType": "RANGE"},
        ]

    names = ("pk", "sk", "open_shard", "next_check_at", "facet")
    aws.dynamodb().create_table(
        TableName="table",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=keys("pk", "sk"),
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "open",
                "KeySchema": keys("open_shard", "next_check_at"),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
            {
                "IndexName": "facets",
                "KeySchema": keys("facet", "sk"),
                "Projection": {"ProjectionType": "ALL"},
            },
        ],
    )
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].tables["table"]
    table.__class__ = dynamo.KeptTable
    return table
