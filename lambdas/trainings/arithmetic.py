"""How many batches, steps and epochs a training has, equal to what sd-scripts computes.

Line numbers are those of the pinned commit; tests/kohya/test_arithmetic.py compares the two.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lambdas.trainings.buckets import BucketSettings, Resolution, chooser

STEPS_BY_DEFAULT = 1600
"""sd-scripts' own, where neither epochs nor steps are given."""


@dataclass(frozen=True)
class Sizes:
    """So many images of one size."""

    width: int
    height: int
    count: int


@dataclass(frozen=True)
class Subset:
    """A folder of images and how often each is seen in an epoch.

    A regularisation folder is trimmed or stretched to the number of the others, in the order of
    file names: its `sizes` must be in that order for the buckets to be exact.
    """

    sizes: tuple[Sizes, ...]
    repeats: int
    regularisation: bool = False


@dataclass(frozen=True)
class BucketedDataset:
    """What sd-scripts calls a dataset: subsets that share buckets and batches."""

    subsets: tuple[Subset, ...]
    settings: BucketSettings
    batch_size: int = 1


@dataclass(frozen=True)
class Bucket:
    """A bucket that has images; `samples` counts each as often as it is seen in an epoch."""

    resolution: Resolution
    images: int
    samples: int


@dataclass(frozen=True)
class Layout:
    """How a dataset lies in its buckets, in the order of width and height."""

    buckets: tuple[Bucket, ...]
    batches: int


@dataclass(frozen=True)
class Schedule:
    """The optimizer steps of a training; `batches` are those of all GPUs in one epoch."""

    batches: int
    steps_per_epoch: int
    epochs: int
    total_steps: int


def lay_out(dataset: BucketedDataset) -> Layout:
    """Put images into buckets and buckets into batches; no batch crosses buckets.

    Raises CannotBucket for what sd-scripts would stop on (train_util.py:987, :1079).
    """
    bucket_of = chooser(dataset.settings)
    images: Counter[Resolution] = Counter()
    samples: Counter[Resolution] = Counter()
    for sizes, repeats in _with_repeats(dataset.subsets):
        bucket = bucket_of((sizes.width, sizes.height))
        images[bucket] += sizes.count
        samples[bucket] += sizes.count * repeats
    return Layout(
        buckets=tuple(Bucket(one, images[one], samples[one]) for one in sorted(images)),
        batches=sum(_ceil(count, dataset.batch_size) for count in samples.values()),
    )


def schedule(
    batches: int,
    *,
    gpus: int = 1,
    accumulation: int = 1,
    max_train_epochs: int | None = None,
    max_train_steps: int = STEPS_BY_DEFAULT,
) -> Schedule:
    """Return the steps of a training whose datasets have so many batches; epochs rule over steps.

    sd-scripts reckons the total before accelerate deals the batches out to the GPUs
    (train_network.py:800) and the steps of an epoch after it (:978); the GPUs get equally many,
    the last filled up, so both round up the same fraction.
    """
    per_epoch = _ceil(batches, gpus * accumulation)
    total = max_train_steps if max_train_epochs is None else max_train_epochs * per_epoch
    return Schedule(batches, per_epoch, _ceil(total, per_epoch), total)


def _with_repeats(subsets: Sequence[Subset]) -> Iterable[tuple[Sizes, int]]:
    plain = [
        (sizes, one.repeats) for one in subsets if not one.regularisation for sizes in one.sizes
    ]
    extra = [(sizes, one.repeats) for one in subsets if one.regularisation for sizes in one.sizes]
    wanted = sum(sizes.count * repeats for sizes, repeats in plain)
    return [*plain, *_regularisation(extra, wanted)]


def _regularisation(extra: Sequence[tuple[Sizes, int]], wanted: int) -> Iterable[tuple[Sizes, int]]:
    """Yield the regularisation images that are used, one by one, with their repeats.

    Taken in order until there are as many as of the others; where all are too few, each in turn is
    repeated once more (train_util.py:2175).
    """
    used: list[tuple[Sizes, int]] = []
    seen = 0
    for sizes, repeats in extra:
        for _ in range(sizes.count):
            if seen >= wanted:
                break
            used.append((Sizes(sizes.width, sizes.height, 1), repeats))
            seen += repeats
    rounds, rest = divmod(max(wanted - seen, 0), len(used)) if used else (0, 0)
    for index, (sizes, repeats) in enumerate(used):
        yield sizes, repeats + rounds + (index < rest)


def _ceil(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
