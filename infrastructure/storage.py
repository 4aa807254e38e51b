"""The table and the bucket: what is known, and the bytes."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from findings import acknowledge
from permissions import allow
from settings import DeploymentSettings

INDEXES = ("open", "facets")
# On job.json, which is of no use after its job: a job waits and runs less than 40 days.
JOB_INPUT_TAG = ("lorastack-keep", "40-days")
# What S3 (with a bucket key) and DynamoDB do with the key in the name of who calls them.
KEY_ACTIONS = (
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "ReEncryptFrom",
    "ReEncryptTo",
)
# What a page in the browser may read of S3's answers.
UPLOAD_ANSWER_HEADERS = (
    "ETag",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha256",
    "x-amz-request-id",
    "Content-Length",
    "Content-Range",
    "Accept-Ranges",
)


class Storage(Construct):
    """One table and one bucket for all workspaces; keys begin with the workspace."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: DeploymentSettings
    ) -> None:
        super().__init__(scope, construct_id)
        self._retain = settings.retention == "retain"
        self.key = (
            kms.Key.from_key_arn(self, "Key", settings.kms_key_arn)
            if settings.kms_key_arn
            else None
        )
        self.table = self._table()
        self.bucket = self._bucket(settings)

    def grant_items(self, role: iam.Role, *actions: str) -> None:
        """Allows exactly these DynamoDB actions on items, and Query on the indexes."""
        allow(role, [f"dynamodb:{action}" for action in actions], [self.table.table_arn])
        if "Query" in actions:
            indexes = [f"{self.table.table_arn}/index/{name}" for name in INDEXES]
            allow(role, ["dynamodb:Query"], indexes)
        self._grant_key(role)

    def grant_objects(self, role: iam.Role, pattern: str, *actions: str) -> None:
        """Allows exactly these S3 actions on the objects whose keys match `pattern`."""
        arn = self.bucket.arn_for_objects(pattern)
        reason = "Keys begin with the workspace, which is known only when a request comes."
        allow(role, [f"s3:{action}" for action in actions], [arn], wildcard=reason)
        self._grant_key(role)

    def grant_list(self, role: iam.Role) -> None:
        """Allows listing; without it S3 tells a missing key as 403."""
        allow(role, ["s3:ListBucket"], [self.bucket.bucket_arn])

    def _grant_key(self, role: iam.Role) -> None:
        if self.key:
            allow(role, [f"kms:{action}" for action in KEY_ACTIONS], [self.key.key_arn])

    def _table(self) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            "Table",
            partition_key=_string("pk"),
            sort_key=_string("sk"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption_key=self.key,
            encryption=None if self.key else dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires_at",
            deletion_protection=self._retain,
            removal_policy=self._removal_policy(),
        )
        table.add_global_secondary_index(
            index_name="open",
            partition_key=_string("open_shard"),
            sort_key=_string("next_check_at"),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        table.add_global_secondary_index(
            index_name="facets", partition_key=_string("facet"), sort_key=_string("sk")
        )
        return table

    def _bucket(self, settings: DeploymentSettings) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            encryption=s3.BucketEncryption.KMS if self.key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=self.key,
            bucket_key_enabled=True if self.key else None,
            # Uploads never replace (If-None-Match: *), and what SageMaker replaces every few
            # seconds (progress.json) or deletes (old states, gigabytes each) is meant to be gone.
            versioned=False,
            cors=[_cors(settings)],
            lifecycle_rules=_lifecycle(),
            removal_policy=self._removal_policy(),
        )
        _send_events(bucket)
        acknowledge(
            bucket,
            "AwsSolutions-S1",
            "Who asked for which URL is in the API's access log; object reads can be had from "
            "CloudTrail data events, which do not need a second bucket.",
        )
        return bucket

    def _removal_policy(self) -> cdk.RemovalPolicy:
        return cdk.RemovalPolicy.RETAIN if self._retain else cdk.RemovalPolicy.DESTROY


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def _cors(settings: DeploymentSettings) -> s3.CorsRule:
    return s3.CorsRule(
        allowed_methods=[s3.HttpMethods.PUT, s3.HttpMethods.GET, s3.HttpMethods.HEAD],
        allowed_origins=list(settings.console_origins),
        allowed_headers=["*"],
        exposed_headers=list(UPLOAD_ANSWER_HEADERS),
        max_age=3600,
    )


def _lifecycle() -> list[s3.LifecycleRule]:
    return [
        s3.LifecycleRule(
            id="unfinished-uploads", abort_incomplete_multipart_upload_after=cdk.Duration.days(7)
        ),
        # A rule's prefix cannot begin with "any workspace", so what may go is told by a tag.
        s3.LifecycleRule(
            id="job-inputs", tag_filters=dict([JOB_INPUT_TAG]), expiration=cdk.Duration.days(40)
        ),
    ]


def _send_events(bucket: s3.Bucket) -> None:
    # `event_bridge_enabled=True` would do it through a Lambda of CDK's own; the property is enough.
    cfn: s3.CfnBucket = bucket.node.default_child
    cfn.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
        event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
            event_bridge_enabled=True
        )
    )
