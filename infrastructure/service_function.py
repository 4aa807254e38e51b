"""What every function shares: runtime, logs, tracing, memory, its own role."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from findings import acknowledge
from permissions import allow
from settings import DeploymentSettings

# The CPU grows with it, and a cold start is all CPU.
MEMORY_MIB = 1024


class ServiceFunction(Construct):
    """A Lambda function whose role may write its own log and its traces, and nothing else yet."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handler: str,
        code: lambda_.Code,
        settings: DeploymentSettings,
        environment: Mapping[str, str],
        timeout: cdk.Duration,
        memory_mib: int = MEMORY_MIB,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        log_group = self._log_group()
        self.role = self._role(log_group)
        self.function = lambda_.Function(
            self,
            # "Default" adds nothing to the name in the template: DatasetsFunction, not ...Default.
            "Default",
            handler=handler,
            code=code,
            role=self.role,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=memory_mib,
            timeout=timeout,
            tracing=lambda_.Tracing.ACTIVE,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            application_log_level_v2=self._log_level(),
            system_log_level_v2=lambda_.SystemLogLevel.INFO,
            environment=self._environment(handler, environment),
        )
        acknowledge(
            self.function,
            "AwsSolutions-L1",
            "The packages are locked for Python 3.13; a newer one comes with its own lock file.",
        )

    def _log_group(self) -> logs.LogGroup:
        return logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )

    def _role(self, log_group: logs.LogGroup) -> iam.Role:
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        allow(role, ["logs:CreateLogStream", "logs:PutLogEvents"], [log_group.log_group_arn])
        allow(
            role,
            ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
            ["*"],
            wildcard="X-Ray has no resources to name in these two actions.",
        )
        return role

    def _log_level(self) -> lambda_.ApplicationLogLevel:
        level = self._settings.log_level
        return lambda_.ApplicationLogLevel("WARN" if level == "WARNING" else level)

    def _environment(self, handler: str, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "DEPLOYMENT": self._settings.deployment,
            "CONSOLE_ORIGINS": ",".join(self._settings.console_origins),
            "POWERTOOLS_SERVICE_NAME": handler.split(".")[1],
            "POWERTOOLS_LOG_LEVEL": self._settings.log_level,
            **more,
        }
