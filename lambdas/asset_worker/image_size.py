"""Width and height from the first bytes of an image; the pixels are never decoded.

Layouts: PNG (W3C PNG, 5.2 and 11.2.1), JPEG (ITU-T T.81, annex B), WebP (RFC 9649), BMP
(BITMAPCOREHEADER, BITMAPINFOHEADER).
"""

import struct
from typing import Literal, NamedTuple

Kind = Literal["PNG", "JPEG", "WebP", "BMP"]

KIND_OF_SUFFIX: dict[str, Kind] = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WebP",
    ".bmp": "BMP",
}
BYTES_NEEDED: dict[Kind, int] = {"PNG": 64, "WebP": 64, "BMP": 64, "JPEG": 64 * 1024}
"""From how many bytes the size can be told; of a JPEG with much metadata not always."""


class Size(NamedTuple):
    """Width and height in pixels as they are stored, without regard to EXIF orientation."""

    width: int
    height: int


class NotTheImage(Exception):
    """These bytes are no image of the kind; the text says what they are."""


class CutShort(Exception):
    """The bytes end before the size."""


def size_for_sd_scripts(data: bytes, kind: Kind) -> Size:
    """Return the size that sd-scripts takes an image to have, from its first bytes.

    It is the image's own but for one kind of WebP: in the extended format the file holds width and
    height less one, and imagesize 1.4.1, by which sd-scripts reads sizes (train_util.py:1482),
    forgets to add it (imagesize.py:255), unless 0 comes out: then Pillow is asked. EXIF orientation
    isn't applied, neither there nor when the image is loaded (train_util.py:2948).

    Raises NotTheImage and CutShort.
    """
    size = read_size(data, kind)
    if data[12:16] == b"VP8X" and kind == "WebP" and size.width > 1:
        return Size(size.width - 1, size.height - 1)
    return size


def read_size(data: bytes, kind: Kind) -> Size:
    """Return an image's size from its first bytes.

    Raises NotTheImage, and CutShort where more bytes could tell.
    """
    if kind_of(data) != kind:
        raise NotTheImage(_told(data, kind))
    try:
        size = _READERS[kind](data)
    except (struct.error, IndexError) as error:
        raise CutShort("the file ends before the image's size") from error
    if min(size) < 1:
        raise NotTheImage(f"says that it has {size.width}x{size.height} pixels")
    return size


def kind_of(data: bytes) -> Kind | None:
    """Say by the first bytes what an image is, None for what is none of the kinds."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    return "BMP" if data.startswith(b"BM") else None


def _told(data: bytes, kind: Kind) -> str:
    actual = kind_of(data)
    return f"is no {kind}" if actual is None else f"is a {actual}, not a {kind}"


def _png(data: bytes) -> Size:
    if data[12:16] != b"IHDR" and len(data) >= 16:
        raise NotTheImage("is a PNG without the header that must come first")
    return Size(*struct.unpack_from(">II", data, 16))


def _jpeg(data: bytes) -> Size:
    """Go from marker to marker to the frame header, which has the size."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise NotTheImage("is a JPEG whose parts don't follow each other")
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack_from(">HH", data, at + 4)
            return Size(width, height)
        if marker in {0xD9, 0xDA}:
            raise NotTheImage("is a JPEG without a frame header")
        (length,) = struct.unpack_from(">H", data, at + 1)
        if length < 2:
            raise NotTheImage("is a JPEG with a part shorter than its own length")
        at += 1 + length


def _webp(data: bytes) -> Size:
    form = data[12:16]
    if form == b"VP8X":
        return Size(_uint24(data, 24) + 1, _uint24(data, 27) + 1)
    if form == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        _must_have(data[20] == 0x2F)
        return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if form == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        _must_have(data[23:26] == b"\x9d\x01\x2a")
        return Size(width & 0x3FFF, height & 0x3FFF)
    if len(form) < 4:
        raise CutShort("the file ends before the image's size")
    raise NotTheImage("is a WebP of an unknown kind")


def _uint24(data: bytes, at: int) -> int:
    low, middle, high = struct.unpack_from("<BBB", data, at)
    return int(low | middle << 8 | high << 16)


def _must_have(signature: bool) -> None:
    if not signature:
        raise NotTheImage("is a WebP whose image has no signature")


def _bmp(data: bytes) -> Size:
    (header,) = struct.unpack_from("<I", data, 14)
    if header == 12:
        return Size(*struct.unpack_from("<HH", data, 18))
    if header < 16 or header > 256:
        raise NotTheImage("is no BMP that can be read")
    width, height = struct.unpack_from("<ii", data, 18)
    return Size(width, abs(height))  # from top to bottom where it is negative


_READERS = {"PNG": _png, "JPEG": _jpeg, "WebP": _webp, "BMP": _bmp}
