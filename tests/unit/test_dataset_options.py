"""Datasets with options of their own: read, checked and put together as sd-scripts takes them."""

import json
from typing import Any

import pytest

from lambdas.core import bucket
from lambdas.trainings.options import dataset_options, options
from tests.unit.fakes import SD_XL, Answer
from tests.unit.scenes import TRAININGS, completed, ready_dataset, ready_model

pytestmark = pytest.mark.usefixtures("aws_calls")

TWO = [{"dataset": "tusiji"}, {"dataset": "rabbits"}]


@pytest.fixture
def scene() -> None:
    ready_model(), ready_dataset(), ready_dataset("rabbits", 4, "5_rabbit")


def body(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "style", "model": "base", "datasets": list(entries), **more}


def entry(dataset: str = "tusiji", *, regularisation: bool = False, **own: Any) -> dict[str, Any]:
    return {"dataset": dataset, "options": own, "regularisation": regularisation}


def check(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = TRAININGS.post("/trainings/validate", body(*entries, **more))
    assert answer.status == 200, answer
    return answer.body


def create(*entries: dict[str, Any], **more: Any) -> Answer:
    return TRAININGS.post("/trainings", body(*entries, **more))


def told(faults: list[dict[str, str]]) -> dict[str, str]:
    return {fault["pointer"]: fault["message"] for fault in faults}


def job_of(training: dict[str, Any]) -> dict[str, Any]:
    found = bucket.read(f"acme/trainings/{training['id']}/input/job.json")
    assert found
    return json.loads(found)


def test_the_options_of_datasets_are_those_of_sd_scripts_dataset_config() -> None:
    per = {name: option.per for name, option in dataset_options().items()}

    assert per["resolution"] == per["train_batch_size"] == per["enable_bucket"] == "dataset"
    assert per["flip_aug"] == per["caption_prefix"] == per["alpha_mask"] == "subset"
    assert "learning_rate" not in per
    assert "caption_extension" not in per  # the service's own
    assert options()["caption_extension"].per == "subset"


def test_every_fault_of_every_dataset_is_told_at_once(scene: None) -> None:
    first = entry(resolution="big", train_batch_sise=2, learning_rate=1e-4, output_dir="/tmp")
    second = entry("rabbits", flip_aug="yes", keep_tokens=999, is_reg=True, zzz=1)

    answer = create(first, second, config_params={"network_dim": 0})

    faults = told(answer.body["errors"])
    assert answer.status == 422
    assert set(faults) == {
        "/config_params/network_dim",
        "/datasets/0/options/resolution",
        "/datasets/0/options/train_batch_sise",
        "/datasets/0/options/learning_rate",
        "/datasets/0/options/output_dir",
        "/datasets/1/options/flip_aug",
        "/datasets/1/options/keep_tokens",
        "/datasets/1/options/is_reg",
        "/datasets/1/options/zzz",
    }
    assert "did you mean train_batch_size?" in faults["/datasets/0/options/train_batch_sise"]
    assert "set it in config_params" in faults["/datasets/0/options/learning_rate"]
    assert "set by the service" in faults["/datasets/0/options/output_dir"]
    assert "from 0 to 255" in faults["/datasets/1/options/keep_tokens"]
    assert "regularisation" in faults["/datasets/1/options/is_reg"]


@pytest.mark.parametrize(
    ("params", "own", "option"),
    [
        ({}, {"color_aug": True, "shuffle_caption": True}, None),
        ({"cache_latents": True}, {"color_aug": True}, "color_aug"),
        ({"cache_latents_to_disk": True}, {"random_crop": True}, "random_crop"),
        ({}, {"bucket_reso_steps": 32}, "bucket_reso_steps"),
        ({"max_bucket_reso": 1024}, {"resolution": "1536"}, "max_bucket_reso"),
        ({}, {"resolution": "1536", "max_bucket_reso": 1024}, "max_bucket_reso"),
        ({}, {"resolution": "1536"}, None),
        ({}, {"resolution": "192"}, None),
        ({}, {"min_bucket_reso": 768}, "min_bucket_reso"),
        ({}, {"face_crop_aug_range": "4,2"}, "face_crop_aug_range"),
        ({"cache_latents": True, "color_aug": True}, {"color_aug": False}, None),
    ],
)
def test_options_are_checked_with_those_of_the_training(
    scene: None, params: dict[str, Any], own: dict[str, Any], option: str | None
) -> None:
    answer = check(entry(**own), config_params=params)

    wanted = [f"/datasets/0/options/{option}"] if option else []
    assert list(told(answer["errors"])) == wanted


@pytest.mark.parametrize("name", ["shuffle_caption", "caption_dropout_rate"])
def test_captions_that_are_encoded_once_may_not_change_in_one_dataset(name: str) -> None:
    ready_model(shapes=SD_XL), ready_dataset()
    own = {name: True if name == "shuffle_caption" else 0.1}
    params = {"cache_text_encoder_outputs": True, "network_train_unet_only": True}

    refused = check(entry(**own), config_params=params)
    presets_own = check(entry(**own))

    assert list(told(refused["errors"])) == [f"/datasets/0/options/{name}"]
    assert presets_own["valid"], presets_own["errors"]
    assert "cache_text_encoder_outputs" not in presets_own["config_params"]


def test_the_step_of_sdxl_is_checked_in_each_dataset() -> None:
    ready_model(shapes=SD_XL), ready_dataset()

    assert check(entry(bucket_reso_steps=32))["valid"]
    fault = told(check(entry(bucket_reso_steps=48))["errors"])[
        "/datasets/0/options/bucket_reso_steps"
    ]
    assert "multiple of 32" in fault


def test_validating_corrects_what_can_only_mean_one_thing(scene: None) -> None:
    given = entry("rabbits", batch_size="2", resolution=[512, 768], flip_aug="true", keep_tokns=1)

    answer = check(TWO[0], given)

    corrections = {one["option"]: one for one in answer["corrections"]}
    assert answer["valid"], answer["errors"]
    assert {one["dataset"] for one in answer["corrections"]} == {1}
    assert set(corrections) == {"train_batch_size", "resolution", "flip_aug", "keep_tokens"}
    corrected = answer["datasets"][1]["options"]
    assert corrected == {
        "train_batch_size": 2,
        "resolution": "512,768",
        "flip_aug": True,
        "keep_tokens": 1,
    }
    assert create(TWO[0], given).status == 422
    assert create(TWO[0], entry("rabbits", **corrected)).status == 201


def test_datasets_that_are_alike_share_batches_and_others_have_their_own(scene: None) -> None:
    ready_dataset("hares", 2, "1_hare")
    params = {"train_batch_size": 4, "resolution": "512", "bucket_no_upscale": False}
    larger = entry("rabbits", resolution="768", train_batch_size=2)
    same = entry("hares", resolution=[512, 512], flip_aug=True)

    training = create(TWO[0], larger, same, config_params=params).body

    assert [one["groups"] for one in training["datasets"]] == [[0], [1], [0]]
    assert training["datasets"][1]["options"] == {"resolution": "768,768", "train_batch_size": 2}
    # 3 x 10 and 2 x 1 in fours, 4 x 5 in twos
    assert training["steps"]["steps_per_epoch"] == 8 + 10
    assert [one["group"] for one in training["steps"]["buckets"]] == [0, 1]
    assert training["steps"]["buckets"][1]["resolution"] == [768, 768]
    written = job_of(training)["datasets"]
    assert [(one["folder"], one["dataset_options"], one["options"]) for one in written] == [
        ("10_tusiji", {}, {}),
        ("1_hare", {}, {"flip_aug": True}),
        ("5_rabbit", {"resolution": "768,768", "train_batch_size": 2}, {}),
    ]
    assert [one["channel"] for one in written] == ["dataset_00", "dataset_02", "dataset_01"]


def test_a_record_keeps_what_each_dataset_had(scene: None) -> None:
    own = {"caption_dropout_rate": 1e-05, "caption_prefix": "", "resolution": "768,768"}
    made = create({**entry(**own), "caption_policy": "empty"}).body

    kept = TRAININGS.get(f"/trainings/{made['id']}").body

    assert kept["datasets"] == made["datasets"]
    assert kept["datasets"][0]["options"] == own
    assert kept["datasets"][0]["caption_policy"] == "empty"


def test_a_dataset_may_stand_at_several_resolutions_and_is_brought_once(
    scene: None, sagemaker: Any
) -> None:
    sizes = [entry(), entry(resolution="768"), entry(resolution="1024", train_batch_size=2)]

    training = create(*sizes).body

    (job,) = sagemaker.jobs.values()
    names = [channel["ChannelName"] for channel in job["InputDataConfig"]]
    assert names == ["config", "model", "dataset_00"]
    assert {one["channel"] for one in job_of(training)["datasets"]} == {"dataset_00"}
    assert training["steps"]["steps_per_epoch"] == 30 + 30 + 15
    again = create(entry(), entry(flip_aug=True), name="again")
    assert set(told(again.body["errors"])) == {"/datasets/0/dataset", "/datasets/1/dataset"}
    assert "another resolution" in again.body["errors"][0]["message"]


def test_a_dataset_in_several_is_not_cached_in_files_that_overwrite_each_other(
    scene: None,
) -> None:
    params = {"cache_latents": True, "cache_latents_to_disk": True}

    refused = check(entry(), entry(resolution="768"), config_params=params)

    assert list(told(refused["errors"])) == ["/config_params/cache_latents_to_disk"]
    assert "set cache_latents instead" in refused["errors"][0]["message"]
    assert check(entry(), entry("rabbits", resolution="768"), config_params=params)["valid"]


@pytest.mark.parametrize("everywhere", [True, False])
def test_words_before_captions_are_not_lost_to_a_preset_that_encodes_them_once(
    everywhere: bool,
) -> None:
    ready_model(shapes=SD_XL), ready_dataset()
    words = {"caption_prefix": "sks, "}

    answer = check(entry(**{} if everywhere else words), config_params=words if everywhere else {})

    assert answer["valid"]
    assert "cache_text_encoder_outputs" not in answer["config_params"]
    assert "cache_text_encoder_outputs" in check(entry())["config_params"]


def test_a_policy_may_be_another_than_the_datasets_but_not_ask_for_captions_that_lack(
    scene: None,
) -> None:
    from lambdas.datasets import handler
    from tests.unit.fakes import Client, png

    client = Client(handler.handler)
    wanted = {"name": "bare", "prefix": "2_x", "caption_policy": "subject"}
    files = [{"name": "a.png", "size": len(png(64, 64))}]
    made = client.post("/datasets", wanted | {"files": files}).body["dataset"]["id"]
    bucket.put(f"acme/datasets/{made}/2_x/a.png", png(64, 64))
    assert completed(made).body["status"] == "ready"

    asked = check({"dataset": "bare", "caption_policy": "required"})
    empty = create({"dataset": "bare", "caption_policy": "empty"}).body

    assert list(told(asked["errors"])) == ["/datasets/0/caption_policy"]
    assert "1 of 1 images" in asked["errors"][0]["message"]
    assert job_of(empty)["datasets"][0]["caption_policy"] == "empty"


def test_options_of_a_size_that_no_record_would_hold_are_refused(scene: None) -> None:
    faults = told(
        check(entry(caption_prefix="x" * 1999, caption_suffix="y" * 1999, zzz="z" * 99))["errors"]
    )

    assert list(faults) == ["/datasets/0/options"]


def test_the_options_that_datasets_may_have_are_told() -> None:
    offers = {
        one["option"]: one["per"] for one in TRAININGS.get("/training-options").body["options"]
    }

    assert offers["resolution"] == "dataset"
    assert offers["flip_aug"] == "subset"
    assert offers["learning_rate"] is None


def test_a_record_from_before_has_one_group_and_no_options() -> None:
    from lambdas.trainings.schema import DatasetUsed

    old = {"id": "ds_1", "name": "tusiji", "folder": "10_tusiji", "repeats": 10, "images": 3}

    read = DatasetUsed.model_validate(old | {"subject": "tusiji", "caption_policy": "required"})

    assert (read.regularisation, read.options, read.groups) == (False, {}, [0])
