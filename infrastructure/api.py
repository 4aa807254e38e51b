"""The REST API: the routes of openapi.yaml, and nothing that is not there."""

import json
from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from findings import acknowledge
from gateway_body import Route, gateway_body
from gateway_responses import REQUESTS_A_SECOND, REQUESTS_AT_ONCE
from settings import DeploymentSettings

STAGE = "v1"
GATEWAY = iam.ServicePrincipal("apigateway.amazonaws.com")
ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "gateway_response": "$context.error.responseType",
    "workspace": "$context.authorizer.workspace",
    "token_id": "$context.authorizer.token_id",
    "latency_ms": "$context.responseLatency",
    "function_ms": "$context.integrationLatency",
    "bytes": "$context.responseLength",
}


class Api(Construct):
    """API Gateway in front of one function per room, and the authorizer."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: DeploymentSettings,
        routes: Sequence[Route],
        rooms: Mapping[str, lambda_.Function],
        authorizer: lambda_.Function,
    ) -> None:
        super().__init__(scope, construct_id)
        body = gateway_body(
            routes,
            name=settings.deployment,
            invoke_uris={room: _invoke_uri(function) for room, function in rooms.items()},
            authorizer_uri=_invoke_uri(authorizer),
            origins=settings.console_origins,
        )
        self.rest_api = self._rest_api(settings, body)
        self._allow_calls(rooms, authorizer)

    def _rest_api(self, settings: DeploymentSettings, body: dict) -> apigateway.SpecRestApi:
        api = apigateway.SpecRestApi(
            self,
            "RestApi",
            rest_api_name=settings.deployment,
            api_definition=apigateway.ApiDefinition.from_inline(body),
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # An answer with 500 upload URLs is 700 kB of text.
            min_compression_size=cdk.Size.bytes(1024),
            cloud_watch_role=True,
            deploy_options=self._stage(),
        )
        api.node.try_remove_child("Endpoint")  # an output that says what ApiUrl says
        _acknowledge_findings(api)
        return api

    def _stage(self) -> apigateway.StageOptions:
        access_log = logs.LogGroup(
            self,
            "AccessLog",
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        return apigateway.StageOptions(
            stage_name=STAGE,
            access_log_destination=apigateway.LogGroupLogDestination(access_log),
            access_log_format=apigateway.AccessLogFormat.custom(json.dumps(ACCESS_LOG)),
            # Errors only, and never data: a trace of the request would hold the token.
            logging_level=apigateway.MethodLoggingLevel.ERROR,
            data_trace_enabled=False,
            metrics_enabled=True,
            tracing_enabled=True,
            throttling_rate_limit=REQUESTS_A_SECOND,
            throttling_burst_limit=REQUESTS_AT_ONCE,
        )

    def _allow_calls(
        self, rooms: Mapping[str, lambda_.Function], authorizer: lambda_.Function
    ) -> None:
        stage = self.rest_api.arn_for_execute_api("*", "/*", STAGE)
        for function in rooms.values():
            function.add_permission("Gateway", principal=GATEWAY, source_arn=stage)
        authorizer.add_permission(
            "Gateway", principal=GATEWAY, source_arn=f"{self._api_arn()}/authorizers/*"
        )

    def _api_arn(self) -> str:
        return cdk.Stack.of(self).format_arn(
            service="execute-api", resource=self.rest_api.rest_api_id
        )


def _acknowledge_findings(api: apigateway.SpecRestApi) -> None:
    acknowledge(api, "AwsSolutions-APIG2", "The functions check every request and name each fault.")
    acknowledge(
        api.deployment_stage,
        "AwsSolutions-APIG3",
        "Every route but those of the service itself needs a token, and the stage is throttled; a "
        "firewall costs per month and is the owner's choice.",
    )
    acknowledge(
        api.node.find_child("CloudWatchRole"),
        "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
        "AmazonAPIGatewayPushToCloudWatchLogs]",
        "One role per account and region writes the logs of all its APIs; this is AWS's policy "
        "for it.",
    )


def _invoke_uri(function: lambda_.Function) -> str:
    return (
        f"arn:{cdk.Aws.PARTITION}:apigateway:{cdk.Aws.REGION}:lambda:path/2015-03-31/functions/"
        f"{function.function_arn}/invocations"
    )
