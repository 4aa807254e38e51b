"""The dataset of a rehearsal: images and captions as small vectors, read one by one."""

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kohya_trainer.inputs import image_paths
from kohya_trainer.rehearsal.options import Subset

Vector = NDArray[np.float32]

FEATURES = 64
_READ = 65536
STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"BM")


class UnidentifiedImageError(OSError):
    """What Pillow, and so sd-scripts, says to a file that is no image."""


@dataclass(frozen=True)
class Image:
    """An image of a subset and its caption."""

    path: Path
    caption: str
    subset: Subset


class Images:
    """All images, each as often as its subset is repeated; vectors are made on first use."""

    def __init__(self, subsets: Sequence[Subset]) -> None:
        self.images = [image for subset in subsets for image in _images(subset)]
        repeats = [image.subset.num_repeats for image in self.images]
        self.order = np.repeat(np.arange(len(self.images)), repeats)
        self._vectors: dict[int, tuple[Vector, Vector]] = {}

    def vectors(self, index: int) -> tuple[Vector, Vector]:
        """The image's and the caption's features, FEATURES numbers each of about unit size."""
        if index not in self._vectors:
            image = self.images[index]
            self._vectors[index] = (image_vector(image.path), caption_vector(image.caption))
        return self._vectors[index]

    def tag_frequency(self) -> dict[str, dict[str, int]]:
        """How often each comma-separated tag occurs, by folder, as sd-scripts counts it."""
        counted: dict[str, Counter[str]] = {}
        for image in self.images:
            tags = (tag.strip().lower() for tag in image.caption.split(","))
            folder = counted.setdefault(image.subset.image_dir.name, Counter())
            folder.update(tag for tag in tags if tag)
        return {folder: dict(tags) for folder, tags in counted.items()}

    def folders(self) -> dict[str, dict[str, int]]:
        """Repeats and images of each folder."""
        counts = Counter(image.subset for image in self.images)
        return {
            subset.image_dir.name: {"n_repeats": subset.num_repeats, "img_count": count}
            for subset, count in counts.items()
        }


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
