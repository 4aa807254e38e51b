"""Synthesizes the stack: `CDK_OUTDIR=cdk.out python infrastructure/app.py`, or the CDK CLI."""

import json
import os
import sys
from pathlib import Path

# We support Node 20 and test with it; jsii would say in twelve lines that it is past its end of
# life. It starts with the first import of aws_cdk, so this comes before.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from document import read_document
from gateway_body import read_routes
from problems import DeploymentError
from settings import DeploymentSettings, load_settings
from stack import LoraStack

ROOT = Path(__file__).resolve().parent.parent


def context_of_cdk_json() -> dict[str, object]:
    """What cdk.json says under "context".

    The CDK CLI passes it by itself; without the CLI nobody does.
    """
    return json.loads((ROOT / "cdk.json").read_text(encoding="utf-8")).get("context", {})


def build(app: cdk.App, *, root: Path = ROOT) -> LoraStack:
    """Adds the stack and its checks to `app`, from the sources in `root`.

    Raises DeploymentError, whose text is one sentence for the person who deploys.
    """
    settings = load_settings(app.node)
    routes = read_routes(read_document(root))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return LoraStack(
        app,
        "LoraStack",
        root=root,
        routes=routes,
        settings=settings,
        stack_name=stack_name(settings),
        env=cdk.Environment(account=settings.account, region=settings.region),
    )


def stack_name(settings: DeploymentSettings) -> str:
    """One CloudFormation stack per deployment, so that two fit into one account and region."""
    default = DeploymentSettings.model_fields["deployment"].default
    return "LoraStack" if settings.deployment == default else f"LoraStack-{settings.deployment}"


def new_app(*, context: dict[str, object], outdir: str | None = None) -> cdk.App:
    """An app without what costs time or makes templates differ; `outdir` is for tests."""
    return cdk.App(
        context=context,
        outdir=outdir,
        analytics_reporting=False,
        # Takes 4 s to load and only warns; tests/infrastructure runs cfn-lint instead.
        builtin_cloud_formation_validation=False,
        stack_traces=False,
    )


def main() -> None:
    """Synthesizes into $CDK_OUTDIR; ends with one sentence when something is set wrongly."""
    app = new_app(context=context_of_cdk_json())
    try:
        build(app)
        app.synth()
    except DeploymentError as exc:
        sys.exit(str(exc))
    except RuntimeError as exc:  # all that jsii ever raises
        if "ValidationFailed" not in str(exc):
            raise
        sys.exit("cdk-nag has findings, listed above: mend each, or acknowledge it with a reason.")


if __name__ == "__main__":
    main()
