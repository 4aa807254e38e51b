"""Crops: what becomes of an image, and of a dataset."""

import io
import os
import subprocess
import sys

import pytest
from PIL import Image

from lambdas.asset_worker.cropping import CannotCrop, Crop, cropped
from lambdas.asset_worker.image_size import Size
from lambdas.core import bucket
from tests.unit.fakes import Answer
from tests.unit.pictures import bomb, encoded, exif, jpeg, picture
from tests.unit.scenes import DATASETS, completed, work
from tests.unit.test_dataset_check import uploaded
from tests.unit.test_dataset_library import delete

pytestmark = pytest.mark.usefixtures("aws_calls")

CENTER, FIT = Crop(64, "center"), Crop(512, "fit")


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def halves(width: int, height: int) -> Image.Image:
    """An image that is red on the left and blue on the right."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    return image


def colour(image: Image.Image, x: int, y: int) -> str:
    red, _, blue = image.convert("RGB").getpixel((x, y))
    return "red" if red > 150 > blue else "blue" if blue > 150 > red else "mixed"


def test_the_centre_is_cut_out_as_a_square() -> None:
    image = opened(cropped("a.png", encoded(halves(300, 100), "PNG"), CENTER))

    assert (image.format, image.size) == ("PNG", (64, 64))
    assert (colour(image, 5, 30), colour(image, 60, 30)) == ("red", "blue")


@pytest.mark.parametrize(
    ("size", "becomes"),
    [((1600, 1200), (512, 384)), ((1000, 1700), (384, 640)), ((2000, 2000), (512, 512))],
)
def test_fit_keeps_the_shape_as_far_as_buckets_go(
    size: tuple[int, int], becomes: tuple[int, int]
) -> None:
    image = opened(cropped("a.jpg", encoded(halves(*size)), FIT))

    assert image.size == becomes
    assert FIT.size_for(Size(*becomes)) == becomes  # and there it stays when it is trained on


def test_no_image_is_enlarged() -> None:
    small = encoded(halves(50, 40), "PNG")

    assert opened(cropped("a.png", small, CENTER)).size == (40, 40)
    assert opened(cropped("a.png", encoded(halves(200, 140), "PNG"), FIT)).size == (192, 128)
    with pytest.raises(CannotCrop) as refused:
        cropped("a.png", small, FIT)
    assert refused.value.finding.code == "too_small"


@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_image_is_turned_as_viewers_turn_it(orientation: int) -> None:
    data = encoded(halves(200, 100), exif=exif(orientation))

    image = opened(cropped("a.jpg", data, Crop(64, "center")))

    left = {2: "blue", 3: "blue", 4: "red"}.get(orientation)
    if left:
        assert colour(image, 3, 32) == left
    else:  # red is above or below: the sides are as mixed as the middle
        assert colour(image, 3, 3) == colour(image, 60, 3) != colour(image, 3, 60)
    assert not image.getexif()


def test_what_is_as_it_should_be_comes_back_byte_for_byte() -> None:
    data = encoded(picture(1, 64))

    assert cropped("a.jpg", data, CENTER) == data


@pytest.mark.parametrize(
    ("name", "form", "mode", "comes_out"),
    [
        ("a.jpg", "JPEG", "RGB", ("JPEG", "RGB")),
        ("a.JPG", "JPEG", "L", ("JPEG", "L")),
        ("a.jpg", "JPEG", "CMYK", ("JPEG", "RGB")),
        ("a.jpg", "PNG", "RGBA", ("JPEG", "RGB")),
        ("a.png", "PNG", "RGBA", ("PNG", "RGBA")),
        ("a.png", "PNG", "P", ("PNG", "RGB")),
        ("a.png", "PNG", "1", ("PNG", "L")),
        ("a.png", "PNG", "I;16", ("PNG", "L")),
        ("a.png", "JPEG", "RGB", ("PNG", "RGB")),
        ("a.webp", "WEBP", "RGB", ("WEBP", "RGB")),
        ("a.bmp", "BMP", "RGB", ("BMP", "RGB")),
    ],
)
def test_an_image_keeps_the_format_of_its_name(
    name: str, form: str, mode: str, comes_out: tuple[str, str]
) -> None:
    image = opened(cropped(name, encoded(picture(2).convert(mode), form), CENTER))
    image.load()

    assert (image.format, image.mode) == comes_out
    assert image.size == (64, 64)


def test_sixteen_bits_become_the_eight_that_they_look_like() -> None:
    grey = Image.new("I;16", (100, 100), 0x8000)

    assert opened(cropped("a.png", encoded(grey, "PNG"), CENTER)).getpixel((9, 9)) == 128


def test_a_lossless_webp_stays_lossless_and_its_size_can_be_read() -> None:
    exact = encoded(halves(128, 128), "WEBP", lossless=True, icc_profile=b"x" * 200)

    data = cropped("a.webp", exact, CENTER)

    assert data[12:16] == b"VP8L"
    assert opened(data).convert("RGB").getpixel((5, 5)) == (255, 0, 0)


def test_a_colour_profile_stays_and_a_place_does_not() -> None:
    data = encoded(picture(1), icc_profile=b"profile", exif=exif(1), comment=b"at home")

    info = opened(cropped("a.jpg", data, CENTER)).info

    assert info["icc_profile"] == b"profile"
    assert not {"exif", "comment"} & set(info)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"no image", "not_an_image"),
        (bomb(50_000, 50_000), "too_many_pixels"),
        (encoded(picture(1), "PNG")[:3000], "undecodable"),
        (
            encoded(picture(1), "PNG", save_all=True, append_images=[picture(2)]),
            "animated",
        ),
    ],
)
def test_what_cannot_be_cropped_is_told(data: bytes, code: str) -> None:
    with pytest.raises(CannotCrop) as refused:
        cropped("a.png", data, CENTER)

    assert refused.value.finding.code == code
    assert refused.value.finding.severity == "error"


def test_large_images_are_cropped_one_after_the_other() -> None:
    program = """
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor
from lambdas.asset_worker.cropping import Crop, cropped
from tests.unit.pictures import encoded, exif
from PIL import Image
data = encoded(Image.new("RGB", (6000, 6000)), exif=exif(6))  # 144 MB when decoded
with ThreadPoolExecutor(8) as threads:
    made = list(threads.map(lambda _: cropped("a.jpg", data, Crop(512, "center")), range(6)))
assert len(set(made)) == 1
# Not ru_maxrss, which begins at what the parent had before exec: here a large test worker.
(peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
print(int(peak.split()[1]) // 1024)
"""
    environment = {**os.environ, "PILLOW_BLOCK_SIZE": "256m"}  # as infrastructure/assets.py sets it
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )

    assert int(done.stdout) < 600


def crop(dataset_id: str, key: str | None = None, **changes: object) -> Answer:
    request = {"name": "cropped", "resolution": 256} | changes
    return DATASETS.post(f"/datasets/{dataset_id}/crop", request, key)


def ready() -> str:
    files = {"a.jpg": jpeg(1), "a.txt": "兔".encode(), "b.jpg": jpeg(2), "b.txt": b"b"}
    dataset_id = uploaded(files, description="Rabbits.")
    assert completed(dataset_id).body["status"] == "ready"
    return dataset_id


def stored(dataset_id: str) -> dict[str, tuple[int, str]]:
    prefix = f"acme/datasets/{dataset_id}/2_x/"
    found = bucket.objects_under(prefix)
    return {one.key.removeprefix(prefix): (one.size, one.etag) for one in found}


def test_a_crop_is_a_new_dataset_with_the_captions_and_the_original_stays() -> None:
    original = ready()
    before = stored(original)

    answer = crop(original)
    work()

    made = answer.body
    assert (answer.status, made["status"]) == (202, "preparing")
    assert answer.headers["Location"] == f"/v1/datasets/{made['id']}"
    dataset = DATASETS.get(f"/datasets/{made['id']}").body
    assert (dataset["status"], dataset["prefix"]) == ("ready", "2_x")
    assert dataset["report"]["sizes"] == [[256, 256, 2]]
    assert dataset["file_count"] == 4
    assert dataset["origin"] == {
        "kind": "crop",
        "dataset_id": original,
        "resolution": 256,
        "mode": "center",
    }
    images = DATASETS.get(f"/datasets/{made['id']}/images").body["data"]
    assert [(one["name"], one["caption"]) for one in images] == [("a.jpg", "兔"), ("b.jpg", "b")]
    assert stored(original) == before
    assert DATASETS.get(f"/datasets/{original}").body["status"] == "ready"


def test_a_crop_that_is_asked_for_twice_with_one_key_is_made_once() -> None:
    original = ready()

    first, second = crop(original, "k"), crop(original, "k")

    assert first.body["id"] == second.body["id"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert crop(original).body["code"] == "name_taken"


def test_images_that_cannot_be_cropped_are_named_and_can_be_left_out() -> None:
    moving = encoded(picture(3), "PNG", save_all=True, append_images=[picture(4)])
    files = {"a.jpg": jpeg(1), "a.txt": b"a", "move.png": moving, "move.txt": b"b"}
    original = uploaded(files)
    assert completed(original).body["status"] == "ready"

    made = crop(original).body["id"]
    work()

    refused = DATASETS.get(f"/datasets/{made}").body
    assert refused["status"] == "invalid"
    found = DATASETS.get(f"/datasets/{made}/report").body["findings"]
    assert [(one["file"], one["code"]) for one in found] == [("move.png", "animated")]
    assert completed(made).body["status"] == "ready"
    assert set(stored(made)) == {"a.jpg", "a.txt"}


def test_only_a_ready_dataset_is_cropped_and_a_wrong_wish_is_told() -> None:
    waiting = uploaded({"a.jpg": jpeg(1)}, caption_policy="empty")

    answer = crop(waiting)
    wrong = crop(waiting, resolution=500, mode="stretch", name="no name")

    assert (answer.status, answer.body["code"]) == (409, "dataset_not_ready")
    assert wrong.status == 422
    assert set(wrong.pointers) == {"/name", "/resolution", "/mode"}


def test_as_long_as_a_crop_is_made_its_original_stays() -> None:
    original = ready()
    made = crop(original).body["id"]

    answer = delete(original)
    work()

    assert answer.status == 409
    assert f"the dataset cropped ({made})" in answer.body["detail"]
    assert DATASETS.get(f"/datasets/{made}").body["status"] == "ready"
    assert delete(original).status == 202


def test_a_crop_that_is_deleted_while_it_is_made_lets_its_original_go() -> None:
    original = ready()
    made = crop(original).body["id"]

    assert delete(made).status == 202
    work()

    assert stored(made) == {}
    assert DATASETS.get(f"/datasets/{made}").status == 404
    assert delete(original).status == 202


def test_a_dataset_that_is_being_made_takes_no_files() -> None:
    made = crop(ready()).body["id"]

    more = {"files": [{"name": "c.png", "size": 3}]}
    assert DATASETS.post(f"/datasets/{made}/uploads", more).body["code"] == "dataset_closed"
    assert DATASETS.post(f"/datasets/{made}/complete").body["code"] == "dataset_closed"
    assert DATASETS.get(f"/datasets/{made}/report").body["code"] == "no_report"
    assert DATASETS.get(f"/datasets/{made}/export").body["data"] == []
