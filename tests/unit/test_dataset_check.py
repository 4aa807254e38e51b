"""The check of a dataset: every planted defect is found, and none is invented."""

import io
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping

import pytest
from PIL import Image, ImageDraw

from lambdas.asset_worker.pictures import look_at
from lambdas.core import bucket
from tests.unit.fakes import AwsCalls
from tests.unit.pictures import bomb, encoded, exif, jpeg, picture
from tests.unit.planted import plant, sound, whole_set
from tests.unit.scenes import DATASETS, completed

pytestmark = pytest.mark.usefixtures("aws_calls")


def uploaded(files: Mapping[str, bytes], **changes: object) -> str:
    request = {
        "name": "set",
        "prefix": "2_x",
        "files": [{"name": one, "size": len(data)} for one, data in files.items()],
    }
    dataset_id = DATASETS.post("/datasets", request | changes).body["dataset"]["id"]
    put(dataset_id, files)
    return dataset_id


def put(dataset_id: str, files: Mapping[str, bytes]) -> None:
    for one, data in files.items():
        bucket.put(f"acme/datasets/{dataset_id}/2_x/{one}", data)


def told(dataset_id: str) -> set[tuple[str, str, str]]:
    found = DATASETS.get(f"/datasets/{dataset_id}/report").body["findings"]
    return {(one["file"], one["code"], one["severity"]) for one in found}


def test_every_planted_defect_is_found_and_none_is_invented() -> None:
    dataset_id = uploaded(whole_set())

    dataset = completed(dataset_id).body

    assert told(dataset_id) == {
        (name, code, severity) for name, (_, code, severity) in plant().items()
    }
    report = dataset["report"]
    assert dataset["status"] == "invalid"
    assert (report["errors"], report["warnings"], report["infos"]) == (13, 13, 1)
    assert len(report["findings"]) == 20
    assert report["findings"][0]["severity"] == "error"
    assert all(one["remedy"] and one["message"] for one in report["findings"])


def test_a_sound_dataset_is_ready_and_its_report_is_empty() -> None:
    dataset_id = uploaded(sound())

    dataset = completed(dataset_id).body

    assert (dataset["status"], told(dataset_id)) == ("ready", set())
    assert dataset["report"]["sizes"] == [[300, 300, 12]]


def test_what_repeats_an_image_names_it() -> None:
    files = {
        "a.png": encoded(picture(1), "PNG"),
        "b.png": encoded(picture(1), "PNG"),
        "c.jpg": jpeg(1),
    }
    dataset_id = uploaded(files, caption_policy="empty")
    completed(dataset_id)

    found = DATASETS.get(f"/datasets/{dataset_id}/report").body["findings"]

    others = {one["file"]: (one["code"], one["others"]) for one in found if one["others"]}
    assert others == {"b.png": ("duplicate", ["a.png"]), "c.jpg": ("near_duplicate", ["a.png"])}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_no_mutation_of_an_image_breaks_the_check() -> None:
    chance = random.Random(4)
    files = [
        ("a.png", encoded(picture(1, 64), "PNG")),
        ("a.jpg", encoded(picture(2, 64), exif=exif(6))),
        ("a.webp", encoded(picture(3, 64), "WEBP")),
        ("a.bmp", encoded(picture(4, 32), "BMP")),
    ]
    codes: Counter[str] = Counter()
    for round_ in range(3000):
        name, data = files[round_ % 4]
        broken = bytearray(data)
        for _ in range(chance.choice([1, 2, 8])):
            broken[chance.randrange(chance.choice([60, len(broken)]))] = chance.randrange(256)
        looked = look_at(name, bytes(broken))
        codes.update(one.code for one in looked.findings)

    assert min(codes["undecodable"], codes["not_an_image"], codes["truncated"]) > 10


def test_large_images_that_come_together_are_decoded_one_after_the_other() -> None:
    program = """
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor
from lambdas.asset_worker.pictures import look_at
from tests.unit.fakes import png
data = png(9400, 9400)  # 88 MB when decoded
with ThreadPoolExecutor(8) as threads:
    found = list(threads.map(lambda name: look_at(name, data), [f"{n}.png" for n in range(8)]))
assert [one.size for one in found] == [(9400, 9400)] * 8
# Not ru_maxrss, which begins at what the parent had before exec: here a large test worker.
(peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
print(int(peak.split()[1]) // 1024)
"""
    environment = {**os.environ, "PILLOW_BLOCK_SIZE": "256m"}  # as infrastructure/assets.py sets it
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )

    assert int(done.stdout) < 450


def test_drawings_of_one_figure_in_several_poses_are_no_duplicates() -> None:
    def drawing(at: int) -> bytes:
        image = Image.new("RGB", (400, 400), "white")
        draw = ImageDraw.Draw(image)
        draw.ellipse((120, 120, 280, 380), fill="grey", outline="black", width=8)
        draw.ellipse((at, 30, at + 60, 90), fill="tomato")
        return encoded(image, "PNG")

    files = {f"{at}.png": drawing(at) for at in (20, 110, 200, 300)}
    image = Image.open(io.BytesIO(files["20.png"]))
    smaller = {"smaller.jpg": encoded(image.resize((280, 280)), quality=60)}
    brighter = {"brighter.jpg": encoded(image.point(lambda value: min(255, value + 8)))}
    dataset_id = uploaded(files | smaller | brighter, caption_policy="subject")
    completed(dataset_id)

    found = DATASETS.get(f"/datasets/{dataset_id}/report").body["findings"]

    named = {one["file"]: one["others"] for one in found if one["code"] == "near_duplicate"}
    assert named == {"smaller.jpg": ["20.png"], "brighter.jpg": ["20.png", "smaller.jpg"]}


def test_a_bomb_is_refused_by_its_header_and_never_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    from lambdas.asset_worker import pictures

    decoded: list[str] = []
    through = pictures._decode
    monkeypatch.setattr(
        pictures,
        "_decode",
        lambda notes, *rest: (decoded.append(notes.file), through(notes, *rest))[1],
    )
    completed(uploaded({"bomb.png": bomb(9_500, 9_500), "a.jpg": jpeg(1)}, caption_policy="empty"))

    assert decoded == ["a.jpg"]


def test_the_size_is_the_one_that_sd_scripts_reads_whatever_exif_says() -> None:
    image = encoded(picture(1).resize((600, 400)), exif=exif(6))
    dataset_id = uploaded({"a.jpg": image}, caption_policy="empty")

    report = completed(dataset_id).body["report"]

    assert report["sizes"] == [[600, 400, 1]]
    assert "600x400" in report["findings"][0]["message"]


def test_a_correction_looks_only_at_what_is_new(aws_calls: AwsCalls) -> None:
    files = {"a.jpg": jpeg(1), "a.txt": b"a", "b.jpg": jpeg(2), "c.jpg": jpeg(3), "c.txt": b"c"}
    dataset_id = uploaded(files)
    assert completed(dataset_id).body["status"] == "invalid"
    DATASETS.post(f"/datasets/{dataset_id}/uploads", {"files": [{"name": "b.txt", "size": 1}]})
    put(dataset_id, {"b.txt": b"b"})
    aws_calls.reset()

    mended = completed(dataset_id).body

    assert (mended["status"], told(dataset_id)) == ("ready", set())
    read = aws_calls.made.count("GetObject")
    assert read == 1 + 1 + 1 + 1  # the file list twice, b.txt, and the report


def test_a_broken_image_is_replaced_under_its_name_and_another_left_out(
    aws_calls: AwsCalls,
) -> None:
    files = {"a.jpg": jpeg(1), "b.jpg": jpeg(2)[:-3000], "c.jpg": b"a rabbit"}
    dataset_id = uploaded(files, caption_policy="subject")
    assert completed(dataset_id).body["report"]["errors"] == 2
    whole = jpeg(2)
    request = {"remove": ["b.jpg", "c.jpg"], "files": [{"name": "b.jpg", "size": len(whole)}]}

    answer = DATASETS.post(f"/datasets/{dataset_id}/uploads", request).body
    put(dataset_id, {"b.jpg": whole})
    mended = completed(dataset_id).body

    assert [one["name"] for one in answer["uploads"]] == ["b.jpg"]
    assert (mended["status"], mended["file_count"], mended["report"]["images"]) == ("ready", 2, 2)
    listed = DATASETS.get(f"/datasets/{dataset_id}/images").body["data"]
    assert [one["name"] for one in listed] == ["a.jpg", "b.jpg"]
    folder = f"acme/datasets/{dataset_id}/2_x/"
    assert [one.key for one in bucket.objects_under(folder)] == [f"{folder}a.jpg", f"{folder}b.jpg"]


def test_what_is_to_be_removed_and_is_not_there_is_named() -> None:
    dataset_id = uploaded({"a.jpg": jpeg(1)})

    answer = DATASETS.post(f"/datasets/{dataset_id}/uploads", {"remove": ["a.jpg", "z.jpg"]})

    assert (answer.status, answer.pointers) == (422, ["/remove/1"])


def test_the_images_are_listed_with_captions_and_previews() -> None:
    dataset_id = uploaded(
        {"b.jpg": jpeg(1), "a.jpg": jpeg(2), "a.txt": "兔".encode()}, caption_policy="empty"
    )
    completed(dataset_id)

    first = DATASETS.get(f"/datasets/{dataset_id}/images", limit="1").body
    rest = DATASETS.get(f"/datasets/{dataset_id}/images", cursor=first["next_cursor"]).body

    (a,), (b,) = first["data"], rest["data"]
    assert (a["name"], a["caption"], a["width"], a["mode"], a["findings"]) == (
        "a.jpg",
        "兔",
        300,
        "RGB",
        [],
    )
    assert (b["name"], b["caption"], b["findings"][0]["code"]) == ("b.jpg", None, "missing_caption")
    assert "response-content-disposition=inline" in a["preview"]["url"]
    assert rest["next_cursor"] is None


def test_there_is_no_report_before_the_check() -> None:
    dataset_id = uploaded({"a.jpg": jpeg(1)}, caption_policy="empty")

    answer = DATASETS.get(f"/datasets/{dataset_id}/report")

    assert (answer.status, answer.body["code"]) == (409, "no_report")


def test_the_report_says_where_the_images_fall_at_a_resolution() -> None:
    files = {"a.jpg": encoded(picture(1, 1024)), "b.jpg": encoded(picture(2).resize((1024, 512)))}
    dataset_id = uploaded(files, caption_policy="empty")
    completed(dataset_id)

    report = DATASETS.get(f"/datasets/{dataset_id}/report", resolution="512").body

    assert report["buckets"] == [
        {"resolution": [512, 512], "images": 1, "samples": 2},
        {"resolution": [640, 320], "images": 1, "samples": 2},
    ]
    assert report["steps_per_epoch"] == 4
