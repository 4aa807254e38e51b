"""A dataset of several folders: imported as one, and each file called by its folder and name."""

from typing import Any

import pytest

from lambdas.core import bucket
from lambdas.datasets import folders
from tests.unit.fakes import Answer
from tests.unit.pictures import encoded, jpeg, picture
from tests.unit.scenes import DATASETS, completed, left_behind, work
from tests.unit.test_captions import put
from tests.unit.test_dataset_check import told
from tests.unit.test_dataset_import import INBOX, imported, sync
from tests.unit.test_dataset_library import delete

pytestmark = pytest.mark.usefixtures("aws_calls")

PLACE = "s3://bucket/acme/inbox/set"
CAT, DOG = (
    {"prefix": "2_cat", "repeats": 2, "subject": "cat"},
    {"prefix": "1_dog", "repeats": 1, "subject": "dog"},
)


def both(**more: Any) -> str:
    """Import two folders that have an equal file name each; return the dataset's id."""
    sync("set/2_cat", 1, 2)
    sync("set/1_dog", 1)
    bucket.put(f"{INBOX}set/1_dog/1.jpg", encoded(picture(7, 400)))
    dataset_id: str = imported(PLACE, **more).body["dataset"]["id"]
    work()
    return dataset_id


def images(dataset_id: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in DATASETS.get(f"/datasets/{dataset_id}/images").body["data"]}


def files_of(dataset_id: str) -> list[str]:
    folder = f"acme/datasets/{dataset_id}/"
    keys = [one.key.removeprefix(folder) for one in bucket.objects_under(folder)]
    return [key for key in keys if not key.startswith(("files/", "reports/"))]


def more(dataset_id: str, *names: str, remove: tuple[str, ...] = ()) -> Answer:
    files = [{"name": name, "size": 3} for name in names]
    return DATASETS.post(
        f"/datasets/{dataset_id}/uploads", {"files": files, "remove": list(remove)}
    )


def test_folders_of_one_place_become_the_subsets_of_one_dataset() -> None:
    dataset_id = both()

    dataset = DATASETS.get(f"/datasets/{dataset_id}").body
    assert [one["id"] for one in DATASETS.get("/datasets").body["data"]] == [dataset_id]
    assert (dataset["name"], dataset["status"], dataset["file_count"]) == ("demo", "ready", 6)
    assert dataset["subsets"] == [DOG, CAT]
    assert (dataset["prefix"], dataset["repeats"], dataset["subject"]) == (None, None, None)
    assert dataset["origin"] == {"kind": "import", "s3_uri": f"{PLACE}/"}
    assert files_of(dataset_id) == [
        f"{folder}/{name}"
        for folder, names in {"1_dog": ["1"], "2_cat": ["1", "2"]}.items()
        for stem in names
        for name in (f"{stem}.jpg", f"{stem}.txt")
    ]


def test_one_folder_in_a_place_becomes_a_plain_dataset() -> None:
    sync("set/2_cat", 1)

    dataset = imported(PLACE).body["dataset"]

    assert {name: dataset[name] for name in CAT} == CAT
    assert dataset["subsets"] == [CAT]
    assert dataset["origin"]["s3_uri"] == f"{PLACE}/2_cat/"


def test_equal_names_in_two_subsets_are_two_images_with_a_caption_each() -> None:
    dataset_id = both()

    found = images(dataset_id)

    assert {name: (one["width"], one["caption"]) for name, one in found.items()} == {
        "1_dog/1.jpg": (400, "a rabbit"),
        "2_cat/1.jpg": (300, "a rabbit"),
        "2_cat/2.jpg": (300, "a rabbit"),
    }
    path = f"/datasets/{dataset_id}/images/{found['1_dog/1.jpg']['id']}/caption"
    etag = found["1_dog/1.jpg"]["caption_etag"]
    assert put(path, "a dog", If_Match=f'"{etag}"').body["name"] == "1_dog/1.jpg"
    assert bucket.read(f"acme/datasets/{dataset_id}/1_dog/1.txt") == b"a dog"
    assert bucket.read(f"acme/datasets/{dataset_id}/2_cat/1.txt") == b"a rabbit"


def test_the_report_tells_of_each_subset_and_an_epoch_counts_each_ones_repeats() -> None:
    dataset_id = both()

    report = DATASETS.get(f"/datasets/{dataset_id}/report").body

    assert report["subsets"] == [
        {"prefix": "1_dog", "images": 1, "captions": 1, "sizes": [[400, 400, 1]]},
        {"prefix": "2_cat", "images": 2, "captions": 2, "sizes": [[300, 300, 2]]},
    ]
    assert (report["images"], report["captions"]) == (3, 3)
    assert report["sizes"] == [[300, 300, 2], [400, 400, 1]]
    assert report["steps_per_epoch"] == 1 * 1 + 2 * 2
    assert [one["samples"] for one in report["buckets"]] == [4, 1]


def test_the_report_of_a_subset_follows_when_captions_are_written() -> None:
    sync("set/2_cat", 1)
    bucket.put(f"{INBOX}set/1_dog/1.jpg", jpeg(5))
    dataset_id = imported(PLACE, caption_policy="subject").body["dataset"]["id"]
    work()
    before = DATASETS.get(f"/datasets/{dataset_id}").body["report"]["subsets"]

    DATASETS.post(f"/datasets/{dataset_id}/captions/add-tag", {"tag": "dog"})
    work()

    after = DATASETS.get(f"/datasets/{dataset_id}").body["report"]["subsets"]
    assert [one["captions"] for one in before] == [0, 1]
    assert [one["captions"] for one in after] == [1, 1]


def test_findings_name_the_file_with_its_folder() -> None:
    sync("set/2_cat", 1)
    sync("set/1_dog", 3)
    bucket.put(f"{INBOX}set/1_dog/1.txt", b"the caption of 2_cat/1.jpg is another")
    bucket.put(f"{INBOX}set/2_cat/copy.jpg", jpeg(3))
    bucket.put(f"{INBOX}set/1_dog/4.jpg", jpeg(4)[:900])

    dataset_id = imported(PLACE).body["dataset"]["id"]
    work()

    assert told(dataset_id) == {
        ("1_dog/1.txt", "caption_without_image", "warning"),
        ("1_dog/4.jpg", "truncated", "error"),
        ("1_dog/4.jpg", "missing_caption", "error"),
        ("2_cat/copy.jpg", "missing_caption", "error"),
        ("2_cat/copy.jpg", "duplicate", "warning"),
    }


def test_a_broken_image_is_replaced_in_its_subset() -> None:
    sync("set/2_cat", 1)
    sync("set/1_dog", 1)
    bucket.put(f"{INBOX}set/1_dog/1.jpg", b"broken")
    dataset_id = imported(PLACE).body["dataset"]["id"]
    work()

    answer = more(dataset_id, "1_dog/2.jpg", "1_dog/2.txt", remove=("1_dog/1.jpg", "1_dog/1.txt"))

    assert answer.status == 200, answer
    assert [one["name"] for one in answer.body["uploads"]] == ["1_dog/2.jpg", "1_dog/2.txt"]
    assert f"/acme/datasets/{dataset_id}/1_dog/2.jpg?" in answer.body["uploads"][0]["upload"]["url"]
    assert files_of(dataset_id) == ["2_cat/1.jpg", "2_cat/1.txt"]
    assert more(dataset_id, remove=("1_dog/2.jpg",)).body["missing"] == 1
    bucket.put(f"acme/datasets/{dataset_id}/1_dog/2.txt", b"abc")
    more(dataset_id, remove=("1_dog/2.txt",))
    dataset = completed(dataset_id).body
    assert (dataset["status"], dataset["subsets"]) == ("ready", [DOG, CAT])
    assert told(dataset_id) == {("1_dog", "empty_subset", "warning")}


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("new.png", "needs its folder in front, 1_dog/new.png say"),
        ("3_bird/new.png", "3_bird is no folder of this dataset: put it into one of 1_dog, 2_cat"),
        ("1_dog/deeper/new.png", "more than a folder and a name"),
        ("/new.png", "more than a folder and a name"),
        ("../new.png", "no folder of this dataset"),
        ("1_dog/.x.png", "may not begin with a dot"),
        ("files/new.txt", "no folder of this dataset"),
    ],
)
def test_what_lies_in_no_subset_is_refused_with_the_remedy(name: str, word: str) -> None:
    sync("set/2_cat", 1)
    sync("set/1_dog", 1)
    bucket.put(f"{INBOX}set/1_dog/1.jpg", b"broken")
    dataset_id = imported(PLACE).body["dataset"]["id"]
    work()

    answer = more(dataset_id, "1_dog/2.jpg", name)

    assert (answer.status, answer.pointers) == (422, ["/files/1/name"])
    assert word in answer.body["errors"][0]["message"]


def test_a_folder_in_front_is_refused_in_a_plain_dataset() -> None:
    files = [{"name": "a.png", "size": 1}]
    made = DATASETS.post("/datasets", {"name": "plain", "prefix": "1_x", "files": files})
    dataset_id = made.body["dataset"]["id"]

    for folder in ("1_x", "2_y"):
        answer = more(dataset_id, f"{folder}/b.png")

        assert (answer.status, answer.pointers) == (422, ["/files/0/name"])
        assert "write b.png alone" in answer.body["errors"][0]["message"]
    assert more(dataset_id, "b.png").status == 200
    refused = DATASETS.post(
        "/datasets", {"name": "p", "prefix": "1_x", "files": [{"name": "1_x/a.png", "size": 1}]}
    )
    assert refused.pointers == ["/files/0/name"]


def test_ten_thousand_files_are_the_limit_of_all_subsets_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(folders, "MOST_FILES", 5)
    sync("set/2_cat", 1, 2)
    sync("set/1_dog", 1)

    answer = imported(PLACE)

    assert (answer.status, answer.pointers) == (422, ["/s3_uri"])
    assert "has 6 files; 5 are the most" in answer.body["errors"][0]["message"]
    assert DATASETS.get("/datasets").body["data"] == []


def test_what_will_not_do_is_told_of_all_subsets_at_once() -> None:
    sync("set/2_cat", 1)
    sync("set/1_dog", 1)
    sync("set/1_caf\u00e9", 1)
    sync("set/1_cafe\u0301", 2)
    bucket.put(f"{INBOX}set/2_cat/1.png", b"x")
    bucket.put(f"{INBOX}set/1_dog/a.TXT", b"x")
    before = left_behind()

    answer = imported(PLACE)

    said = " ".join(one["message"] for one in answer.body["errors"])
    assert "2 folders are called 1_caf\u00e9 in NFC" in said
    assert "several images are called 2_cat/1" in said
    assert "set/1_dog/a.TXT: a caption must end in .txt" in said
    assert left_behind() == before


def test_an_export_goes_through_all_subsets_page_by_page() -> None:
    dataset_id = both()

    found, cursor = [], ""
    while cursor is not None:
        given = {"cursor": cursor} if cursor else {}
        answer = DATASETS.get(f"/datasets/{dataset_id}/export", limit="2", **given).body
        found += answer["data"]
        cursor = answer["next_cursor"]

    assert [one["path"] for one in found] == files_of(dataset_id)
    assert all(one["sha256"] for one in found if one["path"].endswith(".jpg"))
    assert "filename%3D%221.jpg%22" in found[0]["download"]["url"]


def test_a_crop_keeps_the_subsets() -> None:
    original = both()

    made = DATASETS.post(f"/datasets/{original}/crop", {"name": "small", "resolution": 128}).body
    work()

    cropped = DATASETS.get(f"/datasets/{made['id']}").body
    assert (cropped["status"], cropped["subsets"], cropped["prefix"]) == ("ready", [DOG, CAT], None)
    assert files_of(made["id"]) == files_of(original)
    assert [one["sizes"] for one in cropped["report"]["subsets"]] == [
        [[128, 128, 1]],
        [[128, 128, 2]],
    ]


def test_a_deleted_dataset_leaves_nothing_of_any_subset() -> None:
    dataset_id = both()

    assert delete(dataset_id).status == 202
    work()

    assert not list(bucket.objects_under(f"acme/datasets/{dataset_id}/"))
    assert imported(PLACE).status == 202
