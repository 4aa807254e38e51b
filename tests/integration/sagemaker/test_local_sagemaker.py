"""The SageMaker endpoint, as boto3 sees it: the life of a job."""

import io
import itertools
import json
import tarfile
import time

from endpoints import BUCKET, REGION
from sagemaker_support import ROLE, Stack, channel, wait_until


def test_a_job_goes_through_sagemakers_statuses(stack: Stack, name: str) -> None:
    stack.create(name, "put('a.txt', 'a')")
    waiter = stack.sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})
    job = stack.describe(name)
    transitions = job["SecondaryStatusTransitions"]
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed"
    assert [one["Status"] for one in transitions] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    for one, following in itertools.pairwise(transitions):
        assert one["StartTime"] <= one["EndTime"] == following["StartTime"]
        assert one["StatusMessage"]
    times = [job[f"{one}Time"] for one in ("Creation", "TrainingStart", "TrainingEnd")]
    assert times == sorted(times)
    assert job["LastModifiedTime"] >= job["TrainingEndTime"]
    assert 0 <= job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] <= 10
    assert job["TrainingJobArn"].endswith(f":training-job/{name.lower()}")
    assert (
        job["ModelArtifacts"]["S3ModelArtifacts"]
        == f"s3://{BUCKET}/{name}/output/{name}/output/model"
    )
    assert job["EnableNetworkIsolation"] is True


def test_every_change_is_told_as_eventbridge_tells_it(stack: Stack, name: str) -> None:
    stack.create(name, Tags=[{"Key": "team", "Value": "ä ß/1"}])
    job = stack.wait(name)
    stack.bus.wait(lambda _: "Completed" in stack.statuses(name))
    events = stack.events(name)
    assert list(dict.fromkeys(stack.statuses(name))) == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    modified = [event["detail"]["LastModifiedTime"] for event in events]
    assert modified == sorted(set(modified))
    last = events[-1]
    assert last["source"] == "aws.sagemaker"
    assert last["detail-type"] == "SageMaker Training Job State Change"
    assert last["resources"] == [job["TrainingJobArn"]]
    assert (last["version"], last["account"], last["region"]) == ("0", "000000000000", REGION)
    detail = last["detail"]
    for one in ("CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime"):
        assert detail[one] == round(job[one].timestamp() * 1000)
    assert detail["SecondaryStatusTransitions"][0]["Status"] == "Starting"
    assert detail["Tags"] == {"team": "ä ß/1"}
    assert detail["RoleArn"] == ROLE


def test_the_program_finds_what_sagemaker_gives(stack: Stack, name: str) -> None:
    stack.s3.put_object(Bucket=BUCKET, Key="data/10_猫/é 1.png", Body=b"pixels")
    stack.s3.put_object(Bucket=BUCKET, Key="data2/other.png", Body=b"no")
    stack.create(
        name,
        "print(json.dumps({str(p.relative_to(base)): p.read_text() if p.is_file() else None"
        " for p in base.rglob('*')} | {'env': dict(os.environ), 'cwd': os.getcwd()}))",
        InputDataConfig=[channel("config", "input/"), channel("dataset_00", "data/")],
        HyperParameters={"rank": "8"},
    )
    stack.wait(name)
    found = json.loads(stack.log(name))
    assert found["input/data/dataset_00/10_猫/é 1.png"] == "pixels"
    assert found["input/data/config/job.json"] == "{}"
    assert not any("other.png" in path for path in found)
    assert json.loads(found["input/config/hyperparameters.json"]) == {"rank": "8"}
    channels = json.loads(found["input/config/inputdataconfig.json"])
    assert channels["dataset_00"] == {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    resources = json.loads(found["input/config/resourceconfig.json"])
    assert (resources["current_host"], resources["hosts"]) == ("algo-1", ["algo-1"])
    assert resources["current_instance_type"] == "ml.g5.xlarge"
    environment = found["env"]
    assert environment["TRAINING_JOB_NAME"] == name
    assert environment["LORASTACK_BASE"] == str(stack.base(name))
    assert environment["KOHYA_CPU"] == "1"
    assert environment["SM_NUM_GPUS"].isdecimal()
    assert not any("SECRET" in one or "ACCESS_KEY" in one for one in environment)


def test_inputs_are_copies(stack: Stack, name: str) -> None:
    stack.create(name, "(base/'input/data/config/job.json').write_text('spoilt')")
    assert stack.wait(name)["TrainingJobStatus"] == "Completed"
    assert stack.text("input/job.json") == "{}"


def test_model_and_data_are_stored_as_they_are(stack: Stack, name: str) -> None:
    stack.create(
        name,
        "put('r/report.json', '1', base/'model'); put('d.txt', '2', base/'output/data')",
    )
    stack.wait(name)
    assert stack.keys(f"{name}/output/{name}/output/") == ["data/d.txt", "model/r/report.json"]
    wait_until(lambda: not stack.base(name).exists())


def test_output_is_compressed_when_nobody_says_otherwise(stack: Stack, name: str) -> None:
    stack.create(
        name,
        "put('report.json', '1', base/'model')",
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/{name}"},
    )
    job = stack.wait(name)
    key = f"{name}/{name}/output/model.tar.gz"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/{key}"
    body = stack.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert "./report.json" in archive.getnames()


def test_checkpoints_are_synced_while_it_runs_with_deletions(stack: Stack, name: str) -> None:
    stack.create(
        name,
        "put('lora/a.txt','1'); put('old','1'); wait_for('go1'); put('lora/a.txt','22');"
        "(ck/'old').unlink(); wait_for('go2'); put('last','3')",
    )
    prefix = f"{name}/checkpoints/"
    wait_until(lambda: stack.keys(prefix) == ["lora/a.txt", "old"])
    (stack.base(name) / "go1").touch()
    wait_until(
        lambda: stack.keys(prefix) == ["lora/a.txt"] and stack.text(f"{prefix}lora/a.txt") == "22"
    )
    assert stack.describe(name)["SecondaryStatus"] == "Training"
    (stack.base(name) / "go2").touch()
    stack.wait(name)
    assert stack.keys(prefix) == ["last", "lora/a.txt"]


def test_a_file_that_is_replaced_all_the_time_is_never_torn(stack: Stack, name: str) -> None:
    stack.create(
        name,
        "n=0\nwhile not (base/'go').exists():\n"
        " n+=1; put('progress.json', str(n%10)*(n%7*1000+9)); time.sleep(0.001)",
    )
    key = f"{name}/checkpoints/progress.json"
    stack.wait_for_key(key)
    seen = set()
    for _ in range(40):
        text = stack.text(key)
        seen.add(text)
        assert len(set(text)) == 1
        assert len(text) % 1000 == 9
        time.sleep(0.02)
    assert len(seen) > 3
    (stack.base(name) / "go").touch()
    stack.wait(name)


def test_a_large_checkpoint_is_whole(stack: Stack, name: str) -> None:
    stack.create(name, "(base/'part').write_bytes(b'x'*(40<<20)); (base/'part').rename(ck/'big')")
    stack.wait(name)
    head = stack.s3.head_object(Bucket=BUCKET, Key=f"{name}/checkpoints/big")
    assert head["ContentLength"] == 40 << 20


def test_checkpoints_that_lie_in_s3_are_there_at_the_start(stack: Stack, name: str) -> None:
    prefix = f"{name}/checkpoints/"
    stack.s3.put_object(Bucket=BUCKET, Key=f"{prefix}state/one", Body=b"1")
    stack.create(
        name, "print((ck/'state/one').read_text()); (ck/'state/one').unlink(); put('two','2')"
    )
    assert stack.wait(name)["TrainingJobStatus"] == "Completed"
    assert stack.log(name).strip() == "1"
    assert stack.keys(prefix) == ["two"]


def test_other_local_paths_and_tensorboard_are_mapped(stack: Stack, name: str) -> None:
    stack.create(
        name,
        "put('events.1','t',base/'output/tensorboard'); put('c','1',base/'mine/ck')",
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/{name}/c", "LocalPath": "/opt/ml/mine/ck"},
        TensorBoardOutputConfig={
            "S3OutputPath": f"s3://{BUCKET}/{name}/logs/",
            "LocalPath": "/opt/ml/output/tensorboard",
        },
    )
    stack.wait(name)
    assert stack.keys(f"{name}/logs/") == ["events.1"]
    assert stack.keys(f"{name}/c/") == ["c"]
