"""What the tests of the SageMaker endpoint share: jobs are small programs."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import endpoints
import pytest
from botocore.exceptions import ClientError
from endpoints import BUCKET, Endpoint, EventBus

ROLE = "arn:aws:iam::000000000000:role/LoraStack-TrainingRole"
COMMAND = [sys.executable, "-c", "import os; exec(os.environ['PROGRAM'])"]
HEAD = """
import json, os, pathlib, signal, subprocess, sys, time
base = pathlib.Path(os.environ['LORASTACK_BASE'])
ck = base / 'checkpoints'
def put(name, text, folder=ck):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    part = base / 'part'
    part.write_text(text)
    part.rename(path)
def wait_for(name):
    while not (base / name).exists(): time.sleep(0.02)
"""


HEAD_IMPORT = "exec(os.environ['HEAD'])\n"


@dataclass
class Stack:
    """Both endpoints and their clients."""

    root: Path
    s3: Any
    sagemaker: Any
    bus: EventBus
    endpoint: Endpoint

    def base(self, name: str) -> Path:
        """The /opt/ml of a job."""
        return self.root / "sagemaker" / "jobs" / name / "ml"

    def log(self, name: str) -> str:
        return (self.root / "sagemaker" / "jobs" / name / "log").read_text()

    def create(self, name: str, program: str = "", **more: Any) -> None:
        self.sagemaker.create_training_job(**request(name, program, **more))

    def describe(self, name: str) -> dict[str, Any]:
        return dict(self.sagemaker.describe_training_job(TrainingJobName=name))

    def wait(self, name: str, *secondary: str, seconds: float = 15.0) -> dict[str, Any]:
        """Wait for a secondary status, by default for a final one."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.describe(name)
            wanted = secondary or (
                "Completed",
                "Failed",
                "Stopped",
                "MaxRuntimeExceeded",
                "MaxWaitTimeExceeded",
            )
            if found["SecondaryStatus"] in wanted:
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.03)

    def keys(self, prefix: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return [one["Key"].removeprefix(prefix) for one in listed]

    def text(self, key: str) -> str:
        return str(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode())

    def wait_for_key(self, key: str, seconds: float = 5.0) -> None:
        wait_until(lambda: "" in self.keys(key), seconds)

    def statuses(self, name: str) -> list[str]:
        return [event["detail"]["SecondaryStatus"] for event in self.events(name)]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [
            event for event in self.bus.events if event["detail"].get("TrainingJobName") == name
        ]


def request(name: str, program: str = "", **more: Any) -> dict[str, Any]:
    """A request as the trainings function makes it."""
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "InputDataConfig": [channel("config", "input/")],
        "OutputDataConfig": {
            "S3OutputPath": f"s3://{BUCKET}/{name}/output/",
            "CompressionType": "NONE",
        },
        "CheckpointConfig": {
            "S3Uri": f"s3://{BUCKET}/{name}/checkpoints/",
            "LocalPath": "/opt/ml/checkpoints",
        },
        "ResourceConfig": {
            "InstanceType": "ml.g5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 100,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "EnableNetworkIsolation": True,
        "Environment": {"PROGRAM": HEAD_IMPORT + program},
        **more,
    }


def channel(name: str, prefix: str) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{BUCKET}/{prefix}",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def settings(s3: Endpoint, bus: EventBus, **more: Any) -> dict[str, Any]:
    return {
        "events_url": bus.url,
        "s3_url": s3.url,
        "sync_seconds": 0.1,
        "grace_seconds": 1.0,
        "jobs_at_once": 3,
        "command": COMMAND,
        "image_environment": {"HEAD": HEAD, "KOHYA_CPU": "1"},
        "training_role_access_key_id": "LOCALTRAININGROLE",
        **more,
    }


def stack_of(root: Path, s3: Endpoint, bus: EventBus, endpoint: Endpoint) -> Stack:
    client = endpoints.client("sagemaker", endpoint)
    return Stack(root, endpoints.client("s3", s3), client, bus, endpoint)


def wait_until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
}
STUBBORN = "child=subprocess.Popen(['sleep','60']); put('pids', f'{os.getpid()} {child.pid}'); "


def pids_of(stack: Stack, name: str) -> list[int]:
    stack.wait_for_key(f"{name}/checkpoints/pids")
    return [int(one) for one in stack.text(f"{name}/checkpoints/pids").split()]
