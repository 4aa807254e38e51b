"""The check of a dataset: every planted defect is found, and none is invented."""

from collections.abc import Mapping

import pytest
from PIL import Image

from lambdas.core import bucket
from tests.unit.fakes import AwsCalls
from tests.unit.pictures import bomb, encoded, exif, jpeg, picture
from tests.unit.scenes import DATASETS, completed

pytestmark = pytest.mark.usefixtures("aws_calls")

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
