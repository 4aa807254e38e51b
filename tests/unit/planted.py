"""A dataset with one of each defect, and sound files that look like trouble and are none."""

from PIL import Image

from tests.unit.pictures import bomb, encoded, exif, jpeg, picture

Planted = dict[str, tuple[bytes, str, str]]


def plant() -> Planted:
    """Files, each with one defect, its code and its severity."""
    frames = [picture(seed) for seed in (201, 202)]
    whole = encoded(picture(203), "PNG")
    torn = bytearray(encoded(picture(204), "PNG"))
    torn[len(torn) // 2] ^= 0xFF
    see_through = picture(205, mode="RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(see_through.size))
    animation = {"save_all": True, "append_images": frames[1:], "duration": 100}
    return {
        "text.png": (b"a rabbit", "not_an_image", "error"),
        "gif.png": (encoded(picture(206), "GIF"), "not_an_image", "error"),
        "cut.jpg": (jpeg(207)[:-3000], "truncated", "error"),
        "short.png": (whole[:-2000], "truncated", "error"),
        "stub.png": (whole[:18], "truncated", "error"),
        "torn.png": (bytes(torn), "undecodable", "error"),
        "bomb.png": (bomb(60_000, 60_000), "too_many_pixels", "error"),
        "tiny.png": (encoded(picture(208, 20), "PNG"), "too_small", "error"),
        "small.png": (encoded(picture(209, 200), "PNG"), "too_small", "warning"),
        "called.png": (jpeg(210), "wrong_extension", "warning"),
        "moving.webp": (encoded(frames[0], "WEBP", **animation), "animated", "warning"),
        "moves.png": (encoded(picture(211), "PNG", **animation), "animated", "warning"),
        "turned.jpg": (jpeg(212, exif=exif(6)), "rotated", "warning"),
        "printed.jpg": (encoded(picture(213, mode="CMYK")), "cmyk", "warning"),
        "window.png": (encoded(see_through, "PNG"), "transparent", "warning"),
        "deep.png": (encoded(picture(214).convert("L").convert("I;16"), "PNG"), "sixteen_bit", "warning"),
        "twin.jpg": (jpeg(0), "duplicate", "warning"),
        "alike.png": (encoded(picture(1).resize((400, 400)), "PNG"), "near_duplicate", "warning"),
        "bare.jpg": (jpeg(215), "missing_caption", "error"),
        "empty.txt": (b" \n", "caption_empty", "error"),
        "latin.txt": ("Häschen".encode("latin-1"), "caption_not_utf8", "error"),
        "wide.txt": ("a rabbit".encode("utf-16-le"), "caption_not_utf8", "error"),
        "book.txt": (b"word " * 5000, "caption_too_large", "error"),
        "long.txt": (b"rabbit, " * 120, "caption_too_long", "warning"),
        "marked.txt": (b"\xef\xbb\xbfa rabbit", "caption_byte_order_mark", "warning"),
        "lines.txt": (b"a rabbit\nin the grass\n", "caption_lines", "info"),
        "alone.txt": (b"a rabbit", "caption_without_image", "warning"),
    }  # fmt: skip


def sound() -> dict[str, bytes]:
    """Images and captions of every kind that nothing is wrong with."""
    solid = picture(9, mode="RGBA")
    images = {
        "a0.jpg": jpeg(0),
        "a1.jpg": jpeg(1),
        "兔 2.webp": encoded(picture(2), "WEBP"),
        "a3.bmp": encoded(picture(3), "BMP"),
        "a4.PNG": encoded(picture(4), "PNG"),
        "a5.jpeg": jpeg(5, exif=exif(1)),
        "a6.png": encoded(picture(6, mode="L"), "PNG"),
        "a7.png": encoded(picture(7, mode="P"), "PNG"),
        "a8.jpg": jpeg(8, progressive=True),
        "a9.png": encoded(solid, "PNG"),
        "black.png": encoded(Image.new("RGB", (300, 300)), "PNG"),
        "grey.png": encoded(Image.new("RGB", (300, 300), "grey"), "PNG"),
    }
    captions = {
        f"{name.rpartition('.')[0]}.txt": "一只兔子, a rabbit, 1girl".encode() for name in images
    }
    return images | captions


def whole_set() -> dict[str, bytes]:
    planted = {name: data for name, (data, _, _) in plant().items()}
    captions = {
        f"{name.rpartition('.')[0]}.txt": b"a rabbit"
        for name in planted
        if not name.endswith(".txt") and name != "bare.jpg"
    }
    images = {
        f"{name.removesuffix('.txt')}.jpg": jpeg(300 + index)
        for index, name in enumerate(planted)
        if name.endswith(".txt") and name != "alone.txt"
    }
    return sound() | planted | captions | images
