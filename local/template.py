"""What local mode needs from the synthesized template, in frozen dataclasses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.api_body import Api, read_api
from local.intrinsics import Resolver, Resource, TemplateError
from local.policies import Statement, read_roles
from local.queues import EventSource, Queue, read_event_sources, read_queues

TEMPLATE_NAME = "LoraStack.template.json"

__all__ = [
    "Bucket",
    "EventSource",
    "Function",
    "Queue",
    "Rule",
    "Statement",
    "Table",
    "Target",
    "Template",
    "TemplateError",
]


@dataclass(frozen=True)
class Function:
    """A Lambda function: timeout in seconds, memory in MiB, role by its logical id."""

    logical_id: str
    name: str
    arn: str
    handler: str
    environment: Mapping[str, str]
    timeout: float
    memory: int
    role: str


@dataclass(frozen=True)
class Target:
    """What a rule calls, and the fixed input that replaces the event, if there is one.

    A function by its logical id, or a queue by its URL.
    """

    function: str = ""
    input: Any = None
    queue: str = ""


@dataclass(frozen=True)
class Rule:
    """An EventBridge rule: an event pattern or a schedule expression, and its targets."""

    logical_id: str
    arn: str
    pattern: Mapping[str, Any] | None
    schedule: str | None
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Table:
    """A DynamoDB table: the request of CreateTable, and its TTL attribute."""

    name: str
    arn: str
    create: Mapping[str, Any]
    ttl_attribute: str | None


@dataclass(frozen=True)
class Bucket:
    """An S3 bucket: its CORS rules as in CloudFormation, and whether it tells EventBridge."""

    name: str
    arn: str
    cors: tuple[Mapping[str, Any], ...]
    event_bridge: bool


@dataclass(frozen=True)
class Template:
    """The synthesized stack with local names and ARNs in place of CloudFormation's functions."""

    path: Path
    functions: Mapping[str, Function]
    api: Api
    rules: tuple[Rule, ...]
    tables: tuple[Table, ...]
    buckets: tuple[Bucket, ...]
    topics: tuple[str, ...]
    queues: tuple[Queue, ...]
    event_sources: tuple[EventSource, ...]
    roles: Mapping[str, tuple[Statement, ...]]
    role_arns: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, cdk_out: Path) -> "Template":
        """Read cdk.out's template. Raises TemplateError when it is missing or not understood."""
        path = cdk_out / TEMPLATE_NAME
        if not path.is_file():
            raise TemplateError(f"{path} is missing: run `make synth` first.")
        resolver = Resolver(json.loads(path.read_text()))
        return cls(
            path=path,
            functions=_functions(resolver),
            api=read_api(resolver),
            rules=tuple(_rule(resolver, r) for r in _enabled_rules(resolver)),
            tables=tuple(_table(resolver, r) for r in _table_resources(resolver)),
            buckets=tuple(_bucket(resolver, r) for r in resolver.of_type("AWS::S3::Bucket")),
            topics=tuple(resolver.name(r.logical_id) for r in resolver.of_type("AWS::SNS::Topic")),
            queues=read_queues(resolver),
            event_sources=read_event_sources(resolver),
            roles=read_roles(resolver),
            role_arns={
                r.logical_id: resolver.arn(r.logical_id) for r in resolver.of_type("AWS::IAM::Role")
            },
        )

    @property
    def training_role(self) -> str | None:
        """The logical id of the role that training jobs run with, as functions are told it."""
        arns = {f.environment.get("TRAINING_ROLE_ARN") for f in self.functions.values()}
        return next((role for role, arn in self.role_arns.items() if arn in arns), None)


def _functions(resolver: Resolver) -> dict[str, Function]:
    resources = resolver.of_type("AWS::Lambda::Function")
    handled = [r for r in resources if str(r.properties.get("Handler", "")).startswith("lambdas.")]
    return {resource.logical_id: _function(resolver, resource) for resource in handled}


def _function(resolver: Resolver, resource: Resource) -> Function:
    properties = resolver.properties(
        resource, "Handler", "Environment", "Timeout", "MemorySize", "Role"
    )
    variables = properties.get("Environment", {}).get("Variables", {})
    return Function(
        logical_id=resource.logical_id,
        name=resolver.name(resource.logical_id),
        arn=resolver.arn(resource.logical_id),
        handler=properties["Handler"],
        environment={name: str(value) for name, value in variables.items()},
        timeout=float(properties.get("Timeout", 3)),
        memory=int(properties.get("MemorySize", 128)),
        role=_logical_id_of_arn(resolver, "AWS::IAM::Role", properties["Role"]),
    )


def _enabled_rules(resolver: Resolver) -> list[Resource]:
    rules = resolver.of_type("AWS::Events::Rule")
    return [rule for rule in rules if rule.properties.get("State") != "DISABLED"]


def _rule(resolver: Resolver, resource: Resource) -> Rule:
    properties = resolver.properties(resource, "EventPattern", "ScheduleExpression", "Targets")
    return Rule(
        logical_id=resource.logical_id,
        arn=resolver.arn(resource.logical_id),
        pattern=properties.get("EventPattern"),
        schedule=properties.get("ScheduleExpression"),
        targets=tuple(_target(resolver, target) for target in properties.get("Targets", [])),
    )


def _target(resolver: Resolver, target: Mapping[str, Any]) -> Target:
    unsupported = {"InputPath", "InputTransformer"} & target.keys()
    if unsupported:
        raise TemplateError(f"target {target['Id']}: {unsupported.pop()} is not supported locally")
    fixed = json.loads(target["Input"]) if "Input" in target else None
    for queue in read_queues(resolver):
        if queue.arn == target["Arn"]:
            return Target(input=fixed, queue=queue.url)
    function = _logical_id_of_arn(resolver, "AWS::Lambda::Function", target["Arn"])
    return Target(function, fixed)


def _logical_id_of_arn(resolver: Resolver, kind: str, arn: str) -> str:
    for resource in resolver.of_type(kind):
        if resolver.arn(resource.logical_id) == arn:
            return resource.logical_id
    raise TemplateError(f"{arn} is not a {kind} of this template")


def _table_resources(resolver: Resolver) -> list[Resource]:
    return resolver.of_type("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")


def _table(resolver: Resolver, resource: Resource) -> Table:
    properties = resolver.properties(
        resource,
        "KeySchema",
        "AttributeDefinitions",
        "GlobalSecondaryIndexes",
        "LocalSecondaryIndexes",
        "TimeToLiveSpecification",
    )
    ttl = properties.pop("TimeToLiveSpecification", {})
    name = resolver.name(resource.logical_id)
    create = {"TableName": name, "BillingMode": "PAY_PER_REQUEST", **properties}
    for index in create.get("GlobalSecondaryIndexes", []):
        index.pop("ContributorInsightsSpecification", None)
    return Table(
        name=name,
        arn=resolver.arn(resource.logical_id),
        create=create,
        ttl_attribute=ttl.get("AttributeName") if ttl.get("Enabled") else None,
    )


def _bucket(resolver: Resolver, resource: Resource) -> Bucket:
    properties = resolver.properties(resource, "CorsConfiguration", "NotificationConfiguration")
    return Bucket(
        name=resolver.name(resource.logical_id),
        arn=resolver.arn(resource.logical_id),
        cors=tuple(properties.get("CorsConfiguration", {}).get("CorsRules", [])),
        event_bridge=_tells_event_bridge(resolver, resource, properties),
    )


def _tells_event_bridge(
    resolver: Resolver, bucket: Resource, properties: Mapping[str, Any]
) -> bool:
    """Whether the bucket sends events: by its own property, or by CDK's custom resource."""
    if "EventBridgeConfiguration" in properties.get("NotificationConfiguration", {}):
        return True
    name = resolver.name(bucket.logical_id)
    for custom in resolver.of_type("Custom::S3BucketNotifications"):
        told = resolver.properties(custom, "BucketName", "NotificationConfiguration")
        if told.get("BucketName") == name:
            return "EventBridgeConfiguration" in told.get("NotificationConfiguration", {})
    return False
