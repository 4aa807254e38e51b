"""Which images of a dataset are the same, or look the same."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from lambdas.asset_worker import findings
from lambdas.asset_worker.fingerprint import BITS_APART
from lambdas.datasets.images import Image
from lambdas.datasets.report_schema import Finding

_SHAPES_APART = 0.02
_MOST_NAMED = 10


class _Print(NamedTuple):
    """A fingerprint as a number, how many of its bits are set, and its image's position."""

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
    for one, other in _pairs(_prints(images)):
        if _same_shape(images[one], images[other]):
            alike[max(one, other)].append(min(one, other))
    for position in sorted(alike):
        others = [images[other].name for other in sorted(alike[position])]
        yield findings.near_duplicate(images[position].name, others[:_MOST_NAMED])


def _prints(images: Sequence[Image]) -> list[_Print]:
    """Return the fingerprints in the order of their set bits."""
    numbers = [
        (int(image.fingerprint, 16), position)
        for position, image in enumerate(images)
        if image.fingerprint
    ]
    return sorted(_Print(bits.bit_count(), bits, position) for bits, position in numbers)


def _pairs(prints: Sequence[_Print]) -> Iterator[tuple[int, int]]:
    """Yield the positions of each two that look alike; 10,000 images take seconds.

    Alike ones differ little in how many bits are set, so most are never compared.
    """
    for index, (ones, bits, position) in enumerate(prints):
        for other in islice(prints, index + 1, None):
            if other.ones - ones > BITS_APART:
                break
            if (bits ^ other.bits).bit_count() <= BITS_APART:
                yield position, other.position


def _same_shape(one: Image, other: Image) -> bool:
    if not (one.width and one.height and other.width and other.height):
        return False
    return abs(one.width / one.height / (other.width / other.height) - 1) <= _SHAPES_APART
