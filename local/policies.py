"""The IAM statements that a template gives to its roles."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.intrinsics import Resolver, TemplateError

# Lambda's own managed policies grant logs, traces and network interfaces, which nothing here has.
AWS_MANAGED = "arn:aws:iam::aws:policy/"


@dataclass(frozen=True)
class Statement:
    """One Allow or Deny with its actions and resource patterns, as IAM reads them."""

    effect: str
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_roles(resolver: Resolver) -> dict[str, tuple[Statement, ...]]:
    """Every role's statements by the role's logical id: inline, attached and managed ones."""
    statements: dict[str, list[Statement]] = {}
    for role in resolver.of_type("AWS::IAM::Role"):
        inline = resolver.properties(role, "Policies").get("Policies", [])
        found = [_statements(policy["PolicyDocument"]) for policy in inline]
        statements[role.logical_id] = [statement for group in found for statement in group]
    for policy in resolver.of_type("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        properties = resolver.properties(policy, "PolicyDocument", "Roles")
        for name in properties.get("Roles", []):
            role_id = _role_of_name(resolver, name)
            statements[role_id].extend(_statements(properties["PolicyDocument"]))
    _attach_managed(resolver, statements)
    return {role: tuple(found) for role, found in statements.items()}


def _attach_managed(resolver: Resolver, statements: dict[str, list[Statement]]) -> None:
    managed = {
        resolver.arn(policy.logical_id): resolver.properties(policy, "PolicyDocument")
        for policy in resolver.of_type("AWS::IAM::ManagedPolicy")
    }
    for role in resolver.of_type("AWS::IAM::Role"):
        arns = resolver.properties(role, "ManagedPolicyArns").get("ManagedPolicyArns", [])
        for arn in arns:
            if arn in managed:
                statements[role.logical_id].extend(_statements(managed[arn]["PolicyDocument"]))
            elif not str(arn).startswith(AWS_MANAGED):
                raise TemplateError(f"{role.logical_id}: the policy {arn} is not in the template")


def _role_of_name(resolver: Resolver, name: str) -> str:
    for role in resolver.of_type("AWS::IAM::Role"):
        if resolver.name(role.logical_id) == name:
            return role.logical_id
    raise TemplateError(f"the role {name} is not in the template")


def _statements(document: Mapping[str, Any]) -> list[Statement]:
    return [_statement(raw) for raw in _as_list(document["Statement"])]


def _statement(raw: Mapping[str, Any]) -> Statement:
    return Statement(
        effect=raw["Effect"],
        actions=_texts(raw.get("Action")),
        resources=_texts(raw.get("Resource")),
        not_actions=_texts(raw.get("NotAction")),
        not_resources=_texts(raw.get("NotResource")),
        conditions=raw.get("Condition", {}),
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in _as_list(value))


def _as_list(value: Any) -> Iterable[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
