"""Findings of cdk-nag that we keep, each acknowledged on the very resource with its reason."""

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(resource: IConstruct, finding: str, reason: str) -> None:
    """Accepts one finding, such as "AwsSolutions-S1", on one resource and on no other."""
    l1 = resource if isinstance(resource, cdk.CfnResource) else resource.node.default_child
    cdk.Validations.of(l1).acknowledge(cdk.Acknowledgment(id=finding, reason=reason))
