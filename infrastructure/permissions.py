"""Exact grants: these actions on these resources, and never a wildcard without its reason."""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from findings import acknowledge


def allow(
    role: iam.Role,
    actions: Sequence[str],
    resources: Sequence[str],
    *,
    conditions: Mapping[str, object] | None = None,
    wildcard: str = "",
) -> None:
    """Allows `role` the actions on the resources.

    `wildcard` is the reason why resources with an asterisk in them are as narrow as they can be.
    """
    role.add_to_policy(
        iam.PolicyStatement(
            actions=list(actions), resources=list(resources), conditions=dict(conditions or {})
        )
    )
    if wildcard:
        policy = role.node.find_child("DefaultPolicy")
        for resource in resources:
            name = _as_nag_writes(cdk.Stack.of(role).resolve(resource))
            acknowledge(policy, f"AwsSolutions-IAM5[Resource::{name}]", wildcard)


def _as_nag_writes(value: object) -> str:
    """A resolved ARN as cdk-nag names it in a finding: references in angle brackets."""
    match value:
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [_, parts]}:
            return "".join(_as_nag_writes(part) for part in parts)
    return str(value)
