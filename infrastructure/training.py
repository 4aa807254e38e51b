"""What a training job needs: its image, and a role that reaches the bucket and its own log."""

import json
import re
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_iam as iam
from constructs import Construct

from permissions import allow
from problems import DeploymentError
from settings import DeploymentSettings
from storage import Storage

SAGEMAKER = "sagemaker.amazonaws.com"
LOG_GROUP = "log-group:/aws/sagemaker/TrainingJobs"


class Training(Construct):
    """The image and the role of training jobs, and the grant to start them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        root: Path,
        settings: DeploymentSettings,
        storage: Storage,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(SAGEMAKER).with_conditions(
                {"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}}
            ),
        )
        self.image_uri = self._given_image() or self._own_image(root)
        self._allow_files(storage)
        self._allow_logs()
        if settings.subnet_ids:
            self._allow_network()
        if storage.key:
            # For the volume of an instance without local NVMe.
            allow(self.role, ["kms:CreateGrant"], [storage.key.key_arn])

    @property
    def environment(self) -> dict[str, str]:
        """What a function must know to start a job."""
        settings = self._settings
        return {
            "TRAINING_IMAGE_URI": self.image_uri,
            "TRAINING_ROLE_ARN": self.role.role_arn,
            "DEFAULT_INSTANCE_TYPE": settings.default_instance_type,
            "DEFAULT_MAX_RUNTIME_MINUTES": str(settings.default_max_runtime_minutes),
            "VOLUME_SIZE_GB": str(settings.volume_size_gb),
            "SUBNET_IDS": ",".join(settings.subnet_ids),
            "SECURITY_GROUP_IDS": ",".join(settings.security_group_ids),
            "KMS_KEY_ID": settings.kms_key_arn or "",
            "TRAINING_PRICES": json.dumps(settings.training_prices, sort_keys=True),
            "TRAINING_TAGS": json.dumps(settings.tags, ensure_ascii=False, sort_keys=True),
        }

    def grant_jobs(self, role: iam.Role) -> None:
        """Allows starting, describing and stopping this deployment's jobs, and no others."""
        job = self._arn("sagemaker", f"training-job/{self._settings.deployment}-*")
        actions = ("CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob", "AddTags")
        allow(
            role,
            [f"sagemaker:{action}" for action in actions],
            [job],
            wildcard="A job is named <deployment>-<workspace>-<ULID> when it is asked for.",
        )
        allow(
            role,
            ["iam:PassRole"],
            [self.role.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": SAGEMAKER}},
        )

    def _given_image(self) -> str | None:
        uri = self._settings.training_image_uri
        if uri:
            registry, name = re.split("[:@]", uri)[0].split("/", 1)
            account, _, _, region = registry.split(".")[:4]
            arn = f"arn:{cdk.Aws.PARTITION}:ecr:{region}:{account}:repository/{name}"
            self._allow_pull(arn)
        return uri

    def _own_image(self, root: Path) -> str:
        if not (root / "training_container" / "Dockerfile").is_file():
            raise DeploymentError(
                "training_container/Dockerfile is missing; restore it, or set training_image_uri."
            )
        image = ecr_assets.DockerImageAsset(
            self,
            "Image",
            directory=str(root / "training_container"),
            platform=ecr_assets.Platform.LINUX_AMD64,
            exclude=["**/__pycache__", "**/.*_cache", "**/*.md"],
        )
        self._allow_pull(image.repository.repository_arn)
        return image.image_uri

    def _allow_pull(self, repository_arn: str) -> None:
        actions = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
        allow(self.role, [f"ecr:{action}" for action in actions], [repository_arn])
        allow(
            self.role,
            ["ecr:GetAuthorizationToken"],
            ["*"],
            wildcard="A login to ECR names no repository.",
        )

    def _allow_files(self, storage: Storage) -> None:
        for kind in ("datasets", "models", "trainings"):
            storage.grant_objects(self.role, f"*/{kind}/*", "GetObject")
        storage.grant_objects(
            self.role, "*/trainings/*", "PutObject", "DeleteObject", "AbortMultipartUpload"
        )
        storage.grant_list(self.role)

    def _allow_logs(self) -> None:
        streams = f"{LOG_GROUP}:log-stream:{self._settings.deployment}-*"
        allow(
            self.role,
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [self._arn("logs", streams)],
            wildcard="A log stream begins with the name of its job.",
        )
        allow(
            self.role,
            ["logs:CreateLogGroup", "logs:DescribeLogStreams"],
            [self._arn("logs", f"{LOG_GROUP}:*")],
            wildcard="For actions on a log group CloudWatch Logs wants its ARN to end in :*.",
        )
        allow(
            self.role,
            ["cloudwatch:PutMetricData"],
            ["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": "/aws/sagemaker/TrainingJobs"}},
            wildcard="CloudWatch metrics have no ARN; the namespace is fixed by a condition.",
        )

    def _allow_network(self) -> None:
        actions = (
            "CreateNetworkInterface",
            "CreateNetworkInterfacePermission",
            "DeleteNetworkInterface",
            "DeleteNetworkInterfacePermission",
            "DescribeDhcpOptions",
            "DescribeNetworkInterfaces",
            "DescribeSecurityGroups",
            "DescribeSubnets",
            "DescribeVpcs",
        )
        allow(
            self.role,
            [f"ec2:{action}" for action in actions],
            ["*"],
            wildcard="SageMaker makes interfaces in the VPC by itself; AWS documents it so.",
        )

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{cdk.Aws.PARTITION}:{service}:{cdk.Aws.REGION}:{cdk.Aws.ACCOUNT_ID}:{resource}"
