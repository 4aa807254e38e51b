"""The SageMaker endpoint: kill -9, restart, and a quiet end."""

import json
import os
import signal
import time
from dataclasses import asdict, replace
from pathlib import Path

import endpoints
import pytest
from endpoints import BUCKET, Endpoint, EventBus
from sagemaker_support import STUBBORN, alive, pids_of, request, settings, stack_of, wait_until

from local.sagemaker.job import new_job


def test_kill_9_takes_the_job_along_and_a_restart_ends_it(
    tmp_path: Path, s3: Endpoint, bus: EventBus, name: str
) -> None:
    slow = settings(s3, bus, sync_seconds=0.2)
    endpoint = endpoints.start("sagemaker", tmp_path / "sagemaker", slow)
    stack = stack_of(tmp_path, s3, bus, endpoint)
    stack.create(
        name, STUBBORN + "wait_for('go'); put('late','1'); put('done','1',base); time.sleep(60)"
    )
    stack.create("done-before")
    pids = pids_of(stack, name)
    stack.wait("done-before")
    endpoint.kill()
    (stack.base(name) / "checkpoints" / "late").write_text("not synced yet")
    wait_until(lambda: not any(alive(one) for one in pids), 8)
    with endpoints.running("sagemaker", tmp_path / "sagemaker", slow) as again:
        stack = stack_of(tmp_path, s3, bus, again)
        assert stack.describe("done-before")["TrainingJobStatus"] == "Completed"
        job = stack.wait(name)
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("InternalServerError: The local stack stopped")
        assert "late" in stack.keys(f"{name}/checkpoints/")
        bus.wait(lambda _: "Failed" in stack.statuses(name))


def test_a_program_that_outlived_its_endpoint_is_killed_at_the_restart(
    tmp_path: Path, s3: Endpoint, bus: EventBus, name: str
) -> None:
    endpoint = endpoints.start("sagemaker", tmp_path / "sagemaker", settings(s3, bus))
    stack = stack_of(tmp_path, s3, bus, endpoint)
    stack.create(name, "signal.signal(15, signal.SIG_IGN); " + STUBBORN + "time.sleep(60)")
    pids = pids_of(stack, name)
    endpoint.kill()
    assert alive(pids[0])
    with endpoints.running("sagemaker", tmp_path / "sagemaker", settings(s3, bus)) as again:
        stack = stack_of(tmp_path, s3, bus, again)
        assert stack.wait(name)["TrainingJobStatus"] == "Failed"
        assert not any(alive(one) for one in pids)


def test_a_stop_that_was_asked_for_before_the_crash_ends_as_stopped_and_a_queued_job_runs(
    tmp_path: Path, s3: Endpoint, bus: EventBus
) -> None:
    single = settings(s3, bus, jobs_at_once=1, grace_seconds=30)
    endpoint = endpoints.start("sagemaker", tmp_path / "sagemaker", single)
    stack = stack_of(tmp_path, s3, bus, endpoint)
    stack.create("to-stop", "signal.signal(15, signal.SIG_IGN); " + STUBBORN + "time.sleep(60)")
    pids_of(stack, "to-stop")
    stack.create("queued")
    stack.wait("queued", "Pending")
    stack.sagemaker.stop_training_job(TrainingJobName="to-stop")
    endpoint.kill()
    with endpoints.running("sagemaker", tmp_path / "sagemaker", single) as again:
        stack = stack_of(tmp_path, s3, bus, again)
        assert stack.wait("to-stop")["TrainingJobStatus"] == "Stopped"
        assert stack.wait("queued")["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize("how", ["stdin", "terminate"])
def test_the_endpoint_ends_with_the_supervisor_and_its_jobs_with_it(
    tmp_path: Path, s3: Endpoint, bus: EventBus, how: str
) -> None:
    endpoint = endpoints.start("sagemaker", tmp_path / "sagemaker", settings(s3, bus))
    stack = stack_of(tmp_path, s3, bus, endpoint)
    stack.create(f"ends-by-{how}", STUBBORN + "time.sleep(60)")
    pids = pids_of(stack, f"ends-by-{how}")
    if how == "stdin":
        assert endpoint.process.stdin
        endpoint.process.stdin.close()
    else:
        os.kill(endpoint.process.pid, signal.SIGTERM)
    assert endpoint.process.wait(10) == 0
    assert not any(alive(one) for one in pids)
    kept = json.loads((tmp_path / "sagemaker" / "jobs" / f"ends-by-{how}" / "job.json").read_text())
    assert kept["status"] == "InProgress"


def test_a_job_cut_off_before_its_program_started_loses_no_checkpoint(
    tmp_path: Path, s3: Endpoint, bus: EventBus, name: str
) -> None:
    moment = time.time()
    job = new_job(name, f"arn:aws:sagemaker:::training-job/{name}", request(name), moment)
    job = replace(job.at("Downloading", "Downloading input data", moment), started=moment)
    folder = tmp_path / "sagemaker" / "jobs" / name
    (folder / "ml" / "checkpoints").mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps(asdict(job)))
    operator = endpoints.client("s3", s3)
    operator.put_object(Bucket=BUCKET, Key=f"{name}/checkpoints/kept", Body=b"1")
    with endpoints.running("sagemaker", tmp_path / "sagemaker", settings(s3, bus)) as endpoint:
        stack = stack_of(tmp_path, s3, bus, endpoint)
        assert stack.wait(name)["TrainingJobStatus"] == "Failed"
        assert stack.keys(f"{name}/checkpoints/") == ["kept"]
