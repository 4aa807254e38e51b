"""What an image looks like, in 81 greys: alike for images that look alike, whatever their bytes.

Two are compared first by a difference hash (dHash) of 128 bits, which is quick and tells most
apart: whether each grey is brighter than its right and its lower neighbour. Pictures that differ in
one place only, as drawings of one figure do, have the same hash; the greys tell those apart.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from PIL.Image import Image as Picture
from PIL.Image import Resampling

BITS_APART = 8
"""Hashes of images that look alike are so far apart at most; those of others 64 on average."""

_GREYS_APART = 12
"""Recompressing and scaling change a grey by some 3, another pose of a drawn figure by over 20."""

_SIDE = 9
_LEAST_CONTRAST = 12
_WITH_PALETTE = {"P", "PA"}
_REDUCIBLE = {"L", "RGB", "RGBA", "CMYK", "LA"}


def fingerprint(picture: Picture) -> str | None:
    """Return an image's 81 greys in hexadecimal, row by row; None of one without contrast."""
    greys = _shrunk(picture).tobytes()
    return greys.hex() if max(greys) - min(greys) >= _LEAST_CONTRAST else None


def hash_of(print_: str) -> int:
    """Return the difference hash of a fingerprint."""
    greys = bytes.fromhex(print_)
    rows = [greys[at : at + _SIDE] for at in range(0, _SIDE * _SIDE, _SIDE)]
    columns = [greys[at::_SIDE] for at in range(_SIDE)]
    return int("".join((*_falls(rows[:-1]), *_falls(columns[:-1]))), 2)


def look_alike(one: str, other: str) -> bool:
    """Say whether no grey of two fingerprints differs much, but for how bright they are in all."""
    apart = [a - b for a, b in zip(bytes.fromhex(one), bytes.fromhex(other), strict=True)]
    shift = sum(apart) / len(apart)
    return all(abs(difference - shift) <= _GREYS_APART for difference in apart)


def _falls(lines: Sequence[Sequence[int]]) -> Iterator[str]:
    for line in lines:
        yield from ("1" if first > second else "0" for first, second in pairwise(line))


def _shrunk(picture: Picture) -> Picture:
    if picture.mode not in _REDUCIBLE:
        picture = picture.convert("RGB" if picture.mode in _WITH_PALETTE else "L")
    factor = max(1, min(picture.size) // 64)
    return picture.reduce(factor).convert("L").resize((_SIDE, _SIDE), Resampling.BOX)
