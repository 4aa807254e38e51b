"""The SageMaker endpoint: jobs that fail."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import endpoints
import pytest
from endpoints import BUCKET, SECRET, Endpoint, EventBus
from sagemaker_support import Stack, alive, channel, settings, stack_of, wait_until

from local.credentials import OPERATOR
from local.endpoint import EndpointSettings
from local.http_server import HttpServer
from local.s3.__main__ import build


def test_a_failed_program_tells_why(stack: Stack, name: str) -> None:
    stack.create(
        name,
        "put('lora','1'); put('failure', '{\"code\": \"no_lora\"}', base/'output'); sys.exit(3)",
    )
    job = stack.wait(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"] == 'AlgorithmError: {"code": "no_lora"}, exit code: 3'
    assert "ModelArtifacts" not in job
    assert stack.keys(f"{name}/checkpoints/") == ["lora"]
    stack.bus.wait(lambda _: "Failed" in stack.statuses(name))
    assert stack.events(name)[-1]["detail"]["FailureReason"] == job["FailureReason"]


def test_a_long_failure_is_cut_at_1024_characters(stack: Stack, name: str) -> None:
    stack.create(name, "put('failure', 'ä'*3000, base/'output'); sys.exit(1)")
    reason = stack.wait(name)["FailureReason"]
    assert len(reason) == 1024
    assert reason.startswith("AlgorithmError: ää")


def test_a_program_that_dies_by_a_signal_fails(stack: Stack, name: str) -> None:
    stack.create(name, "os.kill(os.getpid(), signal.SIGKILL)")
    assert stack.wait(name)["FailureReason"] == "AlgorithmError: , exit code: 137"


def test_a_program_that_cannot_be_started_fails(
    tmp_path: Path, s3: Endpoint, bus: EventBus, name: str
) -> None:
    missing = settings(s3, bus, command=["/no/such/program"])
    with endpoints.running("sagemaker", tmp_path / "sagemaker", missing) as endpoint:
        stack = stack_of(tmp_path, s3, bus, endpoint)
        stack.create(name)
        assert stack.wait(name)["FailureReason"] == "AlgorithmError: , exit code: 127"
        assert "could not be started" in stack.log(name)


def test_a_key_that_is_no_file_below_its_channel_fails_the_job(stack: Stack, name: str) -> None:
    stack.s3.put_object(Bucket=BUCKET, Key=f"{name}/in/../../../evil", Body=b"x")
    stack.create(name, InputDataConfig=[channel("config", f"{name}/in/")])
    reason = stack.wait(name)["FailureReason"]
    assert reason.startswith("ClientError: Data download failed:")
    assert "evil" in reason


def test_what_a_program_leaves_running_goes_with_it(stack: Stack, name: str) -> None:
    stack.create(name, "print(subprocess.Popen(['sleep', '60']).pid)")
    stack.wait(name)
    left = int(stack.log(name))
    wait_until(lambda: not alive(left))


@dataclass
class AllBut:
    """A role that may do everything but one action."""

    action: str

    def allowed(
        self, access_key_id: str, action: str, resource_arn: str, context: object = None
    ) -> bool:
        return access_key_id == OPERATOR or action != self.action or "denied/" not in resource_arn


@pytest.fixture
def guarded_s3(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Endpoint]:
    written = EndpointSettings(SECRET, buckets={BUCKET: {}})
    application, end = build(written, tmp_path / "s3", AllBut(request.param))
    server = HttpServer(application, 0)
    server.start()
    found = Endpoint(None, f"http://127.0.0.1:{server.port}")  # type: ignore[arg-type]
    for key in ("input/job.json", "denied/job.json"):
        endpoints.client("s3", found).put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    yield found
    end()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("guarded_s3", ["s3:GetObject"], indirect=True)
def test_input_that_the_role_may_not_read_fails_the_job(
    tmp_path: Path, guarded_s3: Endpoint, bus: EventBus, name: str
) -> None:
    written = settings(guarded_s3, bus)
    with endpoints.running("sagemaker", tmp_path / "sagemaker", written) as endpoint:
        stack = stack_of(tmp_path, guarded_s3, bus, endpoint)
        stack.create(name, InputDataConfig=[channel("config", "denied/")])
        reason = stack.wait(name)["FailureReason"]
        assert reason.startswith("ClientError: Data download failed:")
        assert "AccessDenied" in reason


@pytest.mark.parametrize("guarded_s3", ["s3:PutObject"], indirect=True)
def test_output_that_the_role_may_not_write_fails_the_job_and_is_kept(
    tmp_path: Path, guarded_s3: Endpoint, bus: EventBus, name: str
) -> None:
    written = settings(guarded_s3, bus)
    with endpoints.running("sagemaker", tmp_path / "sagemaker", written) as endpoint:
        stack = stack_of(tmp_path, guarded_s3, bus, endpoint)
        output = {"S3OutputPath": f"s3://{BUCKET}/denied/", "CompressionType": "NONE"}
        stack.create(name, "put('m', '1', base/'model')", OutputDataConfig=output)
        reason = stack.wait(name)["FailureReason"]
        assert reason.startswith("ClientError: Artifact upload failed:")
        assert (stack.base(name) / "model" / "m").read_text() == "1"
