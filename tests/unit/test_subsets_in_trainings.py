"""A training on a dataset of several subsets: each with its own repeats and subject."""

import json

import pytest

from lambdas.core import bucket
from lambdas.trainings.schema import MOST_DATASETS
from tests.unit.fakes import FakeSageMaker, png
from tests.unit.scenes import DATASETS, TRAININGS, ready_dataset, ready_model, work
from tests.unit.test_dataset_import import INBOX, imported
from tests.unit.test_dataset_options import check, create, entry, job_of, told
from tests.unit.test_going_on import PARAMS, leave_state
from tests.unit.test_proposals import HEADER, ended, line
from tests.unit.test_training_status import end, leave_lora

pytestmark = pytest.mark.usefixtures("aws_calls")


def pets(name: str = "pets", captions: bool = True, **folders: list[tuple[int, int]]) -> str:
    """Import folders of images of some sizes as one dataset; return its id."""
    for folder, sizes in (
        folders or {"2_cat": [(512, 512)] * 3, "1_dog": [(512, 768)] * 2}
    ).items():
        for index, size in enumerate(sizes):
            bucket.put(f"{INBOX}{name}/{folder}/{index}.png", png(*size))
            if captions:
                bucket.put(f"{INBOX}{name}/{folder}/{index}.txt", b"abc")
    answer = imported(f"s3://bucket/acme/inbox/{name}", name=name, caption_policy="subject")
    work()
    dataset_id: str = answer.body["dataset"]["id"]
    assert DATASETS.get(f"/datasets/{dataset_id}").body["status"] == "ready"
    return dataset_id


@pytest.fixture
def dataset_id() -> str:
    ready_model(), ready_dataset()
    return pets()


def test_every_subset_is_trained_with_its_own_repeats_and_subject(dataset_id: str) -> None:
    training = create(entry("pets", keep_tokens=1)).body

    told_of = ("id", "name", "folder", "subset", "repeats", "subject", "images", "groups")
    assert [tuple(one[name] for name in told_of) for one in training["datasets"]] == [
        (dataset_id, "pets", "1_dog", 0, 1, "dog", 2, [0]),
        (dataset_id, "pets", "2_cat", 1, 2, "cat", 3, [0]),
    ]
    written = job_of(training)["datasets"]
    assert [
        (one["channel"], one["folder"], one["subset"], one["repeats"], one["subject"])
        for one in written
    ] == [("dataset_00", "1_dog", 0, 1, "dog"), ("dataset_00", "2_cat", 1, 2, "cat")]
    assert [one["options"] for one in written] == [{"keep_tokens": 1}] * 2


def test_the_work_is_that_of_all_subsets_together(dataset_id: str) -> None:
    steps = check(entry("pets"), config_params={"train_batch_size": 4})["steps"]

    assert (steps["images"], steps["samples_per_epoch"]) == (5, 3 * 2 + 2 * 1)
    assert steps["steps_per_epoch"] == 2 + 1  # six of one bucket, two of another
    assert steps["assumption"] is None
    assert {tuple(one["resolution"]): one["samples"] for one in steps["buckets"]} == {
        (512, 512): 6,
        (384, 576): 2,
    }


def test_repeats_of_a_request_are_refused_where_each_subset_has_its_own(dataset_id: str) -> None:
    answer = create(entry("pets") | {"repeats": 5})

    assert (answer.status, answer.pointers) == (422, ["/datasets/0/repeats"])
    message = answer.body["errors"][0]["message"]
    assert "(1_dog, 2_cat), which have their own: leave it out" in message


def test_faults_name_the_entry_of_the_request_once(dataset_id: str) -> None:
    answer = check(
        entry("pets"),
        entry("nothing"),
        entry(resolution="64", min_bucket_reso=1024),
        entry("pets", resolution="512", keep_tokens=1),
    )

    found = [fault["pointer"] for fault in answer["errors"]]
    assert sorted(found) == sorted(set(found))
    assert set(found) == {
        "/datasets/0/dataset",
        "/datasets/1/dataset",
        "/datasets/2/options/min_bucket_reso",
        "/datasets/3/dataset",
    }
    twice = told(answer["errors"])["/datasets/0/dataset"]
    assert twice == "pets stands twice: give one of them another resolution in options"


def test_an_image_that_falls_into_no_bucket_is_told_at_its_dataset() -> None:
    ready_model(), ready_dataset()
    pets("mixed", **{"1_wide": [(512, 512), (1100, 64)], "2_thin": [(63, 512), (512, 512)]})

    answer = check(entry(), entry("mixed"))

    assert [one["pointer"] for one in answer["errors"]] == ["/datasets/1/dataset"]
    assert "63x512" in answer["errors"][0]["message"]


def test_a_larger_copy_of_all_subsets_is_a_group_of_its_own(dataset_id: str) -> None:
    answer = create(entry("pets"), entry("pets", resolution="768"))

    assert [(one["folder"], one["groups"]) for one in answer.body["datasets"]] == [
        ("1_dog", [0]),
        ("2_cat", [0]),
        ("1_dog", [1]),
        ("2_cat", [1]),
    ]
    written = job_of(answer.body)["datasets"]
    assert {one["channel"] for one in written} == {"dataset_00"}
    cached = check(
        entry("pets"),
        entry("pets", resolution="768"),
        config_params={"cache_latents": True, "cache_latents_to_disk": True},
    )
    assert list(told(cached["errors"])) == ["/config_params/cache_latents_to_disk"]


def test_caches_on_disk_do_for_subsets_of_one_group(dataset_id: str) -> None:
    answer = check(
        entry("pets"), config_params={"cache_latents": True, "cache_latents_to_disk": True}
    )

    assert answer["errors"] == []


def test_all_subsets_of_a_set_regularise_as_many_as_are_learnt(dataset_id: str) -> None:
    answer = check(entry(), entry("pets", regularisation=True))

    assert answer["errors"] == []
    assert [one["groups"] for one in answer["datasets"]] == [[0], [0], [0]]
    assert answer["steps"]["samples_per_epoch"] == 30
    assert answer["steps"]["regularisation_samples"] == 30
    assert answer["warnings"] == []


def test_regularisation_that_is_never_seen_is_told_of_all_its_subsets_together() -> None:
    ready_model(), ready_dataset(images=1)
    square = [(512, 512)]
    pets("class", **{"2_cat": square * 4, "3_dog": square * 3})

    answer = check(entry(), entry("class", regularisation=True))

    message = told(answer["warnings"])["/datasets/1/dataset"]
    assert "4 images, 2 times each and 3 images, 3 times each, are more than the 10" in message


def test_options_that_regularise_nothing_are_told_once(dataset_id: str) -> None:
    answer = check(entry(), entry("pets", regularisation=True, resolution="768"))

    assert [one["pointer"] for one in answer["errors"]] == ["/datasets/1/options"]


def test_a_subset_whose_images_are_gone_is_passed_over(dataset_id: str) -> None:
    key = f"{INBOX}some/"
    bucket.put(f"{key}1_a/1.png", png(512, 512))
    bucket.put(f"{key}2_b/1.png", png(512, 512))
    made = imported("s3://bucket/acme/inbox/some", name="some", caption_policy="subject").body[
        "dataset"
    ]
    bucket.delete(f"{key}1_a/1.png")  # after it was listed
    work()
    DATASETS.post(f"/datasets/{made['id']}/uploads", {"remove": ["1_a/1.png"]})
    DATASETS.post(f"/datasets/{made['id']}/complete")
    work()

    answer = check(entry("some"))

    assert answer["errors"] == []
    assert [(one["folder"], one["subset"]) for one in answer["datasets"]] == [("2_b", 1)]
    assert answer["steps"]["samples_per_epoch"] == 2


def test_as_many_datasets_of_subsets_as_may_be_are_one_training(dataset_id: str) -> None:
    """Each of sixteen entries brings all folders of its dataset to the job."""
    rest = [entry("pets", resolution=str(576 + 64 * one)) for one in range(MOST_DATASETS - 1)]

    answer = create(entry("pets"), *rest)

    assert answer.status == 201, answer
    assert len(job_of(answer.body)["datasets"]) == 2 * MOST_DATASETS


def test_a_training_goes_on_from_a_state_of_the_same_subsets(sagemaker: FakeSageMaker) -> None:
    ready_model(), ready_dataset()
    square = [(512, 512)] * 10
    pets(**{"2_cat": square, "1_dog": square}), pets("others", **{"2_a": square, "1_b": square})
    earlier = create(entry("pets"), keep_state=True, config_params=PARAMS).body
    leave_state(earlier["id"], 1), leave_lora(earlier)
    end(sagemaker, earlier, "Completed", "Completed")

    def faults(dataset: str) -> dict[str, str]:
        params = {"max_train_epochs": 5}
        more = {"name": "longer", "continue_from": earlier["id"], "config_params": params}
        return told(check(entry(dataset), **more)["errors"])

    assert faults("pets") == {}
    assert list(faults("others")) == ["/datasets/0/dataset"]
    assert faults("tusiji")["/datasets"].startswith("must be pets, in this order")


def test_proposals_for_equal_names_go_to_the_subset_of_each(
    dataset_id: str, sagemaker: FakeSageMaker
) -> None:
    captioning = {"existing": "replace"}
    training = create(entry("pets"), captioning=captioning).body
    folder = f"acme/trainings/{training['id']}/checkpoints/captions/{dataset_id}"
    header = HEADER | {"dataset_id": dataset_id}
    for number, name in enumerate(("1_dog", "2_cat")):
        lines = [header, line(0, f"a {name}", file_name=f"{name}/0.png")]
        body = "\n".join(map(json.dumps, lines)) + "\n"
        bucket.put(f"{folder}/captions-{number:02d}.jsonl", body.encode())

    path = f"/trainings/{training['id']}/captions"
    listed = TRAININGS.get(path, limit="1").body
    second = TRAININGS.get(path, limit="1", cursor=listed["next_cursor"]).body
    ended(training, sagemaker)

    names = [one["file_name"] for page in (listed, second) for one in page["data"]]
    assert names == ["1_dog/0.png", "2_cat/0.png"]
    found = DATASETS.get(f"/datasets/{dataset_id}/proposals").body["data"]
    assert [(one["name"], one["text"]) for one in found] == [
        ("1_dog/0.png", "a 1_dog"),
        ("2_cat/0.png", "a 2_cat"),
    ]
