"""The table and the bucket."""

import pytest
from conftest import shown

from lambdas.models.repository import UPLOAD_LIFE

KEY = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d-0000-1111-2222-333344445555"


@pytest.fixture(scope="module")
def table(deployed) -> dict:
    return deployed.only("AWS::DynamoDB::Table")


@pytest.fixture(scope="module")
def bucket(deployed) -> dict:
    return deployed.only("AWS::S3::Bucket")


def keys(schema: list[dict]) -> list[tuple[str, str]]:
    return [(key["AttributeName"], key["KeyType"]) for key in schema]


def test_the_table_is_keyed_by_pk_and_sk_and_paid_by_request(table):
    assert keys(table["KeySchema"]) == [("pk", "HASH"), ("sk", "RANGE")]
    assert {entry["AttributeType"] for entry in table["AttributeDefinitions"]} == {"S"}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_the_table_has_the_two_indexes(table):
    indexes = {index["IndexName"]: index for index in table["GlobalSecondaryIndexes"]}

    assert set(indexes) == {"open", "facets"}
    assert keys(indexes["open"]["KeySchema"]) == [
        ("open_shard", "HASH"),
        ("next_check_at", "RANGE"),
    ]
    assert keys(indexes["facets"]["KeySchema"]) == [("facet", "HASH"), ("sk", "RANGE")]
    assert indexes["open"]["Projection"]["ProjectionType"] == "KEYS_ONLY"
    assert indexes["facets"]["Projection"]["ProjectionType"] == "ALL"


def test_items_expire_and_every_second_of_the_table_can_be_restored(table):
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["SSESpecification"]["SSEEnabled"] is True


def test_table_and_bucket_outlive_the_stack_by_default(deployed):
    kept = {
        resource["Type"]
        for resource in deployed.template["Resources"].values()
        if resource.get("DeletionPolicy") == "Retain"
    }

    assert {"AWS::DynamoDB::Table", "AWS::S3::Bucket"} <= kept
    assert deployed.only("AWS::DynamoDB::Table")["DeletionProtectionEnabled"] is True


def test_table_and_bucket_go_with_the_stack_when_the_settings_say_so(synthesize_with):
    template = synthesize_with(retention="destroy").template

    for resource in template["Resources"].values():
        if resource["Type"] in ("AWS::DynamoDB::Table", "AWS::S3::Bucket"):
            assert resource["DeletionPolicy"] == "Delete"
            assert not resource["Properties"].get("DeletionProtectionEnabled")


def test_the_bucket_is_private_and_encrypted(bucket):
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_the_bucket_refuses_what_does_not_come_by_tls(deployed):
    statements = deployed.only("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]

    refused = [
        s for s in statements if s["Condition"].get("Bool") == {"aws:SecureTransport": "false"}
    ]
    assert [(s["Effect"], s["Action"], s["Principal"]) for s in refused] == [
        ("Deny", "s3:*", {"AWS": "*"})
    ]
    assert [shown(arn) for arn in refused[0]["Resource"]] == [
        "<StorageBucket.Arn>",
        "<StorageBucket.Arn>/*",
    ]


def test_a_browser_may_upload_and_download_and_read_the_etag(bucket):
    (rule,) = bucket["CorsConfiguration"]["CorsRules"]

    assert set(rule["AllowedMethods"]) == {"PUT", "GET", "HEAD"}
    assert rule["AllowedOrigins"] == ["*"]
    assert {"ETag", "x-amz-checksum-sha256"} <= set(rule["ExposedHeaders"])


def test_the_console_origins_of_the_settings_are_the_only_ones(synthesize_with):
    origins = ["https://lora.example.org", "http://localhost:5173"]
    bucket = synthesize_with(console_origins=origins).only("AWS::S3::Bucket")

    (rule,) = bucket["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == origins


def test_unfinished_uploads_and_job_inputs_are_cleared_away(bucket):
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}

    unfinished = rules["unfinished-uploads"]["AbortIncompleteMultipartUpload"]
    assert unfinished == {"DaysAfterInitiation": UPLOAD_LIFE.days}
    assert rules["job-inputs"]["ExpirationInDays"] == 40
    assert rules["job-inputs"]["TagFilters"] == [{"Key": "lorastack-keep", "Value": "40-days"}]
    assert set(rules) == {"unfinished-uploads", "job-inputs"}


def test_the_bucket_keeps_no_old_versions_and_tells_eventbridge_of_new_objects(bucket):
    assert "VersioningConfiguration" not in bucket
    events = bucket["NotificationConfiguration"]["EventBridgeConfiguration"]
    assert events == {"EventBridgeEnabled": True}


def test_a_key_of_the_settings_encrypts_table_and_bucket_and_may_be_used_by_all(synthesize_with):
    keyed = synthesize_with(kms_key_arn=KEY)

    table, bucket = keyed.only("AWS::DynamoDB::Table"), keyed.only("AWS::S3::Bucket")
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert table["SSESpecification"]["KMSMasterKeyId"] == KEY
    assert encryption["ServerSideEncryptionByDefault"] == {
        "KMSMasterKeyID": KEY,
        "SSEAlgorithm": "aws:kms",
    }
    for role in ("DatasetsFunctionRole", "AuthorizerFunctionRole", "TrainingRole"):
        usable = {a for s in keyed.allowed(role) if s.resources == (KEY,) for a in s.actions}
        assert {"kms:Decrypt", "kms:GenerateDataKey"} <= usable
