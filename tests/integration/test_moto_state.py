"""DynamoDB by moto: kept on disk, one call at a time, and only what the roles allow."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from local_stack import REPOSITORY
from toy_stack import write_toy_stack

from local.credentials import OPERATOR, secret_access_key

SECRET = "a1" * 32
TABLE = "LoraStack-ToyTable"


@dataclass
class Moto:
    """A moto server of its own, which a test may kill."""

    folder: Path
    process: subprocess.Popen
    url: str

    def client(self, key: str = OPERATOR, secret: str = SECRET, service: str = "dynamodb"):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret_access_key(secret, key),
            config=Config(retries={"total_max_attempts": 1}),
        )

    @property
    def journal(self) -> Path:
        return self.folder / "moto.journal"

    def restart(self) -> "Moto":
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return start(self.folder)


def start(folder: Path) -> Moto:
    config = {
        "secret": SECRET,
        "cdk_out": str(folder / "cdk.out"),
        "events_url": "http://127.0.0.1:9/",
    }
    (folder / "moto.json").write_text(json.dumps(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "local.moto_server", "--port", "0", "--root", str(folder),
         "--config", str(folder / "moto.json")],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    ready = process.stdout.readline().split()
    assert ready[:1] == ["ready"]
    return Moto(folder, process, ready[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moto")
    write_toy_stack(folder)
    servers = [start(folder)]
    yield servers
    servers[-1].process.stdin.close()
    assert servers[-1].process.wait(10) == 0


@pytest.fixture
def moto(server) -> Moto:
    return server[-1]


@pytest.fixture
def restart(server):
    def again() -> Moto:
        server.append(server[-1].restart())
        return server[-1]

    return again


def item(pk: str, sk: str = "1", **more) -> dict:
    return {"pk": {"S": pk}, "sk": {"S": sk}, **more}


def get(moto: Moto, pk: str, sk: str = "1") -> dict | None:
    return moto.client().get_item(TableName=TABLE, Key=item(pk, sk)).get("Item")


def code_of(call) -> str:
    with pytest.raises(ClientError) as raised:
        call()
    return raised.value.response["Error"]["Code"]


def test_every_kind_of_write_survives_a_kill(moto, restart):
    client = moto.client()
    rich = {
        "n": {"N": "1.50"}, "b": {"B": b"\x00\xff"}, "null": {"NULL": True}, "yes": {"BOOL": True},
        "list": {"L": [{"S": "a"}, {"M": {"x": {"N": "2"}}}]}, "set": {"SS": ["p", "q"]},
        "text": {"S": "图像"},
    }  # fmt: skip
    client.put_item(TableName=TABLE, Item=item("put", **rich))
    client.put_item(TableName=TABLE, Item=item("gone"))
    client.delete_item(TableName=TABLE, Key=item("gone"))
    client.update_item(
        TableName=TABLE,
        Key=item("updated"),
        UpdateExpression="ADD counted :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    client.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": item("batched")}}]})
    client.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": TABLE, "Item": item("transacted", "1")}},
            {"Put": {"TableName": TABLE, "Item": item("transacted", "2")}},
        ]
    )

    moto = restart()

    assert get(moto, "put") == item("put", **rich)
    assert get(moto, "gone") is None
    assert get(moto, "updated")["counted"] == {"N": "1"}
    assert get(moto, "batched")
    assert get(moto, "transacted", "1")
    assert get(moto, "transacted", "2")


def test_a_torn_last_line_is_cut_off_and_writing_goes_on(moto, restart):
    moto.client().put_item(TableName=TABLE, Item=item("before-the-tear"))
    with moto.journal.open("ab") as journal:
        journal.write(b'[["LoraStack-ToyTable",{"pk":{"S":"to')

    moto = restart()
    moto.client().put_item(TableName=TABLE, Item=item("after-the-tear"))
    moto = restart()

    assert get(moto, "before-the-tear")
    assert get(moto, "after-the-tear")


def test_a_kill_in_the_middle_of_many_writes_loses_no_answered_one(moto, restart):
    client = moto.client()
    answered: list[int] = []

    def write(number: int) -> None:
        client.put_item(TableName=TABLE, Item=item("many", f"{number:04}"))
        answered.append(number)

    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(write, number) for number in range(400)]
        while len(answered) < 100:
            time.sleep(0.005)
        moto = restart()
        kept = [write.exception() for write in writes].count(None)

    assert 100 <= kept < 400
    found = {number for number in answered if get(moto, "many", f"{number:04}")}
    assert found == set(answered)


def test_the_journal_is_written_anew_at_the_start(moto, restart):
    client = moto.client()
    for number in range(20):
        client.put_item(TableName=TABLE, Item=item("same", n={"N": str(number)}))
    lines = moto.journal.read_bytes().count(b"\n")

    moto = restart()

    assert moto.journal.read_bytes().count(b"\n") <= lines - 19
    assert get(moto, "same")["n"] == {"N": "19"}


def test_what_is_past_its_ttl_is_gone_after_a_restart(moto, restart):
    past, future = str(int(time.time()) - 5), str(int(time.time()) + 500)
    moto.client().put_item(TableName=TABLE, Item=item("past", expires_at={"N": past}))
    moto.client().put_item(TableName=TABLE, Item=item("future", expires_at={"N": future}))

    moto = restart()

    assert get(moto, "past") is None
    assert get(moto, "future")


def test_a_failed_transaction_changes_nothing(moto):
    client = moto.client()
    client.put_item(TableName=TABLE, Item=item("account", n={"N": "1"}))
    before = moto.journal.read_bytes()

    code = code_of(
        lambda: client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": TABLE, "Item": item("never")}},
                {
                    "Update": {
                        "TableName": TABLE,
                        "Key": item("account"),
                        "UpdateExpression": "SET n = :n",
                        "ExpressionAttributeValues": {":n": {"N": "9"}},
                    }
                },
                {
                    "ConditionCheck": {
                        "TableName": TABLE,
                        "Key": item("absent"),
                        "ConditionExpression": "attribute_exists(pk)",
                    }
                },
            ]
        )
    )

    assert code == "TransactionCanceledException"
    assert get(moto, "never") is None
    assert get(moto, "account")["n"] == {"N": "1"}
    assert moto.journal.read_bytes() == before


def test_a_failed_condition_changes_nothing(moto):
    client = moto.client()
    client.put_item(TableName=TABLE, Item=item("conditional"))

    code = code_of(
        lambda: client.put_item(
            TableName=TABLE,
            Item=item("conditional", n={"N": "2"}),
            ConditionExpression="attribute_not_exists(pk)",
        )
    )

    assert code == "ConditionalCheckFailedException"
    assert "n" not in get(moto, "conditional")


def test_concurrent_conditional_writes_have_one_winner(moto):
    client = moto.client()

    def put(number: int) -> bool:
        try:
            client.put_item(
                TableName=TABLE,
                Item=item("race", n={"N": str(number)}),
                ConditionExpression="attribute_not_exists(pk)",
            )
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, range(16))) == 1


def test_queries_page_through_a_partition_and_through_an_index(moto):
    client = moto.client()
    for number in range(5):
        facet = {"facet": {"S": f"f{number % 2}"}}
        client.put_item(TableName=TABLE, Item=item("page", str(number), **facet))
    client.put_item(TableName=TABLE, Item=item("other", "9", facet={"S": "f1"}))
    query = {
        "TableName": TABLE,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "page"}},
        "ScanIndexForward": False,
    }

    pages = client.get_paginator("query").paginate(**query, PaginationConfig={"PageSize": 2})
    by_facet = client.query(
        TableName=TABLE,
        IndexName="facets",
        KeyConditionExpression="facet = :f",
        ExpressionAttributeValues={":f": {"S": "f1"}},
    )

    assert [[i["sk"]["S"] for i in page["Items"]] for page in pages] == [
        ["4", "3"],
        ["2", "1"],
        ["0"],
    ]
    assert [i["pk"]["S"] for i in by_facet["Items"]] == ["page", "page", "other"]


def test_a_role_may_do_what_its_policy_allows_and_no_more(moto):
    client = moto.client("LOCALTOYFUNCTION")
    client.put_item(TableName=TABLE, Item=item("role"))
    client.get_item(TableName=TABLE, Key=item("role"))
    values = {":f": {"S": "x"}}
    query = {"KeyConditionExpression": "facet = :f", "ExpressionAttributeValues": values}

    client.query(TableName=TABLE, IndexName="facets", **query)
    transaction = [{"Put": {"TableName": TABLE, "Item": item("role2")}}]
    client.transact_write_items(TransactItems=transaction)

    refused = "AccessDeniedException"
    assert code_of(lambda: client.scan(TableName=TABLE)) == refused
    assert code_of(lambda: client.query(TableName=TABLE, **query)) == refused
    assert code_of(lambda: client.delete_item(TableName=TABLE, Key=item("role"))) == refused
    checked = [*transaction, {"Delete": {"TableName": TABLE, "Key": item("role")}}]
    assert code_of(lambda: client.transact_write_items(TransactItems=checked)) == refused
    batch = {TABLE: {"Keys": [item("role")]}}
    assert code_of(lambda: client.batch_get_item(RequestItems=batch)) == refused
    assert get(moto, "role")


def test_a_refusal_names_action_and_resource(moto):
    with pytest.raises(ClientError, match=r"not authorized to perform: dynamodb:Scan on resource"):
        moto.client("LOCALTOYFUNCTION").scan(TableName=TABLE)


def test_a_refusal_speaks_the_protocol_of_its_service(moto):
    topics = moto.client("LOCALTOYFUNCTION", service="sns")

    assert code_of(topics.list_topics) == "AuthorizationError"


def test_a_wrong_secret_is_refused(moto):
    client = moto.client(secret="b2" * 32)

    assert code_of(client.list_tables) == "InvalidSignatureException"


def test_the_table_has_the_templates_indexes_and_ttl(moto):
    client = moto.client()

    described = client.describe_table(TableName=TABLE)["Table"]
    ttl = client.describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]

    assert [index["IndexName"] for index in described["GlobalSecondaryIndexes"]] == ["facets"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


def test_topics_queues_rules_and_messages_survive_a_kill(moto, restart):
    topics, queues, rules = (moto.client(service=name) for name in ("sns", "sqs", "events"))
    topic = topics.create_topic(Name="notices")["TopicArn"]
    queue = queues.create_queue(QueueName="work")["QueueUrl"]
    target = "arn:aws:sqs:us-east-1:000000000000:work"
    subscribed = topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=target)
    rules.put_rule(Name="rule", EventPattern='{"source": ["toy"]}')
    for text in ("done", "waiting"):
        queues.send_message(QueueUrl=queue, MessageBody=text)
    taken = queues.receive_message(QueueUrl=queue)["Messages"][0]
    queues.delete_message(QueueUrl=queue, ReceiptHandle=taken["ReceiptHandle"])

    moto = restart()

    topics, queues, rules = (moto.client(service=name) for name in ("sns", "sqs", "events"))
    found = topics.list_subscriptions()["Subscriptions"]
    assert [one["SubscriptionArn"] for one in found] == [subscribed["SubscriptionArn"]]
    assert [rule["Name"] for rule in rules.list_rules()["Rules"]] == ["rule"]
    left = queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in left] == ["waiting"]


def test_the_templates_queues_and_topics_are_there(moto):
    queues = moto.client(service="sqs").list_queues()["QueueUrls"]
    topics = moto.client(service="sns").list_topics()["Topics"]

    assert any(url.endswith("/LoraStack-ToyQueue") for url in queues)
    assert any(topic["TopicArn"].endswith(":LoraStack-ToyTopic") for topic in topics)
