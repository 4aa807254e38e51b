"""Which images of a dataset are the same, or look the same."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from lambdas.asset_worker import findings
from lambdas.asset_worker.fingerprint import BITS_APART, hash_of, look_alike
from lambdas.datasets.images import Image
from lambdas.datasets.report_schema import Finding

_SHAPES_APART = 0.02
_MOST_NAMED = 10
_MOST_COMPARED = 100


class _Print(NamedTuple):
    """A fingerprint's hash, how many of its bits are set, and its image's position."""

    ones: int
    bits: int
    position: int


def find(images: Sequence[Image]) -> Iterator[Finding]:
    """Yield a finding for each image that repeats one before it."""
    by_content: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        if image.sha256:
            by_content[image.sha256].append(image)
    for first, *repeats in by_content.values():
        for repeat in repeats:
            yield findings.duplicate(repeat.name, [first.name])
    yield from _near([same[0] for same in by_content.values()])


def _near(images: Sequence[Image]) -> Iterator[Finding]:
    """Yield a finding for each image that looks like some before it; no two have one content."""
    alike: dict[int, list[int]] = defaultdict(list)
    compared: Counter[int] = Counter()
    for one, other in _pairs(_prints(images)):
        first, later = sorted((one, other))
        compared[later] += 1
        # Of a film's 10,000 frames each is near thousands.
        if compared[later] > _MOST_COMPARED or len(alike[later]) == _MOST_NAMED:
            continue
        if _alike(images[first], images[later]):
            alike[later].append(first)
    for position in sorted(alike):
        others = [images[other].name for other in sorted(alike[position])]
        if others:
            yield findings.near_duplicate(images[position].name, others)


def _prints(images: Sequence[Image]) -> list[_Print]:
    """Return the hashes in the order of their set bits."""
    numbers = [
        (hash_of(image.fingerprint), position)
        for position, image in enumerate(images)
        if image.fingerprint
    ]
    return sorted(_Print(bits.bit_count(), bits, position) for bits, position in numbers)


def _pairs(prints: Sequence[_Print]) -> Iterator[tuple[int, int]]:
    """Yield the positions of each two whose hashes are near; 10,000 images take seconds.

    Alike ones differ little in how many bits are set, so most are never compared.
    """
    for index, (ones, bits, position) in enumerate(prints):
        for other in islice(prints, index + 1, None):
            if other.ones - ones > BITS_APART:
                break
            if (bits ^ other.bits).bit_count() <= BITS_APART:
                yield position, other.position


def _alike(one: Image, other: Image) -> bool:
    if not (one.width and one.height and other.width and other.height):
        return False
    same_shape = abs(one.width / one.height / (other.width / other.height) - 1) <= _SHAPES_APART
    return same_shape and look_alike(one.fingerprint or "", other.fingerprint or "")
