"""Regularisation sets: what they regularise, how much of them is seen, what is refused."""

import pytest

from lambdas.asset_worker import reporting
from lambdas.trainings.arithmetic import BucketedDataset, Sizes, Subset, depends_on_order, lay_out
from lambdas.trainings.buckets import BucketSettings
from tests.unit.scenes import ready_dataset, ready_model
from tests.unit.test_dataset_options import check, create, entry, job_of, told

pytestmark = pytest.mark.usefixtures("aws_calls")

SQUARE = BucketSettings(resolution=(512, 512), enable_bucket=True)


@pytest.fixture
def scene() -> None:
    """Subjects of 3 x 10 and 4 x 5 samples, a class of 7 x 2."""
    ready_model(), ready_dataset(), ready_dataset("rabbits", 4, "5_rabbit")
    ready_dataset("class", 7, "2_animal")


def regularising(**own: object) -> dict:
    return entry("class", regularisation=True, **own)


def test_as_many_are_seen_as_of_what_they_regularise(scene: None) -> None:
    steps = check(entry(), regularising())["steps"]

    assert steps["samples_per_epoch"] == 30
    assert steps["regularisation_samples"] == 30
    assert steps["images"] == 3
    assert steps["steps_per_epoch"] == 60
    assert steps["assumption"] is None


def test_without_options_a_set_regularises_every_dataset(scene: None) -> None:
    larger = entry("rabbits", resolution="768", train_batch_size=4)

    training = create(entry(), larger, regularising()).body

    assert [one["groups"] for one in training["datasets"]] == [[0], [1], [0, 1]]
    assert training["steps"]["regularisation_samples"] == 30 + 20
    assert training["steps"]["steps_per_epoch"] == 60 + 10
    written = job_of(training)["datasets"]
    assert [(one["folder"], one["regularisation"]) for one in written] == [
        ("10_tusiji", False),
        ("2_animal", True),
        ("5_rabbit", False),
        ("2_animal", True),
    ]
    assert written[3]["dataset_options"] == written[2]["dataset_options"]
    assert {one["channel"] for one in written if one["regularisation"]} == {"dataset_02"}


def test_with_options_it_regularises_those_that_have_them(scene: None) -> None:
    larger = entry("rabbits", resolution="768", train_batch_size=4)

    training = create(entry(), larger, regularising(resolution=[768, 768], flip_aug=True)).body

    assert [one["groups"] for one in training["datasets"]] == [[0], [1], [1]]
    assert job_of(training)["datasets"][2]["options"] == {"flip_aug": True}


def test_a_set_that_would_regularise_nothing_is_refused(scene: None) -> None:
    cached = {"cache_latents": True}
    answer = check(entry(color_aug=True), regularising(resolution="768"), config_params=cached)

    faults = told(answer["errors"])
    assert list(faults) == ["/datasets/0/options/color_aug", "/datasets/1/options"]
    assert "768,768" in faults["/datasets/1/options"]


def test_regularisation_sets_alone_are_refused_beside_all_else(scene: None) -> None:
    answer = create(regularising(flip_aug=1), config_params={"network_dim": 0})

    assert set(answer.pointers) == {
        "/config_params/network_dim",
        "/datasets/0/options/flip_aug",
        "/datasets",
    }


def test_one_dataset_is_not_learnt_and_held_against_itself(scene: None) -> None:
    answer = check(entry("class"), regularising())

    assert list(told(answer["errors"])) == ["/datasets/0/dataset", "/datasets/1/dataset"]


def test_words_of_the_subject_put_to_the_class_are_a_warning(scene: None) -> None:
    prefixed = {"caption_prefix": "sks rabbit, "}

    warned = check(entry(), regularising(), config_params=prefixed)
    mended = check(entry(), regularising(caption_prefix=""), config_params=prefixed)

    assert "/datasets/1/options/caption_prefix" in told(warned["warnings"])
    assert "/datasets/1/options/caption_prefix" not in told(mended["warnings"])


def test_images_that_are_never_seen_are_a_warning(scene: None) -> None:
    few = entry("rabbits") | {"repeats": 1}

    faults = told(check(few, regularising())["warnings"])

    assert "more than the 4" in faults["/datasets/1/repeats"]


def test_a_weight_of_what_is_not_there_is_a_warning(scene: None) -> None:
    weight = {"prior_loss_weight": 0.5}

    assert "/config_params/prior_loss_weight" in told(
        check(entry(), config_params=weight)["warnings"]
    )
    regularised = check(entry(), regularising(), config_params=weight)
    assert "/config_params/prior_loss_weight" not in told(regularised["warnings"])


def test_without_sizes_the_samples_are_still_reckoned(
    scene: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "SIZES_IN_RECORD", 0)
    ready_dataset("many", 50, "1_many")

    steps = check(entry("many"), entry(resolution="768"), regularising())["steps"]

    assert (steps["samples_per_epoch"], steps["regularisation_samples"]) == (80, 80)
    assert steps["buckets"] == []
    assert "one bucket" in steps["assumption"]


@pytest.mark.parametrize(
    ("images", "other", "matters"),
    [
        (4, (512, 512), False),  # 12 samples, three of each
        (5, (512, 512), False),  # some more often, all in one bucket
        (5, (768, 512), True),
        (4, (768, 512), False),
        (30, (768, 512), True),  # some never
    ],
)
def test_the_order_of_names_matters_where_images_of_several_buckets_are_seen_unequally(
    images: int, other: tuple[int, int], matters: bool
) -> None:
    plain = Subset((Sizes(512, 512, 12),), repeats=1)
    extra = Subset((Sizes(512, 512, images - 1), Sizes(*other, 1)), 1, regularisation=True)
    dataset = BucketedDataset((plain, extra), SQUARE)

    assert depends_on_order(dataset) is matters
    assert lay_out(dataset).regularisation_samples == 12


def test_what_depends_on_the_order_of_names_is_said(scene: None) -> None:
    from tests.unit.fakes import png
    from tests.unit.test_dataset_sizes import completed

    completed({"a.png": png(512, 512), "b.png": png(768, 512), "c.png": png(512, 768)}, "mixed")

    mixed = entry("mixed", regularisation=True)
    uneven = check(entry("rabbits"), mixed)["steps"]
    even = check(entry(), mixed)["steps"]

    assert "order of their names" in uneven["assumption"]
    assert even["assumption"] is None
