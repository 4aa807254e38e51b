"""Datasets: refused with sentences, complete only when everything came and pairs."""

import unicodedata

import pytest

from lambdas.core import bucket
from tests.unit.fakes import AwsCalls, Client
from tests.unit.scenes import DATASETS, completed, content_of, ready_dataset

pytestmark = pytest.mark.usefixtures("aws_calls")


SIZE = len(content_of("a.png"))


def body(*names: str, **changes: object) -> dict:
    names = names or ("a.png", "a.txt")
    files = [{"name": name, "size": len(content_of(name))} for name in names]
    return {"name": "set", "prefix": "10_tusiji", "files": files} | changes


def errors(dataset: dict) -> list[tuple[str, str | None]]:
    found = dataset["report"]["findings"]
    return [(one["code"], one["file"]) for one in found if one["severity"] == "error"]


def upload(dataset_id: str, *names: str) -> None:
    for name in names:
        bucket.put(f"acme/datasets/{dataset_id}/10_tusiji/{name}", content_of(name))


def test_a_dataset_is_made_with_an_upload_for_each_file() -> None:
    answer = DATASETS.post("/datasets", body(), key="one")

    assert answer.status == 201
    dataset = answer.body["dataset"]
    assert (dataset["status"], dataset["repeats"], dataset["subject"]) == (
        "uploading",
        10,
        "tusiji",
    )
    assert answer.headers["Location"] == f"/v1/datasets/{dataset['id']}"
    first = answer.body["uploads"][0]
    assert first["name"] == "a.png"
    assert first["upload"]["headers"] == {"Content-Length": str(SIZE), "If-None-Match": "*"}
    assert "X-Amz-SignedHeaders=content-length%3Bhost%3Bif-none-match" in first["upload"]["url"]


@pytest.mark.parametrize(
    ("changes", "pointer", "word"),
    [
        ({"prefix": "tusiji"}, "/prefix", "10_tusiji"),
        ({"prefix": "10tusiji"}, "/prefix", "underscore"),
        ({"prefix": "0_tusiji"}, "/prefix", "1 to 9999"),
        ({"prefix": "10_a/b"}, "/prefix", "slash"),
        ({"name": "has space"}, "/name", "letters"),
        ({"name": "ds_01JD00000000000000000000ZZ"}, "/name", "id"),
        ({"colour": "red"}, "/colour", "no field"),
        ({"files": []}, "/files", "at least 1"),
    ],
)
def test_a_field_that_will_not_do_is_named_with_the_remedy(
    changes: dict, pointer: str, word: str
) -> None:
    answer = DATASETS.post("/datasets", body(**changes))

    assert (answer.status, answer.pointers) == (422, [pointer])
    assert word in answer.body["errors"][0]["message"]
    assert DATASETS.get("/datasets").body["data"] == []


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("../a.png", "plain file name"),
        ("folder/a.png", "plain file name"),
        ("folder\\a.png", "plain file name"),
        ("a\u0000.png", "control"),
        ("a\u202e.png", "control"),
        ("a.exe", "must end in"),
        ("x" * 197 + ".png", "200 bytes"),
    ],
)
def test_a_file_name_that_will_not_do_is_named(name: str, word: str) -> None:
    answer = DATASETS.post("/datasets", body(name))

    assert (answer.status, answer.pointers) == (422, ["/files/0/name"])
    assert word in answer.body["errors"][0]["message"]


def test_files_that_stand_twice_or_share_a_caption_are_refused() -> None:
    twice = DATASETS.post("/datasets", body("a.png", "a.png"))
    shared = DATASETS.post("/datasets", body("a.png", "a.jpg"))

    assert "a.png stands twice" in twice.body["errors"][0]["message"]
    assert "several images are called a" in shared.body["errors"][0]["message"]


def test_names_are_kept_in_nfc_whatever_the_client_sends() -> None:
    decomposed = unicodedata.normalize("NFD", "café-兔斯基.png")

    answer = DATASETS.post("/datasets", body(decomposed, caption_policy="empty"))

    assert answer.body["uploads"][0]["name"] == unicodedata.normalize("NFC", decomposed)


def test_completing_says_what_has_not_come_and_where_fresh_urls_are() -> None:
    dataset_id = DATASETS.post("/datasets", body()).body["dataset"]["id"]
    upload(dataset_id, "a.png")

    answer = DATASETS.post(f"/datasets/{dataset_id}/complete")
    fresh = DATASETS.post(f"/datasets/{dataset_id}/uploads")

    assert (answer.status, answer.body["code"]) == (409, "upload_incomplete")
    assert answer.pointers == ["/files/a.txt"]
    assert [one["name"] for one in fresh.body["uploads"]] == ["a.txt"]


def test_an_image_without_caption_makes_the_dataset_invalid_until_the_caption_comes() -> None:
    dataset_id = DATASETS.post("/datasets", body("a.png", "b.png", "a.txt")).body["dataset"]["id"]
    upload(dataset_id, "a.png", "b.png", "a.txt")

    refused = completed(dataset_id).body
    more = {"files": [{"name": "b.txt", "size": 3}]}
    DATASETS.post(f"/datasets/{dataset_id}/uploads", more)
    upload(dataset_id, "b.txt")
    mended = completed(dataset_id).body

    assert refused["status"] == "invalid"
    assert errors(refused) == [("missing_caption", "b.png")]
    assert "Upload b.txt" in refused["report"]["findings"][0]["remedy"]
    assert (mended["status"], errors(mended)) == ("ready", [])


def test_captions_are_not_needed_when_the_policy_says_so() -> None:
    made = DATASETS.post("/datasets", body("a.png", caption_policy="subject"))
    dataset_id = made.body["dataset"]["id"]
    upload(dataset_id, "a.png")

    assert completed(dataset_id).body["status"] == "ready"


def test_a_dataset_of_captions_alone_is_invalid() -> None:
    dataset_id = DATASETS.post("/datasets", body("a.txt")).body["dataset"]["id"]
    upload(dataset_id, "a.txt")

    assert errors(completed(dataset_id).body) == [("no_images", None)]


def test_completing_again_answers_the_same_and_more_files_are_refused() -> None:
    dataset_id = ready_dataset()

    again = DATASETS.post(f"/datasets/{dataset_id}/complete")
    more = DATASETS.post(
        f"/datasets/{dataset_id}/uploads", {"files": [{"name": "z.png", "size": 3}]}
    )

    assert (again.status, again.body["status"]) == (202, "ready")
    assert (more.status, more.body["code"]) == (409, "dataset_closed")


def test_a_retry_answers_the_first_dataset_with_what_is_still_missing() -> None:
    first = DATASETS.post("/datasets", body(), key="one")
    upload(first.body["dataset"]["id"], "a.png")

    second = DATASETS.post("/datasets", body(), key="one")

    assert second.body["dataset"]["id"] == first.body["dataset"]["id"]
    assert [one["name"] for one in second.body["uploads"]] == ["a.txt"]
    assert len(DATASETS.get("/datasets").body["data"]) == 1


def test_a_name_in_use_is_refused_and_leaves_no_object_behind() -> None:
    DATASETS.post("/datasets", body())
    before = list(bucket.objects_under("acme/"))

    answer = DATASETS.post("/datasets", body())

    assert (answer.status, answer.body["code"]) == (409, "name_taken")
    assert list(bucket.objects_under("acme/")) == before


def test_another_workspace_may_have_the_name_and_sees_nothing() -> None:
    dataset_id = DATASETS.post("/datasets", body()).body["dataset"]["id"]
    stranger = Client(DATASETS.handler, workspace="other")

    assert stranger.get(f"/datasets/{dataset_id}").status == 404
    assert stranger.post(f"/datasets/{dataset_id}/complete").status == 404
    assert stranger.post("/datasets", body()).status == 201


def test_at_most_500_uploads_come_in_one_answer() -> None:
    names = [f"{index:04d}.png" for index in range(600)]

    answer = DATASETS.post("/datasets", body(*names, caption_policy="empty"))

    assert (len(answer.body["uploads"]), answer.body["missing"]) == (500, 600)


def test_a_list_goes_on_where_its_cursor_says(aws_calls: AwsCalls) -> None:
    ids = [
        DATASETS.post("/datasets", body(name=f"set{index}")).body["dataset"]["id"]
        for index in range(3)
    ]
    aws_calls.reset()

    first = DATASETS.get("/datasets", limit="2").body
    second = DATASETS.get("/datasets", limit="2", cursor=first["next_cursor"]).body

    assert [one["id"] for one in first["data"] + second["data"]] == sorted(ids, reverse=True)
    assert second["next_cursor"] is None
    assert aws_calls.made == ["Query", "Query"]


def test_a_cursor_of_another_list_is_refused() -> None:
    answer = DATASETS.get("/datasets", cursor="bW9kZWxzOk5vbmUKeA")

    assert (answer.status, answer.pointers) == (400, ["query:cursor"])
