"""Image files for the tests: sound ones that no check finds anything about, and broken ones."""

import io
import random
import struct
import zlib
from typing import Any

from PIL import Image


def picture(seed: int, side: int = 300, mode: str = "RGB") -> Image.Image:
    """Return a picture that looks like no other: soft blobs of colours."""
    chance = random.Random(seed)
    small = Image.new("RGB", (9, 9))
    small.putdata([tuple(chance.randrange(256) for _ in range(3)) for _ in range(81)])
    return small.resize((side, side), Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """Return an image as a file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def jpeg(seed: int, **options: Any) -> bytes:
    """Return a sound JPEG."""
    return encoded(picture(seed), **options)


def exif(orientation: int) -> bytes:
    """Return metadata with nothing but an orientation."""
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG that says it has very many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))
