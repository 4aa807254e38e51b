"""Synthesis as a whole: what it needs, what stops it, and that it always gives the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import new_app, run_app, synthesize

# cfn-lint W3005: CDK writes a DependsOn on a function's role that its GetAtt implies already.
IGNORED = "W3005"


def test_a_second_synthesis_in_another_process_gives_the_same_template(deployed, tmp_path):
    # `deployed` was made by app.py in a process with a hash seed of its own.
    assert synthesize(tmp_path).template == deployed.template


def test_a_wrong_setting_ends_with_one_sentence_and_no_traceback(tmp_path):
    done = run_app(tmp_path, CDK_CONTEXT_JSON='{"lorastack:deployment": "My Deployment"}')

    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        'The setting "deployment" under "lorastack" in cdk.json has the value \'My Deployment\': '
        "it must be 1 to 15 lower-case letters and digits, as it begins every job name."
    ]


def test_the_template_passes_cfn_lint(deployed):
    linted = subprocess.run(
        [
            Path(sys.executable).parent / "cfn-lint",
            deployed.outdir / "LoraStack.template.json",
            "--ignore-checks",
            IGNORED,
        ],
        capture_output=True,
        text=True,
    )

    assert (linted.returncode, linted.stdout) == (0, "")


def test_no_finding_is_left_unacknowledged(deployed):
    report = json.loads((deployed.outdir / "validation-report.json").read_text())

    assert report["pluginReports"] == []


def test_a_finding_without_acknowledgement_stops_synthesis(tmp_path, checkout):
    from aws_cdk import aws_sqs as sqs

    import app

    cdk_app = new_app(tmp_path / "out")
    stack = app.build(cdk_app, root=checkout)
    sqs.Queue(stack, "PlainQueue")

    with pytest.raises(RuntimeError, match="ValidationFailed"):
        cdk_app.synth()

    assert "PlainQueue" in (tmp_path / "out" / "validation-report.json").read_text()


def test_the_outputs_say_where_api_bucket_table_and_topic_are(deployed):
    outputs = {"ApiUrl", "BucketName", "TableName", "NoticeTopicArn"}

    assert set(deployed.template["Outputs"]) == outputs


def test_another_deployment_gets_a_stack_of_its_own(synthesize_with):
    second = synthesize_with(deployment="second", region="eu-west-1", account="111122223333")

    manifest = json.loads((second.outdir / "manifest.json").read_text())
    stack = manifest["artifacts"]["LoraStack"]
    assert stack["properties"]["stackName"] == "LoraStack-second"
    assert stack["environment"] == "aws://111122223333/eu-west-1"


def test_without_a_dockerfile_synthesis_says_what_to_do(synthesize_with, checkout):
    from problems import DeploymentError

    (checkout / "training_container/Dockerfile").unlink()

    with pytest.raises(DeploymentError, match="set training_image_uri"):
        synthesize_with()
