"""CloudFormation's intrinsic functions, resolved to the names that things have in local mode."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

REGION = "us-east-1"
ACCOUNT = "000000000000"
PARTITION = "aws"
STACK = "LoraStack"

PSEUDO_PARAMETERS = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": PARTITION,
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": STACK,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/local",
    "AWS::NoValue": None,
}

# The property that holds a resource's own name, where a template may set one.
NAME_PROPERTIES = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::DynamoDB::GlobalTable": "TableName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
}

# ARNs as https://docs.aws.amazon.com/service-authorization/latest/reference/ gives them.
ARN_FORMATS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{name}}",
    "AWS::DynamoDB::GlobalTable": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{name}}",
    "AWS::Events::EventBus": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{{name}}",
    "AWS::Events::Rule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{{name}}",
    "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/{{name}}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{name}}",
    "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{name}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{name}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{name}}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SNS::Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{{name}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{name}}",
}

REF_IS_AN_ARN = {"AWS::IAM::ManagedPolicy", "AWS::SNS::Topic"}


class TemplateError(Exception):
    """The synthesized template holds something that local mode cannot read; says which."""


@dataclass(frozen=True)
class Resource:
    """One resource of a template, its properties as they stand there."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]


class Resolver:
    """Turns Ref, Fn::GetAtt, Fn::Join, Fn::Sub and their kin into plain values.

    Raises TemplateError, naming the resource, for what it does not know.
    """

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._parameters: Mapping[str, Any] = template.get("Parameters", {})
        self._mappings: Mapping[str, Any] = template.get("Mappings", {})
        self._conditions: Mapping[str, Any] = template.get("Conditions", {})
        self.resources = {
            logical_id: Resource(logical_id, body["Type"], body.get("Properties", {}))
            for logical_id, body in template.get("Resources", {}).items()
        }
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Condition": self._condition,
            "Fn::GetAtt": self._get_att,
            "Fn::Join": self._join,
            "Fn::Sub": self._sub,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::If": self._if,
            "Fn::Equals": self._equals,
            "Fn::Not": lambda operands: not self.resolve(operands[0]),
            "Fn::And": lambda operands: all(self.resolve(operand) for operand in operands),
            "Fn::Or": lambda operands: any(self.resolve(operand) for operand in operands),
            "Fn::FindInMap": self._find_in_map,
        }

    def of_type(self, *types: str) -> list[Resource]:
        """Every resource of these types, in the template's order."""
        return [resource for resource in self.resources.values() if resource.type in types]

    def properties(self, resource: Resource, *names: str) -> dict[str, Any]:
        """The named properties of a resource, resolved; absent ones are left out."""
        try:
            present = [name for name in names if name in resource.properties]
            found = {name: self.resolve(resource.properties[name]) for name in present}
        except TemplateError as exc:
            raise TemplateError(f"{resource.logical_id} ({resource.type}): {exc}") from exc
        return {name: value for name, value in found.items() if value is not None}

    def resolve(self, value: Any) -> Any:
        """The value with every intrinsic function in it carried out."""
        if isinstance(value, list):
            return [resolved for item in value if (resolved := self.resolve(item)) is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name in self._functions:
                return self._functions[name](argument)
            if name.startswith("Fn::"):
                raise TemplateError(f"{name} is not supported by local mode")
        return {key: self.resolve(item) for key, item in value.items()}

    def name(self, logical_id: str) -> str:
        """The physical name of a resource: its own if the template sets one, else made up."""
        resource = self._resource(logical_id)
        own = resource.properties.get(NAME_PROPERTIES.get(resource.type, ""))
        if own is not None:
            return str(self.resolve(own))
        if resource.type == "AWS::S3::Bucket":
            return f"{STACK}-{logical_id}".lower()[:63]
        if resource.type == "AWS::ApiGateway::RestApi":
            return "local"
        if resource.type == "AWS::ApiGateway::Stage":
            return str(self.resolve(resource.properties["StageName"]))
        return f"{STACK}-{logical_id}"

    def arn(self, logical_id: str) -> str:
        """The ARN of a resource in the local region and account."""
        resource = self._resource(logical_id)
        name = self.name(logical_id)
        if resource.type in ARN_FORMATS:
            return ARN_FORMATS[resource.type].format(name=name)
        _, service, kind = resource.type.split("::", 2)
        return f"arn:aws:{service.lower()}:{REGION}:{ACCOUNT}:{kind.lower()}/{name}"

    def _resource(self, logical_id: str) -> Resource:
        if logical_id not in self.resources:
            raise TemplateError(f"{logical_id} is not in the template")
        return self.resources[logical_id]

    def _ref(self, logical_id: str) -> Any:
        if logical_id in PSEUDO_PARAMETERS:
            return PSEUDO_PARAMETERS[logical_id]
        if logical_id in self._parameters:
            return self._parameter(logical_id)
        resource = self._resource(logical_id)
        if resource.type == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self.name(logical_id)}"
        return self.arn(logical_id) if resource.type in REF_IS_AN_ARN else self.name(logical_id)

    def _parameter(self, name: str) -> Any:
        if "Default" not in self._parameters[name]:
            raise TemplateError(f"parameter {name} has no default, and local mode passes none")
        return self._parameters[name]["Default"]

    def _get_att(self, argument: Any) -> str:
        logical_id, _, attribute = (
            argument.partition(".") if isinstance(argument, str) else (argument[0], "", argument[1])
        )
        name = self.name(logical_id)
        known = {
            "Arn": self.arn(logical_id),
            "TopicArn": self.arn(logical_id),
            "QueueName": name,
            "QueueUrl": name,
            "TopicName": name,
            "DomainName": f"{name}.s3.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{REGION}.amazonaws.com",
            "RootResourceId": "root",
            "RepositoryUri": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name.lower()}",
        }
        if attribute not in known:
            raise TemplateError(f"Fn::GetAtt {logical_id}.{attribute} means nothing in local mode")
        return known[attribute]

    def _join(self, argument: Any) -> str:
        separator, parts = argument
        return str(separator).join(str(part) for part in self.resolve(parts))

    def _sub(self, argument: Any) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else argument

        def value_of(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in variables:
                return str(self.resolve(variables[name]))
            return str(self._get_att(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", value_of, text)

    def _select(self, argument: Any) -> Any:
        index, items = argument
        return self.resolve(items)[int(self.resolve(index))]

    def _split(self, argument: Any) -> list[str]:
        separator, text = argument
        return str(self.resolve(text)).split(separator)

    def _condition(self, name: str) -> bool:
        if name not in self._conditions:
            raise TemplateError(f"condition {name} is not in the template")
        return bool(self.resolve(self._conditions[name]))

    def _if(self, argument: Any) -> Any:
        condition, when_true, when_false = argument
        return self.resolve(when_true if self._condition(condition) else when_false)

    def _equals(self, argument: Any) -> bool:
        left, right = argument
        return bool(self.resolve(left) == self.resolve(right))

    def _find_in_map(self, argument: Any) -> Any:
        name, top, second = (self.resolve(part) for part in argument)
        return self._mappings[name][top][second]
