"""What a call to one of moto's services needs to be allowed, in IAM's words."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from local.intrinsics import ACCOUNT, REGION

Permission = tuple[str, str]  # action, resource ARN

TRANSACTION_ACTIONS = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Get": "dynamodb:GetItem",
}
BATCHES = {"BatchGetItem", "BatchWriteItem"}
TRANSACTIONS = {"TransactWriteItems", "TransactGetItems"}
FREE_TO_ALL = {"sts:GetCallerIdentity"}


def needed(service: str, operation: str, body: Mapping[str, Any]) -> list[Permission]:
    """The permissions that AWS would ask for, one per action and resource.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/api-permissions-reference.html
    """
    action = f"{service}:{operation}"
    if action in FREE_TO_ALL:
        return []
    if service == "dynamodb":
        return list(dict.fromkeys(_dynamodb(operation, body)))
    if operation == "PutEvents":
        buses = [entry.get("EventBusName", "default") for entry in body.get("Entries", [])]
        return [(action, _arn(service, f"event-bus/{_last(bus)}")) for bus in buses]
    return [(action, _resource(service, body))]


def _dynamodb(operation: str, body: Mapping[str, Any]) -> Iterable[Permission]:
    if operation in TRANSACTIONS:
        for entry in body.get("TransactItems", []):
            for kind, part in entry.items():
                yield TRANSACTION_ACTIONS.get(kind, f"dynamodb:{kind}"), table_arn(part)
    elif operation in BATCHES:
        for name in body.get("RequestItems", {}):
            yield f"dynamodb:{operation}", table_arn({"TableName": name})
    else:
        yield f"dynamodb:{operation}", table_arn(body)


def table_arn(body: Mapping[str, Any]) -> str:
    """The ARN of the table, or of its index, that a request names; `*` when it names none."""
    name = body.get("TableName")
    if not name:
        return "*"
    arn = name if name.startswith("arn:") else _arn("dynamodb", f"table/{name}")
    index = body.get("IndexName")
    return f"{arn}/index/{index}" if index else arn


def _resource(service: str, body: Mapping[str, Any]) -> str:
    for name in ("TopicArn", "TargetArn", "ResourceArn"):
        if name in body:
            return str(body[name])
    if "QueueUrl" in body:
        return _arn(service, _last(body["QueueUrl"]))
    if "SecretId" in body:
        return _secret_arn(str(body["SecretId"]))
    return "*"


def _secret_arn(identifier: str) -> str:
    """The ARN of a secret, which ends in six characters of Secrets Manager's own."""
    named = _arn("secretsmanager", f"secret:{identifier}-local0")
    return identifier if identifier.startswith("arn:") else named


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _last(text: str) -> str:
    return re.split(r"[/:]", text)[-1]
