"""What local mode does once for all, and how often its trainings tell what they do."""

import json
import subprocess
import sys

import pytest
from local_stack import REPOSITORY, LocalStack

FIRST_CLIENTS = """
import sys

from local.functions import _preload

_preload()
read = []
sys.addaudithook(lambda event, told: event == "open" and read.append(str(told[0])))
from lambdas.core import aws

for make in (aws.dynamodb, aws.s3, aws.sagemaker, aws.sqs):
    print(make().meta.region_name)
print([path for path in read if ".json" in path])
"""


def test_a_functions_first_clients_read_no_description_and_take_its_own_region() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CLIENTS],
        cwd=REPOSITORY,
        env={"AWS_DEFAULT_REGION": "eu-north-1", "PATH": "", "HOME": "/nowhere"},
        capture_output=True,
        text=True,
    )

    assert done.stdout.splitlines() == ["eu-north-1"] * 4 + ["[]"], done.stderr


def test_trainings_tell_and_sync_as_often_as_the_environment_says(stack: LocalStack) -> None:
    told = json.loads((stack.state / "sagemaker.json").read_text())

    assert told["image_environment"]["LORASTACK_REPORT_SECONDS"] == "0.25"
    assert told["sync_seconds"] == 0.25


@pytest.mark.parametrize(
    ("said", "seconds"), [(None, 1.0), ("", 1.0), ("soon", 1.0), ("0", 0.05), ("2", 2.0)]
)
def test_what_is_no_number_of_seconds_means_one(
    monkeypatch: pytest.MonkeyPatch, said: str | None, seconds: float
) -> None:
    from local.plan import _report_seconds

    monkeypatch.delenv("LORASTACK_REPORT_SECONDS", raising=False)
    if said is not None:
        monkeypatch.setenv("LORASTACK_REPORT_SECONDS", said)

    assert _report_seconds() == seconds
