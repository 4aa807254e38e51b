"""Buckets and steps by hand; tests/kohya/test_arithmetic.py holds them against sd-scripts."""

import math
import time

import pytest

from lambdas.trainings.arithmetic import (
    BucketedDataset,
    Sizes,
    Subset,
    lay_out,
    schedule,
)
from lambdas.trainings.buckets import BucketSettings, CannotBucket, chooser

SQUARE = BucketSettings(resolution=(512, 512), enable_bucket=True)
NO_UPSCALE = BucketSettings(resolution=(512, 512), enable_bucket=True, bucket_no_upscale=True)


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        ((512, 512), (512, 512)),
        ((2000, 2000), (512, 512)),
        ((768, 512), (640, 384)),
        ((10, 1000), (256, 1024)),
        ((1, 1), (512, 512)),
    ],
)
def test_an_image_goes_to_the_bucket_of_the_nearest_shape(
    size: tuple[int, int], bucket: tuple[int, int]
) -> None:
    assert chooser(SQUARE)(size) == bucket


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        ((512, 512), (512, 512)),
        ((200, 130), (192, 128)),
        ((511, 512), (448, 512)),
        ((2000, 2000), (512, 512)),
    ],
)
def test_without_upscaling_the_bucket_is_cut_from_the_image(
    size: tuple[int, int], bucket: tuple[int, int]
) -> None:
    assert chooser(NO_UPSCALE)(size) == bucket


def test_without_buckets_everything_has_the_resolution() -> None:
    choose = chooser(BucketSettings(resolution=(640, 448), min_bucket_reso=9999))

    assert {choose(size) for size in [(1, 1), (9000, 10)]} == {(640, 448)}


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"min_bucket_reso": 576}, "min_bucket_reso"),
        ({"max_bucket_reso": 448, "min_bucket_reso": 64}, "max_bucket_reso"),
        ({"min_bucket_reso": 32}, "min_bucket_reso"),
        ({"bucket_reso_steps": 32}, "bucket_reso_steps"),
        ({"bucket_reso_steps": 0}, "bucket_reso_steps"),
    ],
)
def test_settings_that_sd_scripts_stops_on_are_refused_by_name(changes: dict, option: str) -> None:
    with pytest.raises(CannotBucket) as refused:
        chooser(BucketSettings(resolution=(512, 512), enable_bucket=True, **changes))

    assert refused.value.option == option


@pytest.mark.parametrize("size", [(63, 512), (512, 63), (10, 60_000), (0, 5)])
def test_an_image_without_a_bucket_is_named_by_its_size(size: tuple[int, int]) -> None:
    with pytest.raises(CannotBucket, match=f"{size[0]}x{size[1]}") as refused:
        chooser(NO_UPSCALE)(size)

    assert refused.value.option is None


def test_no_batch_crosses_buckets_and_folders_share_them() -> None:
    one = Subset((Sizes(512, 512, 3), Sizes(768, 512, 1)), repeats=1)
    other = Subset((Sizes(1024, 1024, 1),), repeats=2)

    layout = lay_out(BucketedDataset((one, other), SQUARE, batch_size=4))

    found = [(bucket.resolution, bucket.images, bucket.samples) for bucket in layout.buckets]
    assert found == [((512, 512), 4, 5), ((640, 384), 1, 1)]
    assert layout.batches == 3


@pytest.mark.parametrize(
    ("extra", "repeats", "samples"), [(1, 1, 20), (3, 1, 20), (15, 2, 20), (7, 3, 21)]
)
def test_regularisation_images_are_trimmed_or_stretched_to_the_others(
    extra: int, repeats: int, samples: int
) -> None:
    plain = Subset((Sizes(512, 512, 10),), repeats=2)
    more = Subset((Sizes(768, 512, extra),), repeats=repeats, regularisation=True)

    layout = lay_out(BucketedDataset((plain, more), SQUARE))

    assert [bucket.samples for bucket in layout.buckets] == [20, samples]


def test_steps_are_those_of_the_floats_that_sd_scripts_divides() -> None:
    for batches in [*range(1, 200), 9_999, 100_000_007]:
        for gpus in (1, 4, 8):
            for accumulation in (1, 2, 3, 7, 49):
                steps = schedule(batches, gpus=gpus, accumulation=accumulation, max_train_epochs=3)
                assert steps.total_steps == 3 * math.ceil(batches / gpus / accumulation)
                per_gpu = math.ceil(batches / gpus)
                assert steps.steps_per_epoch == math.ceil(per_gpu / accumulation)


def test_epochs_rule_over_steps_and_a_last_epoch_may_be_cut() -> None:
    assert schedule(10, max_train_epochs=2, max_train_steps=5).total_steps == 20
    assert schedule(10, max_train_steps=25).epochs == 3


def test_the_largest_settings_and_many_sizes_are_reckoned_soon() -> None:
    largest = BucketSettings((9999, 9999), True, 32, 2**40, 32, step_of_family=32)
    many = Subset(tuple(Sizes(100 + index, 2000 - index, 1) for index in range(1000)), repeats=1)
    began = time.process_time()

    assert lay_out(BucketedDataset((many,), largest)).batches == 1000
    assert time.process_time() - began < 5
