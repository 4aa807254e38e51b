"""An image looked at from end to end: decoded in bounded memory, as sd-scripts will see it."""

import hashlib
import io
import struct
import warnings
import zlib
from contextlib import suppress
from dataclasses import dataclass, field

import PIL.Image
from PIL.Image import Image as Picture

from lambdas.asset_worker import findings
from lambdas.asset_worker.budget import Budget
from lambdas.asset_worker.fingerprint import fingerprint
from lambdas.asset_worker.image_size import (
    KIND_OF_SUFFIX,
    CutShort,
    Kind,
    NotTheImage,
    Size,
    kind_of,
    read_size,
    size_for_sd_scripts,
)
from lambdas.datasets.report_schema import Finding
from lambdas.datasets.schema import suffix_of

# Of broken metadata, which sd-scripts doesn't read either.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\..*")

# 4 bytes for each: an image of the most pixels, or several smaller ones, and no more.
PIXELS = Budget(findings.MOST_PIXELS)

_FORMATS: dict[Kind, tuple[str, ...]] = {
    "PNG": ("PNG",),
    "JPEG": ("JPEG", "MPO"),
    "WebP": ("WEBP",),
    "BMP": ("BMP",),
}
_ORIENTATION = 0x0112
# What Pillow raises on files made to harm or by accident.
_BROKEN = (
    *(OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, AttributeError),
    *(EOFError, OverflowError, MemoryError, RuntimeError, ZeroDivisionError),
    *(struct.error, zlib.error, PIL.Image.DecompressionBombError),
)


@dataclass(frozen=True)
class Looked:
    """What was seen of an image; `size` as sd-scripts takes it to be."""

    sha256: str
    kind: Kind | None = None
    mode: str | None = None
    size: Size | None = None
    fingerprint: str | None = None
    findings: tuple[Finding, ...] = ()


@dataclass
class _Notes:
    file: str
    found: list[Finding] = field(default_factory=list)


def look_at(file: str, data: bytes) -> Looked:
    """Decode a whole image file and say what is to be said about it."""
    sha256 = hashlib.sha256(data).hexdigest()
    kind = kind_of(data)
    if kind is None:
        expected = KIND_OF_SUFFIX[suffix_of(file)]
        return Looked(sha256, findings=(findings.not_an_image(file, f"is no {expected}"),))
    try:
        stored, size = read_size(data, kind), size_for_sd_scripts(data, kind)
    except NotTheImage as error:
        return Looked(sha256, kind, findings=(findings.not_an_image(file, str(error)),))
    except CutShort as error:
        return Looked(sha256, kind, findings=(findings.truncated(file, str(error)),))
    if stored.width * stored.height > findings.MOST_PIXELS:
        return Looked(sha256, kind, findings=(findings.too_many_pixels(file, *stored),))
    notes = _Notes(file)
    if kind != KIND_OF_SUFFIX[suffix_of(file)]:
        notes.found.append(findings.wrong_extension(file, kind))
    with PIXELS.holding(stored.width * stored.height):
        mode, print_ = _decode(notes, data, kind, stored)
    if min(size) < findings.SMALL_SIDE:
        notes.found.append(findings.too_small(file, *size))
    return Looked(sha256, kind, mode, size, print_, tuple(notes.found))


def _decode(notes: _Notes, data: bytes, kind: Kind, stored: Size) -> tuple[str | None, str | None]:
    """Return mode and fingerprint, None for what can't be decoded."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=_FORMATS[kind]) as picture:
            if picture.width * picture.height > findings.MOST_PIXELS:
                notes.found.append(findings.too_many_pixels(notes.file, *picture.size))
                return None, None
            picture.load()
            _note_oddities(notes, picture, kind, stored)
            return picture.mode, fingerprint(picture)
    except _BROKEN as error:
        notes.found.append(_broken(notes.file, str(error)))
        return None, None


def _broken(file: str, said: str) -> Finding:
    if "truncated" in said.lower() or "eof" in said.lower():
        return findings.truncated(file, "is cut off: its last part is missing")
    return findings.undecodable(file, f"can't be decoded ({said or 'broken'})"[:200])


def _note_oddities(notes: _Notes, picture: Picture, kind: Kind, stored: Size) -> None:
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and kind in {"PNG", "WebP"}:  # a photograph may carry others behind it (MPO)
        notes.found.append(findings.animated(notes.file, frames))
    if _orientation(picture) in range(2, 9):
        notes.found.append(findings.rotated(notes.file, *stored))
    if picture.mode == "CMYK":
        notes.found.append(findings.cmyk(notes.file))
    if picture.mode[0] in "IF":
        notes.found.append(findings.sixteen_bit(notes.file, picture.mode))
    if _is_transparent(picture):
        notes.found.append(findings.transparent(notes.file))


def _orientation(picture: Picture) -> int:
    with suppress(*_BROKEN):  # broken metadata hurts nobody: sd-scripts does not read it
        return int(picture.getexif().get(_ORIENTATION, 1))
    return 1


def _is_transparent(picture: Picture) -> bool:
    if "A" in picture.getbands():
        lowest, _ = picture.getchannel("A").getextrema()
        return bool(lowest < 255)  # type: ignore[operator]
    return "transparency" in picture.info
