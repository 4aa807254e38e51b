"""The SageMaker endpoint: spot instances, and jobs that wait for a machine."""

import json
from pathlib import Path

import endpoints
import httpx
from endpoints import Endpoint, EventBus
from sagemaker_support import SPOT, Stack, settings, stack_of

from local.sagemaker.machines import Machines


def test_a_spot_job_that_waits_too_long_is_stopped(stack: Stack, name: str) -> None:
    limits = {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}
    stack.create(name, "time.sleep(60)", **SPOT | {"StoppingCondition": limits})
    assert stack.wait(name)["SecondaryStatus"] in ("MaxWaitTimeExceeded", "MaxRuntimeExceeded")


def test_an_interrupted_spot_job_starts_again_with_its_checkpoints(stack: Stack, name: str) -> None:
    stack.create(
        name,
        "signal.signal(15, signal.SIG_IGN); n=len(list(ck.iterdir())); put(f'run{n}','1');"
        "(base/'scratch').exists() and sys.exit(9); (base/'scratch').touch(); n < 2 and time.sleep(60)",
        **SPOT,
    )
    for run in range(2):
        stack.wait_for_key(f"{name}/checkpoints/run{run}")
        stack.wait(name, "Training")
        hook = f"{stack.endpoint.url}/local/interrupt"
        assert httpx.post(hook, params={"name": name}).status_code == 200
    job = stack.wait(name)
    assert job["TrainingJobStatus"] == "Completed"
    assert stack.keys(f"{name}/checkpoints/") == ["run0", "run1", "run2"]
    statuses = [one["Status"] for one in job["SecondaryStatusTransitions"]]
    again = ["Interrupted", "Starting", "Downloading", "Training"]
    assert statuses == [
        "Starting",
        "Downloading",
        "Training",
        *again,
        *again,
        "Uploading",
        "Completed",
    ]
    kept = json.loads((stack.root / "sagemaker" / "jobs" / name / "job.json").read_text())
    assert kept["restarts"] == 2


def test_only_a_running_spot_job_can_be_interrupted(stack: Stack, name: str) -> None:
    stack.create(name)
    hook = f"{stack.endpoint.url}/local/interrupt"
    assert httpx.post(hook, params={"name": name}).status_code == 400
    assert httpx.post(hook, params={"name": "nobody"}).status_code == 400


def test_one_machine_takes_one_job_after_the_other(
    tmp_path: Path, s3: Endpoint, bus: EventBus, name: str
) -> None:
    single = settings(s3, bus, jobs_at_once=1)
    with endpoints.running("sagemaker", tmp_path / "sagemaker", single) as endpoint:
        stack = stack_of(tmp_path, s3, bus, endpoint)
        names = [f"{name[:40]}-{number}" for number in range(4)]
        for one in names:
            stack.create(one, "put('up','1'); wait_for('go')" if one == names[0] else "")
        stack.wait_for_key(f"{names[0]}/checkpoints/up")
        waiting = stack.wait(names[1], "Pending")
        assert waiting["TrainingJobStatus"] == "InProgress"
        assert "TrainingStartTime" not in waiting
        stack.sagemaker.stop_training_job(TrainingJobName=names[2])
        assert stack.wait(names[2])["SecondaryStatus"] == "Stopped"
        (stack.base(names[0]) / "go").touch()
        ends = [stack.wait(names[number])["TrainingEndTime"] for number in (0, 1, 3)]
        assert ends == sorted(ends)


def test_machines_go_to_whoever_asked_first() -> None:
    machines = Machines(1)
    assert machines.take("first")
    assert not machines.take("second")
    assert not machines.take("third")
    machines.give_back()
    assert not machines.take("third")
    assert machines.take("second")
    machines.give_back()
    assert not machines.take("fourth")
    machines.leave("third")
    assert machines.take("fourth")
