"""How many batches, steps and epochs a training has, equal to what sd-scripts computes.

Line numbers are those of the pinned commit; tests/kohya/test_arithmetic.py compares the two.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

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
    """How a dataset lies in its buckets, in the order of width and height.

    Its samples are those of the buckets; so many of them are of regularisation folders.
    """

    buckets: tuple[Bucket, ...]
    batches: int
    regularisation_samples: int = 0


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
    extra = [one for folder in _regularisation(dataset.subsets) for one in folder if one[1]]
    for sizes, repeats in [*_plain(dataset.subsets), *extra]:
        bucket = bucket_of((sizes.width, sizes.height))
        images[bucket] += sizes.count
        samples[bucket] += sizes.count * repeats
    return Layout(
        buckets=tuple(Bucket(one, images[one], samples[one]) for one in sorted(images)),
        batches=sum(_ceil(count, dataset.batch_size) for count in samples.values()),
        regularisation_samples=sum(sizes.count * repeats for sizes, repeats in extra),
    )


def depends_on_order(dataset: BucketedDataset) -> bool:
    """Say whether the buckets depend on the order of file names in a regularisation folder.

    They do where some images of a folder are seen more often than others and not all share one
    bucket.
    """
    bucket_of = chooser(dataset.settings)
    return any(
        len({repeats for _, repeats in folder}) > 1
        and len({bucket_of((sizes.width, sizes.height)) for sizes, _ in folder}) > 1
        for folder in _regularisation(dataset.subsets)
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


def _plain(subsets: Sequence[Subset]) -> list[tuple[Sizes, int]]:
    return [
        (sizes, one.repeats) for one in subsets if not one.regularisation for sizes in one.sizes
    ]


def _regularisation(subsets: Sequence[Subset]) -> list[list[tuple[Sizes, int]]]:
    """Return the images of each regularisation folder, one by one, and how often they are seen.

    Taken in order until there are as many as of the others, the rest never; where all are too few,
    each in turn is repeated once more (train_util.py:2175).
    """
    wanted = sum(sizes.count * repeats for sizes, repeats in _plain(subsets))
    folders = [one for one in subsets if one.regularisation]
    seen = used = 0
    taken: list[list[int]] = []
    for folder in folders:
        taken.append([])
        for _ in range(sum(sizes.count for sizes in folder.sizes)):
            repeats = folder.repeats if seen < wanted else 0
            taken[-1].append(repeats)
            seen, used = seen + repeats, used + (repeats > 0)
    rounds, rest = divmod(max(wanted - seen, 0), used) if used else (0, 0)
    more = chain(repeat(rounds + 1, rest), repeat(rounds))
    return [
        [
            (Sizes(sizes.width, sizes.height, 1), repeats + next(more) if repeats else 0)
            for sizes, repeats in zip(_one_by_one(folder), repeats_of, strict=True)
        ]
        for folder, repeats_of in zip(folders, taken, strict=True)
    ]


def _one_by_one(folder: Subset) -> Iterable[Sizes]:
    return (sizes for sizes in folder.sizes for _ in range(sizes.count))


def _ceil(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
