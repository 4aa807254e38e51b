"""Composes the service and grants who may do what, nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from api import Api
from assets import DECODER_ENVIRONMENT, WORKER_TIMEOUT, Assets
from events import Events
from function_code import ASSET_WORKER, function_code
from gateway_body import Route
from imports import Imports
from notices import NOTIFIER_TIMEOUT, Notices
from service_function import MEMORY_MIB, ServiceFunction
from settings import DeploymentSettings, limits_environment
from storage import Storage
from training import Training

REQUEST_TIMEOUT = cdk.Duration.seconds(29)  # as long as the gateway waits
# Never Scan.
RECORDS = (
    "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "BatchGetItem", "ConditionCheckItem",
)  # fmt: skip


class LoraStack(cdk.Stack):
    """LoRA training as a REST API in one AWS account."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        root: Path,
        routes: Sequence[Route],
        settings: DeploymentSettings,
        stack_name: str,
        env: cdk.Environment,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=stack_name,
            env=env,
            tags=settings.tags,
            description="LoRAStack: LoRA training for Stable Diffusion as a REST API",
        )
        self._settings = settings
        self._code = function_code(root)
        self._worker_code = function_code(root, ASSET_WORKER)
        self.storage = Storage(self, "Storage", settings=settings)
        self.training = Training(
            self, "Training", root=root, settings=settings, storage=self.storage
        )
        self.assets = Assets(self, "Assets")
        self.notices = Notices(self, "Notices", settings=settings, key=self.storage.key)
        self.imports = Imports(settings=settings, storage=self.storage)
        self._functions()
        self._grant_records()
        self._grant_files()
        self.imports.grant_list(self.datasets.role)
        self.imports.grant_read(self.asset_worker.role)
        self._grant_queue()
        self._grant_notices()
        self._grant_jobs()
        self.api = self._api(routes)
        self.events = Events(
            self,
            "Events",
            settings=settings,
            bucket=self.storage.bucket,
            function=self.training_status.function,
        )
        self.assets.wake(self.asset_worker.function)
        self.assets.receive_arrivals(self.storage.bucket)
        self.notices.wake(self.notifier.function)
        self._outputs()

    def _functions(self) -> None:
        jobs, assets = self.training.environment, self.assets.environment
        limits = limits_environment(self._settings)
        told = self.notices.environment
        self.datasets = self._function(
            "DatasetsFunction",
            "lambdas.datasets.handler.handler",
            environment=assets | limits | self.imports.environment,
        )
        self.models = self._function(
            "ModelsFunction",
            "lambdas.models.handler.handler",
            environment=assets | limits | told | self.imports.environment,
        )
        self.trainings = self._function(
            "TrainingsFunction",
            "lambdas.trainings.handler.handler",
            environment=jobs | assets | limits | told,
        )
        self.access = self._function(
            "AccessFunction", "lambdas.access.handler.handler", environment=limits
        )
        self.webhooks = self._function(
            "WebhooksFunction", "lambdas.webhooks.handler.handler", environment=told
        )
        self.notifier = self._function(
            "NotifierFunction",
            "lambdas.notifier.handler.handler",
            environment=told | self.notices.topic_environment,
            timeout=NOTIFIER_TIMEOUT,
        )
        self.authorizer = self._function(
            "AuthorizerFunction",
            "lambdas.access.authorizer.handler",
            timeout=cdk.Duration.seconds(10),
        )
        self.training_status = self._function(
            "TrainingStatusFunction",
            "lambdas.training_status.handler.handler",
            environment=jobs | assets | told,
            timeout=cdk.Duration.seconds(300),
        )
        self.asset_worker = self._function(
            "AssetWorkerFunction",
            "lambdas.asset_worker.handler.handler",
            environment=assets
            | limits
            | told
            | DECODER_ENVIRONMENT
            | self.imports.worker_environment,
            timeout=WORKER_TIMEOUT,
            code=self._worker_code,
            memory_mib=2048,  # decoding takes up to 900 MiB, and 2048 give more than one CPU
        )

    def _function(
        self,
        construct_id: str,
        handler: str,
        *,
        environment: Mapping[str, str] | None = None,
        timeout: cdk.Duration = REQUEST_TIMEOUT,
        code: lambda_.Code | None = None,
        memory_mib: int = MEMORY_MIB,
    ) -> ServiceFunction:
        return ServiceFunction(
            self,
            construct_id,
            handler=handler,
            code=code or self._code,
            settings=self._settings,
            timeout=timeout,
            memory_mib=memory_mib,
            environment={
                "TABLE_NAME": self.storage.table.table_name,
                "BUCKET_NAME": self.storage.bucket.bucket_name,
                **(environment or {}),
            },
        )

    def _api(self, routes: Sequence[Route]) -> Api:
        rooms = {
            "datasets": self.datasets,
            "models": self.models,
            "trainings": self.trainings,
            "access": self.access,
            "webhooks": self.webhooks,
        }
        return Api(
            self,
            "Api",
            settings=self._settings,
            routes=routes,
            rooms={room: served_by.function for room, served_by in rooms.items()},
            authorizer=self.authorizer.function,
        )

    def _grant_records(self) -> None:
        self.storage.grant_items(self.authorizer.role, "GetItem", "UpdateItem")
        for function in (
            self.datasets,
            self.models,
            self.trainings,
            self.access,
            self.training_status,
            self.webhooks,
            self.notifier,
        ):
            self.storage.grant_items(function.role, *RECORDS)
        self.storage.grant_items(self.asset_worker.role, *RECORDS, "BatchWriteItem")

    def _grant_files(self) -> None:
        grant, may_list = self.storage.grant_objects, self.storage.grant_list
        grant(self.datasets.role, "*/datasets/*", "GetObject", "PutObject", "DeleteObject")
        may_list(self.datasets.role)
        grant(
            self.models.role,
            "*/models/*",
            "GetObject",
            "PutObject",
            "DeleteObject",
            "AbortMultipartUpload",
            "ListMultipartUploadParts",
        )
        grant(self.trainings.role, "*/trainings/*", "GetObject", "PutObject")
        grant(self.trainings.role, "*/trainings/*/input/*", "PutObjectTagging")
        may_list(self.trainings.role)
        grant(self.training_status.role, "*/trainings/*", "GetObject")
        grant(
            self.training_status.role,
            "*/models/*",
            "GetObject",
            "PutObject",
            "DeleteObject",
            "AbortMultipartUpload",
        )
        may_list(self.training_status.role)
        grant(self.asset_worker.role, "*/datasets/*", "GetObject", "PutObject", "DeleteObject")
        grant(self.asset_worker.role, "*/trainings/*", "GetObject", "DeleteObject")
        grant(
            self.asset_worker.role,
            "*/models/*",
            "GetObject",
            "PutObject",
            "DeleteObject",
            "AbortMultipartUpload",
            "ListMultipartUploadParts",
        )
        may_list(self.asset_worker.role)

    def _grant_queue(self) -> None:
        for function in (
            self.datasets,
            self.models,
            self.trainings,
            self.asset_worker,
            self.training_status,
        ):
            self.assets.grant_send(function.role)

    def _grant_notices(self) -> None:
        for function in (
            self.models,
            self.trainings,
            self.training_status,
            self.asset_worker,
            self.webhooks,
            self.notifier,
        ):
            self.notices.grant_send(function.role)
        self.notices.grant_publish(self.notifier.role)

    def _grant_jobs(self) -> None:
        self.training.grant_jobs(self.trainings.role)
        self.training.grant_jobs(self.training_status.role)

    def _outputs(self) -> None:
        cdk.CfnOutput(self, "ApiUrl", value=self.api.rest_api.url)
        cdk.CfnOutput(self, "BucketName", value=self.storage.bucket.bucket_name)
        cdk.CfnOutput(self, "TableName", value=self.storage.table.table_name)
        if self.notices.topic:
            cdk.CfnOutput(self, "NoticeTopicArn", value=self.notices.topic.topic_arn)
