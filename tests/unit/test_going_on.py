"""A training that goes on from another training's saved state."""

import json

import pytest

from lambdas.core import aws, bucket, table
from tests.unit.fakes import SD_XL, AwsCalls, FakeSageMaker
from tests.unit.scenes import TRAININGS, ready_dataset, ready_model
from tests.unit.test_training_status import end, leave_lora

pytestmark = pytest.mark.usefixtures("aws_calls")
PARAMS = {
    "max_train_epochs": 2,
    "network_dim": 8,
    "train_batch_size": 1,
    "lr_scheduler": "constant",
}
STEPS_PER_EPOCH = 30


def request(**changes: object) -> dict:
    ready = {"name": "longer", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    return ready | {"config_params": {"max_train_epochs": 5}} | changes


def leave_state(training: str, epoch: int, *, torn: bool = False) -> None:
    """Put a state into the bucket as a job of so many steps an epoch does."""
    folder = f"acme/trainings/{training}/checkpoints/state/style-{epoch:06d}-state/"
    files = {"model.safetensors": b"abc", "optimizer.bin": b"defg"}
    for name, content in files.items():
        bucket.put(f"{folder}{name}", content[:-1] if torn else content)
    told = {"step": epoch * STEPS_PER_EPOCH, "epoch": epoch, "lora": "style-000001.safetensors"}
    sizes = {name: {"size": len(content), "sha256": "00"} for name, content in files.items()}
    bucket.put(f"{folder}manifest.json", json.dumps(told | {"files": sizes}).encode())


@pytest.fixture
def earlier(sagemaker: FakeSageMaker) -> str:
    """A training that kept its state and succeeded: two epochs of 3 images times 10."""
    ready_model(), ready_dataset()
    made = TRAININGS.post(
        "/trainings", request(name="style", keep_state=True, config_params=PARAMS)
    ).body
    for epoch in (1, 2):
        leave_state(made["id"], epoch)
    leave_lora(made)
    end(sagemaker, made, "Completed", "Completed")
    return made["id"]


def faults(**changes: object) -> dict[str, str]:
    answer = TRAININGS.post("/trainings/validate", request(**changes))
    assert answer.status == 200, answer
    return {fault["pointer"]: fault["message"] for fault in answer.body["errors"]}


def test_it_takes_over_the_options_and_the_job_gets_the_states(
    earlier: str, sagemaker: FakeSageMaker
) -> None:
    before = TRAININGS.get(f"/trainings/{earlier}").body

    made = TRAININGS.post("/trainings", request(continue_from=earlier)).body

    assert made["config_params"] == before["config_params"] | {"max_train_epochs": 5}
    assert made["continue_from"] == {
        "kind": "state",
        "id": earlier,
        "name": "style",
        "file_name": None,
        "step": 60,
        "epoch": 2,
    }
    assert (made["steps"]["total_steps"], made["steps"]["epochs"]) == (150, 5)
    job = json.loads(bucket.read(f"acme/trainings/{made['id']}/input/job.json"))
    assert job["init"] == {
        "channel": "init",
        "kind": "state",
        "training_id": earlier,
        "output_name": "style",
    }
    request_of = sagemaker.jobs[made["job_name"]]
    channels = {
        one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"]
        for one in request_of["InputDataConfig"]
    }
    assert channels["init"].endswith(f"/acme/trainings/{earlier}/checkpoints/state/")
    assert [item["sk"] for item in table.query(f"{earlier}#use", limit=5).items] == [made["id"]]


def test_going_on_takes_one_listing_and_one_manifest_more(
    earlier: str, aws_calls: AwsCalls
) -> None:
    aws_calls.reset()

    assert TRAININGS.post("/trainings", request(continue_from=earlier)).status == 201

    assert sorted(aws_calls.made) == sorted(
        [
            *("BatchGetItem", "BatchGetItem", "ListObjectsV2", "GetObject"),
            *("PutObject", "TransactWriteItems", "CreateTrainingJob"),
        ]
    )


def test_a_torn_state_is_passed_over(earlier: str) -> None:
    leave_state(earlier, 2, torn=True)

    made = TRAININGS.post("/trainings", request(continue_from=earlier)).body

    assert (made["continue_from"]["step"], made["continue_from"]["epoch"]) == (30, 1)


def test_a_state_that_has_gone_is_told_with_the_lora_as_a_remedy(earlier: str) -> None:
    lora = TRAININGS.get(f"/trainings/{earlier}").body["lora_id"]
    folder = f"acme/trainings/{earlier}/checkpoints/state/"
    for found in list(bucket.objects_under(folder)):
        bucket.delete(found.key)

    told = faults(continue_from=earlier)

    assert list(told) == ["/continue_from"]
    assert "style has left no state" in told["/continue_from"]
    assert f"continue from its LoRA instead: {lora}" in told["/continue_from"]


def test_a_training_that_is_under_way_or_not_there_has_no_state_to_take() -> None:
    ready_model(), ready_dataset()
    made = TRAININGS.post("/trainings", request(name="style", keep_state=True)).body["id"]

    assert "wait until it has ended, or cancel it" in faults(continue_from=made)["/continue_from"]
    nobody = "trn_01JD0000000000000000000000"
    assert "there is no training" in faults(continue_from=nobody)["/continue_from"]


def test_a_name_means_a_lora_and_the_training_of_that_name_is_pointed_out(
    sagemaker: FakeSageMaker,
) -> None:
    ready_model(), ready_dataset()
    made = TRAININGS.post("/trainings", request(name="style", keep_state=True)).body
    end(sagemaker, made, "Stopped", "MaxRuntimeExceeded")

    told = faults(continue_from="style")

    assert "there is no model style" in told["/continue_from"]
    assert f"give {made['id']}" in told["/continue_from"]


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("network_dim", 16, False),
        ("train_batch_size", 2, False),
        ("learning_rate", 1e-3, False),
        ("optimizer_type", "Lion", False),
        ("gradient_accumulation_steps", 2, False),
        ("seed", 7, False),
        ("save_every_n_epochs", 2, True),
        ("gradient_checkpointing", True, True),
        ("training_comment", "longer", True),
    ],
)
def test_options_that_make_the_state_must_stay(
    earlier: str, option: str, value: object, *, allowed: bool
) -> None:
    told = faults(continue_from=earlier, config_params={"max_train_epochs": 5, option: value})

    assert list(told) == ([] if allowed else [f"/config_params/{option}"])
    if not allowed:
        assert "as the state has it, or be left out" in told[f"/config_params/{option}"]
        assert "continue from its LoRA instead: mdl_" in told[f"/config_params/{option}"]


def test_another_model_dataset_repeats_preset_or_number_of_gpus_is_refused(earlier: str) -> None:
    ready_model("xl", SD_XL), ready_model("other"), ready_dataset("others")
    others = {
        "/model": {"model": "other"},
        "/datasets/0/dataset": {"datasets": [{"dataset": "others"}]},
        "/datasets/0/repeats": {"datasets": [{"dataset": "tusiji", "repeats": 3}]},
        "/datasets": {"datasets": [{"dataset": "tusiji"}, {"dataset": "others"}]},
        "/instance_type": {"instance_type": "ml.g5.12xlarge"},
        "/preset": {"preset": "object"},
    }

    for where, change in others.items():
        assert where in faults(continue_from=earlier, **change), where


@pytest.mark.parametrize(("epochs", "valid"), [(2, False), (1, False), (3, True)])
def test_the_epochs_count_from_the_beginning(earlier: str, epochs: int, *, valid: bool) -> None:
    told = faults(continue_from=earlier, config_params={"max_train_epochs": epochs})

    assert list(told) == ([] if valid else ["/config_params/max_train_epochs"])
    if not valid:
        assert (
            "must be more than 2, which style has done" in told["/config_params/max_train_epochs"]
        )


def test_the_same_goal_again_is_refused_when_it_was_reached(earlier: str) -> None:
    told = faults(continue_from=earlier, config_params={})

    assert list(told) == ["/config_params/max_train_epochs"]


def test_steps_may_be_asked_for_in_place_of_epochs(earlier: str) -> None:
    params = {"max_train_steps": 100}

    made = TRAININGS.post("/trainings", request(continue_from=earlier, config_params=params)).body

    assert "max_train_epochs" not in made["config_params"]
    assert made["steps"]["total_steps"] == 100


def test_a_schedule_that_would_jump_is_told(sagemaker: FakeSageMaker) -> None:
    ready_model(), ready_dataset()
    params = PARAMS | {"lr_scheduler": "cosine"}
    made = TRAININGS.post(
        "/trainings", request(name="style", keep_state=True, config_params=params)
    ).body
    leave_state(made["id"], 1)
    end(sagemaker, made, "Stopped", "MaxRuntimeExceeded")

    def warned(epochs: int) -> bool:
        body = request(continue_from=made["id"], config_params={"max_train_epochs": epochs})
        warnings = TRAININGS.post("/trainings/validate", body).body["warnings"]
        return "/config_params/lr_scheduler" in {one["pointer"] for one in warnings}

    assert (warned(2), warned(5)) == (False, True)


def test_the_training_to_go_on_from_must_be_there_until_the_new_one_is_made(earlier: str) -> None:
    real = bucket.put

    def deleting(*args: object, **kwargs: object) -> None:
        real(*args, **kwargs)
        key = {"pk": {"S": "acme#training"}, "sk": {"S": earlier}}
        aws.dynamodb().delete_item(TableName="table", Key=key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bucket, "put", deleting)
        answer = TRAININGS.post("/trainings", request(continue_from=earlier))

    assert (answer.status, answer.body["code"]) == (409, "changed_meanwhile")


@pytest.mark.parametrize(
    ("spot", "asked", "kept"),
    [(True, None, True), (False, None, False), (False, True, True), (True, False, False)],
)
def test_state_is_kept_for_spot_and_where_it_is_asked_for(
    spot: bool, asked: bool | None, kept: bool
) -> None:
    ready_model(), ready_dataset()

    made = TRAININGS.post("/trainings", request(spot=spot, keep_state=asked)).body

    job = json.loads(bucket.read(f"acme/trainings/{made['id']}/input/job.json"))
    assert (made["keep_state"], job["keeps_state"]) == (kept, kept)


def made_with(sagemaker: FakeSageMaker, **changes: object) -> str:
    """A training that kept its state after an epoch and ran out of time."""
    ready_model(), ready_dataset()
    body = request(name="style", keep_state=True, config_params=PARAMS) | changes
    made = TRAININGS.post("/trainings", body).body
    leave_state(made["id"], 1)
    end(sagemaker, made, "Stopped", "MaxRuntimeExceeded")
    return made["id"]


def test_when_samples_are_drawn_is_taken_over_with_prompts_only(sagemaker: FakeSageMaker) -> None:
    earlier = made_with(sagemaker, sample_prompts=[{"prompt": "a rabbit"}])
    again = request(continue_from=earlier, sample_prompts=[{"prompt": "two rabbits"}])

    without = TRAININGS.post("/trainings/validate", request(continue_from=earlier)).body
    with_prompts = TRAININGS.post("/trainings/validate", again).body

    assert (without["errors"], without["warnings"]) == ([], [])
    assert "sample_every_n_epochs" not in without["config_params"]
    assert with_prompts["config_params"]["sample_every_n_epochs"] == 1


def test_options_of_a_dataset_that_differ_are_told_as_they_are_written(
    sagemaker: FakeSageMaker,
) -> None:
    own = {"dataset": "tusiji", "options": {"resolution": "768"}}
    other = {"dataset": "tusiji", "options": {"resolution": "640"}}
    plain = {"dataset": "tusiji", "options": {"flip_aug": True}}
    earlier = made_with(sagemaker, datasets=[own, plain])

    told = faults(continue_from=earlier, datasets=[plain, other])

    assert set(told) == {"/datasets/0/options", "/datasets/1/options"}
    assert '{"flip_aug": true}' in told["/datasets/0/options"]


def test_captions_that_would_be_others_are_told(sagemaker: FakeSageMaker) -> None:
    tagged = {"existing": "replace"}
    earlier = made_with(sagemaker, captioning=tagged)

    def warned(**changes: object) -> set[str]:
        body = request(continue_from=earlier, **changes)
        found = TRAININGS.post("/trainings/validate", body).body["warnings"]
        return {fault["pointer"] for fault in found}

    assert warned() == {"/captioning"}
    assert warned(captioning=tagged) == set()
