"""The /opt/ml layout of a job, and its program as a process.

Source: "How Amazon SageMaker provides training information" in the developer guide.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from local.sagemaker.job import Job

FOLDERS = ("input/config", "input/data", "output/data", "model", "checkpoints", "code")
LONGEST_FAILURE = 4096
KEEPER = Path(__file__).with_name("keeper.py")
CONTAINER_BASE = PurePosixPath("/opt/ml")
INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TZ", "VIRTUAL_ENV")
INHERITED_PREFIXES = ("LD_", "DYLD_", "CUDA_", "NVIDIA_", "OMP_")


@dataclass(frozen=True)
class Image:
    """What stands in for the container image: a command and its environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    pythonpath: tuple[str, ...]
    region: str


class Container:
    """One run of a job's program in its own folder."""

    def __init__(self, job: Job, folder: Path, image: Image) -> None:
        self.base = folder / "ml"
        self._job, self._folder, self._image = job, folder, image
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make an empty /opt/ml with the job's configuration, as a fresh machine has it."""
        shutil.rmtree(self.base, ignore_errors=True)
        for name in FOLDERS:
            (self.base / name).mkdir(parents=True)
        for name, content in _configuration(self._job).items():
            text = json.dumps(content, ensure_ascii=False, indent=1)
            (self.base / "input" / "config" / name).write_text(text, "utf-8")

    def channel(self, name: str) -> Path:
        """Return the folder of an input channel."""
        return self.base / "input" / "data" / name

    def local(self, path: str) -> Path:
        """Return where a path of the container lies on this machine."""
        return local_path(self.base, path)

    def start(self) -> None:
        """Start the program; what it prints goes to the job's log."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(KEEPER), *self._image.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.base / "code",  # empty: what lies in the working folder can be imported
                env=self._environment(),
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the program has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def wait(self, seconds: float) -> int | None:
        """Wait so long and return the exit code, None while it runs."""
        assert self._process
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace: float) -> None:
        """Ask the program to end, and kill it after so many seconds."""
        self._order(f"stop {grace}")

    def kill(self) -> None:
        """Kill the program at once."""
        self._order("kill")

    def failure(self) -> str:
        """Return what the program wrote about its failure."""
        path = self.base / "output" / "failure"
        if not path.is_file():
            return ""
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST_FAILURE).strip()

    def _order(self, line: str) -> None:
        assert self._process
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()

    def _environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name in INHERITED or name.startswith(INHERITED_PREFIXES)
        }
        gpus = len(list(Path("/dev").glob("nvidia[0-9]*")))
        return {
            **inherited,
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(self._image.pythonpath),
            "AWS_REGION": self._image.region,
            "SM_NUM_GPUS": str(gpus),
            "SM_NUM_CPUS": str(os.cpu_count() or 1),
            **self._image.environment,
            **self._job.request.get("Environment", {}),
            "TRAINING_JOB_NAME": self._job.name,
            "TRAINING_JOB_ARN": self._job.arn,
            "LORASTACK_BASE": str(self.base),
        }


def local_path(base: Path, path: str) -> Path:
    """Return where a path of the container lies when /opt/ml is `base`."""
    pure = PurePosixPath(path)
    if pure.is_relative_to(CONTAINER_BASE):
        return base / pure.relative_to(CONTAINER_BASE)
    return base / "elsewhere" / pure.relative_to(pure.anchor)


def _configuration(job: Job) -> dict[str, Any]:
    resources = job.request["ResourceConfig"]
    hosts, group = ["algo-1"], "homogeneousCluster"
    return {
        "hyperparameters.json": job.request.get("HyperParameters", {}),
        "inputdataconfig.json": {
            channel["ChannelName"]: _channel(job, channel)
            for channel in job.request.get("InputDataConfig", [])
        },
        "resourceconfig.json": {
            "current_host": hosts[0],
            "current_instance_type": resources["InstanceType"],
            "current_group_name": group,
            "hosts": hosts,
            "instance_groups": [
                {
                    "instance_group_name": group,
                    "instance_type": resources["InstanceType"],
                    "hosts": hosts,
                }
            ],
            "network_interface_name": "eth0",
        },
    }


def _channel(job: Job, channel: Mapping[str, Any]) -> dict[str, str]:
    source = channel["DataSource"].get("S3DataSource", {})
    found = {
        "TrainingInputMode": channel.get(
            "InputMode", job.request["AlgorithmSpecification"]["TrainingInputMode"]
        ),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    return found | ({"ContentType": channel["ContentType"]} if "ContentType" in channel else {})
