"""Sizes from the first bytes of an image, and nothing but a clear refusal from any other bytes."""

import contextlib
import io
import random
import struct
import time

import pytest
from PIL import Image

from lambdas.asset_worker.image_size import (
    BYTES_NEEDED,
    CutShort,
    Kind,
    NotTheImage,
    Size,
    read_size,
    size_for_sd_scripts,
)

KINDS: tuple[Kind, ...] = ("PNG", "JPEG", "WebP", "BMP")
SIZES = [(1, 1), (1, 7), (512, 512), (1023, 1025), (3001, 2)]


def encoded(kind: Kind, size: tuple[int, int], mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "RGB", {}),
        ("PNG", "1", {}),
        ("JPEG", "RGB", {}),
        ("JPEG", "L", {"progressive": True}),
        ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"icc_profile": b"\xff" * 9000, "comment": b"\xff\xd9"}),
        ("WebP", "RGB", {}),
        ("WebP", "RGB", {"lossless": True}),
        ("WebP", "RGBA", {}),
        ("WebP", "RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}),
        ("BMP", "RGB", {}),
        ("BMP", "1", {}),
    ],
)
def test_the_size_is_told_from_the_first_bytes(
    kind: Kind, mode: str, options: dict, size: tuple[int, int]
) -> None:
    data = encoded(kind, size, mode, **options)

    assert read_size(data[: BYTES_NEEDED[kind]], kind) == size


def test_a_bmp_from_top_to_bottom_has_a_height_too() -> None:
    data = bytearray(encoded("BMP", (5, 7)))
    data[22:26] = struct.pack("<i", -7)

    assert read_size(bytes(data), "BMP") == (5, 7)


def test_exif_orientation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    assert read_size(encoded("JPEG", (30, 20), exif=exif), "JPEG") == (30, 20)


def test_an_extended_webp_counts_as_sd_scripts_counts_it() -> None:
    assert size_for_sd_scripts(encoded("WebP", (512, 300), "RGBA"), "WebP") == Size(511, 299)
    assert size_for_sd_scripts(encoded("WebP", (512, 300)), "WebP") == Size(512, 300)


@pytest.mark.parametrize("actual", KINDS)
@pytest.mark.parametrize("claimed", KINDS)
def test_a_file_of_another_kind_is_called_what_it_is(actual: Kind, claimed: Kind) -> None:
    if actual != claimed:
        with pytest.raises(NotTheImage, match=f"is a {actual}, not a {claimed}"):
            read_size(encoded(actual, (8, 8)), claimed)


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_no_image(kind: Kind) -> None:
    with pytest.raises(NotTheImage, match=f"is no {kind}"):
        read_size(b"a rabbit", kind)
    with pytest.raises(NotTheImage, match=f"is no {kind}"):
        read_size(b"", kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_cut_off_is_told_from_one_of_another_kind(kind: Kind) -> None:
    with pytest.raises(CutShort):
        read_size(encoded(kind, (8, 8))[:17], kind)


def test_an_image_without_pixels_is_refused() -> None:
    data = bytearray(encoded("PNG", (8, 8)))
    data[16:20] = bytes(4)

    with pytest.raises(NotTheImage, match="0x8 pixels"):
        read_size(bytes(data), "PNG")


@pytest.mark.parametrize("kind", KINDS)
def test_any_bytes_end_in_a_size_or_a_refusal_and_soon(kind: Kind) -> None:
    drawn = random.Random(kind)
    whole = encoded(kind, (40, 30), "RGB")[:400]
    slowest = 0.0
    for _ in range(5000):
        data = bytearray(whole[: drawn.randint(0, len(whole))])
        for _ in range(drawn.randint(0, 6)):
            if data:
                data[drawn.randrange(len(data))] = drawn.choice([0, 0xFF, drawn.randrange(256)])
        began = time.process_time()
        with contextlib.suppress(NotTheImage, CutShort):
            assert min(read_size(bytes(data), kind)) > 0
        slowest = max(slowest, time.process_time() - began)
    assert slowest < 0.05


def test_a_jpeg_of_nothing_but_parts_ends_soon() -> None:
    parts = b"\xff\xd8" + b"\xff\xe0\x00\x02" * 250_000
    fill = b"\xff\xd8" + b"\xff" * 1_000_000
    began = time.process_time()

    for data in (parts, fill):
        with pytest.raises(CutShort):
            read_size(data, "JPEG")

    assert time.process_time() - began < 1
