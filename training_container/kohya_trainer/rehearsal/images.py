"""The dataset of a rehearsal: images and captions as small vectors, read one by one."""

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kohya_trainer.inputs import image_paths
from kohya_trainer.rehearsal.formats import STARTS, UnidentifiedImageError
from kohya_trainer.rehearsal.options import Dataset, Subset

Vector = NDArray[np.float32]

FEATURES = 64
_READ = 65536


@dataclass(frozen=True)
class Image:
    """An image of a subset and its caption."""

    path: Path
    caption: str
    subset: Subset


@dataclass(frozen=True)
class Group:
    """The images of a dataset, by number, each as often as an epoch sees it."""

    images: tuple[Image, ...]
    order: NDArray[np.int_]
    batch_size: int


class Images:
    """All images, in the groups that share batches; vectors are made on first use."""

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self.groups: list[Group] = []
        self.images: list[Image] = []
        for dataset in datasets:
            images = tuple(image for subset in dataset.subsets for image in _images(subset))
            numbers = np.arange(len(images)) + len(self.images)
            order = np.repeat(numbers, repeats(images))
            self.groups.append(Group(images, order, dataset.batch_size))
            self.images.extend(images)
        self._vectors: dict[int, tuple[Vector, Vector]] = {}

    @property
    def batches(self) -> int:
        """How many batches an epoch has."""
        return sum(-(-len(group.order) // group.batch_size) for group in self.groups)

    @property
    def train_images(self) -> int:
        """Images times repeats, without those of regularisation."""
        return sum(one.subset.num_repeats for one in self.images if not one.subset.is_reg)

    @property
    def reg_images(self) -> int:
        """Regularisation images times repeats, used or not, as sd-scripts tells it."""
        return sum(one.subset.num_repeats for one in self.images if one.subset.is_reg)

    def vectors(self, index: int) -> tuple[Vector, Vector]:
        """The image's and the caption's features, FEATURES numbers each of about unit size."""
        if index not in self._vectors:
            image = self.images[index]
            self._vectors[index] = (image_vector(image.path), caption_vector(image.caption))
        return self._vectors[index]

    def tag_frequency(self) -> dict[str, dict[str, int]]:
        """How often each comma-separated tag occurs, by folder, as sd-scripts counts it."""
        counted: dict[str, dict[str, int]] = {}
        for group in self.groups:  # a folder that is in several is counted once
            counted = _tags(group) | counted
        return counted

    def folders(self) -> dict[str, dict[str, int]]:
        """Repeats and images of each folder that is learnt; one that is in several has a number."""
        found: dict[str, dict[str, int]] = {}
        for group in self.groups:
            for subset, count in Counter(image.subset for image in group.images).items():
                name, number = subset.image_dir.name, 2
                while name in found:
                    name, number = f"{subset.image_dir.name} ({number})", number + 1
                if not subset.is_reg:
                    found[name] = {"n_repeats": subset.num_repeats, "img_count": count}
        return found


def repeats(images: Sequence[Image]) -> list[int]:
    """How often an epoch sees each image of a dataset.

    Regularisation images are taken until there are as many as of the others; where all are too few,
    each in turn is repeated once more (library/train_util.py:2175).
    """
    found = [0 if one.subset.is_reg else one.subset.num_repeats for one in images]
    wanted, seen = sum(found), 0
    extra = [index for index, one in enumerate(images) if one.subset.is_reg]
    for index in extra:
        if seen < wanted:
            found[index] = images[index].subset.num_repeats
            seen += found[index]
    for index in islice(cycle(extra), max(wanted - seen, 0)):
        found[index] += 1
    return found


def _tags(group: Group) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = {}
    for image in group.images:
        tags = (tag.strip().lower() for tag in image.caption.split(","))
        folder = counted.setdefault(image.subset.image_dir.name, Counter())
        folder.update(tag for tag in tags if tag)
    return {folder: dict(tags) for folder, tags in counted.items()}


def image_vector(path: Path) -> Vector:
    """Means of equal stretches of the file's first bytes, standardised; the last entry is 1."""
    with path.open("rb") as file:
        data = file.read(_READ)
    if not data.startswith(STARTS):
        raise UnidentifiedImageError(f"cannot identify image file {path.name!r}")
    stretches = FEATURES - 1
    length = max(len(data) // stretches, 1) * stretches
    means = np.resize(np.frombuffer(data, np.uint8), length).reshape(stretches, -1).mean(axis=1)
    standard = (means - means.mean()) / (means.std() + 1e-6)
    return np.append(standard, 1.0).astype(np.float32)


def caption_vector(caption: str) -> Vector:
    """A sum of pseudo-random vectors, one for each word: captions that share words are near."""
    words = caption.lower().replace(",", " ").split() or ["(no caption)"]
    seeds = (zlib.crc32(word.encode("utf-8", "replace")) for word in words)
    total = sum(np.random.default_rng(seed).standard_normal(FEATURES) for seed in seeds)
    return np.asarray(total / np.sqrt(len(words)), np.float32)


def _images(subset: Subset) -> Iterator[Image]:
    for path in sorted(image_paths(subset.image_dir)):
        yield Image(path, _caption(path, subset), subset)


def _caption(path: Path, subset: Subset) -> str:
    try:
        text = path.with_suffix(subset.caption_extension).read_text(encoding="utf-8")
    except FileNotFoundError:
        return subset.class_tokens
    return (text.splitlines() or [""])[0].strip()
