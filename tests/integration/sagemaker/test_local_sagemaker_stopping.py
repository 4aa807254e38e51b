"""The SageMaker endpoint: stopping jobs."""

import time

import pytest
from botocore.exceptions import ClientError
from sagemaker_support import Stack, alive, code, wait_until


def test_a_stopped_program_gets_sigterm_and_its_last_checkpoint_is_kept(
    stack: Stack, name: str
) -> None:
    stack.create(
        name,
        "def end(*_):\n put('saved','1'); put('m','1',base/'model'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); put('up','1'); time.sleep(60)",
    )
    stack.wait_for_key(f"{name}/checkpoints/up")
    stack.sagemaker.stop_training_job(TrainingJobName=name)
    job = stack.wait(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert stack.keys(f"{name}/checkpoints/") == ["saved", "up"]
    assert stack.keys(f"{name}/output/{name}/output/model/") == ["m"]
    statuses = [one["Status"] for one in job["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Training", "Stopping", "Stopped"]
    stack.bus.wait(lambda _: "Stopped" in stack.statuses(name))
    stopping = [
        e["detail"] for e in stack.events(name) if e["detail"]["SecondaryStatus"] == "Stopping"
    ]
    assert {one["TrainingJobStatus"] for one in stopping} == {"Stopping"}


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace(stack: Stack, name: str) -> None:
    stack.create(
        name,
        "child=subprocess.Popen([sys.executable,'-c','import signal,time;"
        "signal.signal(15,1);time.sleep(60)']); signal.signal(15, signal.SIG_IGN);"
        "time.sleep(.3); put('pids', f'{os.getpid()} {child.pid}'); time.sleep(60)",
    )
    stack.wait_for_key(f"{name}/checkpoints/pids")
    began = time.monotonic()
    stack.sagemaker.stop_training_job(TrainingJobName=name)
    assert stack.describe(name)["TrainingJobStatus"] == "Stopping"
    stack.sagemaker.stop_training_job(TrainingJobName=name)
    assert stack.wait(name)["TrainingJobStatus"] == "Stopped"
    assert 0.9 < time.monotonic() - began < 4
    pids = [int(one) for one in stack.text(f"{name}/checkpoints/pids").split()]
    wait_until(lambda: not any(alive(one) for one in pids))


def test_a_final_job_cannot_be_stopped(stack: Stack, name: str) -> None:
    stack.create(name)
    stack.wait(name)
    with pytest.raises(ClientError) as error:
        stack.sagemaker.stop_training_job(TrainingJobName=name)
    assert code(error) == "ValidationException"
    assert "is in status Completed" in str(error.value)


def test_a_job_that_runs_too_long_is_stopped(stack: Stack, name: str) -> None:
    stack.create(name, "put('a','1'); time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    job = stack.wait(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert stack.keys(f"{name}/checkpoints/") == ["a"]
    assert "FailureReason" not in job
