"""What an image looks like, in 128 bits: alike for images that look alike, whatever their bytes.

A difference hash (dHash): the image shrunk to 9x9 greys, and for each whether it is brighter than
its right and its lower neighbour.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from PIL.Image import Image as Picture
from PIL.Image import Resampling

BITS_APART = 8
"""Images of fingerprints so far apart at most are taken to look alike; those of others are 64."""

_SIDE = 9
_LEAST_CONTRAST = 12
_WITH_PALETTE = {"P", "PA"}
_REDUCIBLE = {"L", "RGB", "RGBA", "CMYK", "LA"}


def fingerprint(picture: Picture) -> str | None:
    """Return an image's fingerprint, 32 hexadecimal digits; None of one without contrast."""
    greys = list(_shrunk(picture).tobytes())
    if max(greys) - min(greys) < _LEAST_CONTRAST:
        return None
    rows = [greys[at : at + _SIDE] for at in range(0, _SIDE * _SIDE, _SIDE)]
    columns = [greys[at::_SIDE] for at in range(_SIDE)]
    bits = [*_falls(rows[:-1]), *_falls(columns[:-1])]
    return f"{int(''.join(bits), 2):032x}"


def _falls(lines: Sequence[Sequence[int]]) -> Iterator[str]:
    for line in lines:
        yield from ("1" if first > second else "0" for first, second in pairwise(line))


def _shrunk(picture: Picture) -> Picture:
    if picture.mode not in _REDUCIBLE:
        picture = picture.convert("RGB" if picture.mode in _WITH_PALETTE else "L")
    factor = max(1, min(picture.size) // 64)
    return picture.reduce(factor).convert("L").resize((_SIDE, _SIDE), Resampling.BOX)
