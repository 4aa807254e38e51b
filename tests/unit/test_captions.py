"""Captions read and written, one and many: nobody's work is overwritten, and the file follows."""

from typing import Any

import pytest

from lambdas.core import bucket
from tests.unit.fakes import Answer, AwsCalls
from tests.unit.pictures import jpeg
from tests.unit.scenes import DATASETS, completed, work
from tests.unit.test_dataset_check import uploaded

pytestmark = pytest.mark.usefixtures("aws_calls")

FILES = {
    **{f"{seed}.jpg": jpeg(seed) for seed in range(3)},
    "0.txt": b"1girl, grey hair, solo",
    "1.txt": b"1girl, red scarf\n",
}


def dataset(policy: str = "subject", files: dict[str, bytes] | None = None) -> str:
    dataset_id = uploaded(files or FILES, caption_policy=policy)
    completed(dataset_id)
    return dataset_id


def listed(dataset_id: str) -> list[dict[str, Any]]:
    return DATASETS.get(f"/datasets/{dataset_id}/images").body["data"]


def path_of(dataset_id: str, index: int = 0) -> str:
    return f"/datasets/{dataset_id}/images/{listed(dataset_id)[index]['id']}/caption"


def put(path: str, text: str, **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return DATASETS.request("PUT", path, {"text": text}, sent)


def in_bucket(dataset_id: str, name: str) -> bytes | None:
    return bucket.read(f"acme/datasets/{dataset_id}/2_x/{name}")


def test_a_caption_is_read_with_its_etag_and_written_over_it() -> None:
    path = path_of(dataset_id := dataset())
    read = DATASETS.get(path)

    written = put(path, "1girl, silver hair", If_Match=read.headers["ETag"])

    assert read.body["text"] == "1girl, grey hair, solo"
    assert read.headers["ETag"] == f'"{read.body["etag"]}"'
    assert (written.status, written.body["text"]) == (200, "1girl, silver hair")
    assert written.headers["ETag"] == f'"{written.body["etag"]}"' != read.headers["ETag"]
    assert in_bucket(dataset_id, "0.txt") == b"1girl, silver hair"
    assert DATASETS.get(path).body == written.body
    assert listed(dataset_id)[0]["caption_etag"] == written.body["etag"]


def test_of_two_reviewers_the_second_is_told_and_nothing_of_his_is_written() -> None:
    path = path_of(dataset_id := dataset())
    seen = DATASETS.get(path).headers["ETag"]
    first = put(path, "first", If_Match=seen)

    second = put(path, "second", If_Match=seen)

    assert (second.status, second.body["code"]) == (412, "caption_changed")
    assert second.pointers == ["header:If-Match"]
    assert second.headers["ETag"] == first.headers["ETag"]
    assert in_bucket(dataset_id, "0.txt") == b"first"
    assert put(path, "second", If_Match=second.headers["ETag"]).status == 200
    assert put(path, "third", If_Match="*").status == 200


def test_replacing_a_caption_without_saying_which_is_a_428() -> None:
    path = path_of(dataset())

    answer = put(path, "mine")

    assert (answer.status, answer.body["code"]) == (428, "precondition_required")
    assert "If-Match" in answer.body["detail"]
    assert DATASETS.get(path).headers["ETag"] == answer.headers["ETag"]


@pytest.mark.parametrize("headers", [{}, {"If_None_Match": "*"}, {"If_Match": '"none"'}])
def test_the_first_caption_of_an_image_needs_no_etag(headers: dict[str, str]) -> None:
    path = path_of(dataset_id := dataset(), 2)
    before = DATASETS.get(path)

    answer = put(path, "a rabbit", **headers)

    assert (before.status, before.body["text"], before.body["etag"]) == (200, None, "none")
    assert answer.status == 200
    assert in_bucket(dataset_id, "2.txt") == b"a rabbit"
    assert put(path, "other", If_None_Match="*").status == 412


def test_a_repeat_whose_answer_was_lost_is_success_whatever_it_replaces() -> None:
    path = path_of(dataset_id := dataset())
    seen = DATASETS.get(path).headers["ETag"]
    put(path, "new", If_Match=seen)

    again = put(path, "new", If_Match=seen)

    assert (again.status, again.body["text"]) == (200, "new")
    versions = DATASETS.get(f"{path}/versions").body["versions"]
    assert [one["text"] for one in versions] == ["1girl, grey hair, solo"]
    assert in_bucket(dataset_id, "0.txt") == b"new"


def test_earlier_texts_are_kept_up_to_twenty_and_can_be_written_again() -> None:
    path = path_of(dataset_id := dataset())
    for number in range(25):
        assert put(path, f"text {number}", If_Match="*").status == 200

    found = DATASETS.get(f"{path}/versions").body

    assert found["current"]["text"] == "text 24"
    assert [one["text"] for one in found["versions"]] == [f"text {n}" for n in range(23, 3, -1)]
    assert {one["replaced_by"] for one in found["versions"]} == {"tok_1"}
    restored = put(path, found["versions"][-1]["text"], If_Match=f'"{found["current"]["etag"]}"')
    assert (restored.status, in_bucket(dataset_id, "0.txt")) == (200, b"text 4")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x" * 16_385, "16,384"),
        ("a\0b", "control"),
        ("", "caption_policy"),
        ("\nsecond line", "caption_policy"),
    ],
)
def test_a_text_that_is_no_caption_is_refused(text: str, told: str) -> None:
    path = path_of(dataset("required", {"0.jpg": jpeg(0), "0.txt": b"a rabbit"}))

    answer = put(path, text, If_Match="*")

    assert (answer.status, answer.pointers) == (422, ["/text"])
    assert told in answer.body["errors"][0]["message"]


def test_what_is_found_about_a_caption_is_what_the_check_would_find() -> None:
    path = path_of(dataset_id := dataset(), 2)

    written = put(path, "rabbit, " * 120)

    assert [one["code"] for one in listed(dataset_id)[2]["findings"]] == ["caption_too_long"]
    assert written.body["findings"] == listed(dataset_id)[2]["findings"]


def test_captions_of_a_dataset_that_is_not_checked_are_closed() -> None:
    dataset_id = uploaded(FILES)

    for answer in (
        put(f"/datasets/{dataset_id}/images/img_x/caption", "text"),
        DATASETS.request("PUT", f"/datasets/{dataset_id}/captions", writes([("img_x", "a", None)])),
        DATASETS.post(f"/datasets/{dataset_id}/captions/add-tag", {"tag": "x"}),
    ):
        assert (answer.status, answer.body["code"]) == (409, "captions_closed")


def test_an_image_or_a_dataset_that_does_not_exist_is_a_404() -> None:
    dataset_id = dataset()

    assert put(f"/datasets/{dataset_id}/images/img_x/caption", "text").status == 404
    assert DATASETS.get(f"/datasets/{dataset_id}/images/img_x/caption").status == 404
    assert DATASETS.get(f"/datasets/{dataset_id}/images/img_x/caption/versions").status == 404
    assert DATASETS.get("/datasets/ds_x/tags").status == 404


def writes(captions: list[tuple[str, str, str | None]]) -> dict:
    named = [{"image_id": one, "text": text, "etag": etag} for one, text, etag in captions]
    return {"captions": [{k: v for k, v in one.items() if v is not None} for one in named]}


def put_many(dataset_id: str, captions: list[tuple[str, str, str | None]]) -> Answer:
    return DATASETS.request("PUT", f"/datasets/{dataset_id}/captions", writes(captions))


def test_of_many_captions_those_that_others_changed_are_told_and_the_rest_is_written() -> None:
    dataset_id = dataset()
    ids, etags = zip(*((one["id"], one["caption_etag"]) for one in listed(dataset_id)), strict=True)
    put(path_of(dataset_id), "of another", If_Match="*")

    answer = put_many(
        dataset_id,
        [
            (ids[0], "mine", etags[0]),
            (ids[1], "1girl, red scarf\n", etags[1]),
            (ids[2], "兔", None),
        ],
    )

    assert answer.status == 200, answer
    assert [one["outcome"] for one in answer.body["results"]] == [
        *("conflict", "unchanged", "written")
    ]
    counts = [answer.body[name] for name in ("written", "unchanged", "conflicts")]
    assert counts == [1, 1, 1]
    told = answer.body["results"][0]
    assert (told["text"], told["etag"]) == ("of another", listed(dataset_id)[0]["caption_etag"])
    assert in_bucket(dataset_id, "0.txt") == b"of another"
    assert in_bucket(dataset_id, "2.txt") == "兔".encode()


def test_faults_of_many_captions_are_told_at_once_and_none_is_written(aws_calls: AwsCalls) -> None:
    dataset_id = dataset("required", FILES | {"2.txt": b"c"})
    ids = [one["id"] for one in listed(dataset_id)]
    aws_calls.reset()

    answer = put_many(
        dataset_id,
        [
            ("img_none", "a", None),
            (ids[0], "b", None),
            (ids[1], "c", "x"),
            (ids[1], "", "x"),
            (ids[2], "written", listed(dataset_id)[2]["caption_etag"]),
        ],
    )

    assert (answer.status, sorted(answer.pointers)) == (
        422,
        [
            *("/captions/0/image_id", "/captions/1/etag", "/captions/2/image_id"),
            *("/captions/3/image_id", "/captions/3/text"),
        ],
    )
    assert not {"TransactWriteItems", "PutObject", "UpdateItem"} & set(aws_calls.made)


def test_five_hundred_and_one_captions_are_too_many() -> None:
    answer = put_many("ds_x", [("img_x", "a", None)] * 501)

    assert (answer.status, answer.pointers) == (422, ["/captions"])


def test_an_invalid_dataset_is_ready_on_complete_when_its_captions_are_written() -> None:
    dataset_id = dataset("required")
    before = DATASETS.get(f"/datasets/{dataset_id}").body

    put(path_of(dataset_id, 2), "a rabbit")
    after = completed(dataset_id).body

    assert (before["status"], after["status"]) == ("invalid", "ready")
    assert (after["report"]["errors"], after["report"]["captions"]) == (0, 3)


def test_the_report_of_a_ready_dataset_follows_its_captions(aws_calls: AwsCalls) -> None:
    dataset_id = dataset("subject")
    before = DATASETS.get(f"/datasets/{dataset_id}").body
    aws_calls.reset()

    put_many(dataset_id, [(listed(dataset_id)[2]["id"], "rabbit, " * 120, None)])
    assert work() == 1
    after = DATASETS.get(f"/datasets/{dataset_id}").body
    whole = DATASETS.get(f"/datasets/{dataset_id}/report").body

    assert [one["code"] for one in before["report"]["findings"]] == ["missing_caption"]
    assert [one["code"] for one in after["report"]["findings"]] == ["caption_too_long"]
    assert (after["status"], after["report"]["captions"]) == ("ready", 3)
    assert whole["findings"] == after["report"]["findings"]


def test_the_report_of_an_invalid_dataset_follows_and_its_status_waits_for_complete() -> None:
    dataset_id = dataset("required")

    put_many(dataset_id, [(listed(dataset_id)[2]["id"], "rabbit", None)])
    work()
    after = DATASETS.get(f"/datasets/{dataset_id}").body

    assert (after["status"], after["report"]["errors"]) == ("invalid", 0)
    assert completed(dataset_id).body["status"] == "ready"


def test_a_caption_that_was_written_can_be_uploaded_in_its_place() -> None:
    dataset_id = dataset("required")
    put(path_of(dataset_id, 2), "written")

    asked = DATASETS.post(
        f"/datasets/{dataset_id}/uploads", {"files": [{"name": "2.txt", "size": 3}]}
    )
    bucket.put(f"acme/datasets/{dataset_id}/2_x/2.txt", b"new")

    assert [one["name"] for one in asked.body["uploads"]] == ["2.txt"]
    assert completed(dataset_id).body["status"] == "ready"
    assert listed(dataset_id)[2]["caption"] == "new"


def test_tags_are_counted_and_the_list_is_bounded() -> None:
    dataset_id = dataset()

    whole = DATASETS.get(f"/datasets/{dataset_id}/tags").body
    cut = DATASETS.get(f"/datasets/{dataset_id}/tags", limit="1").body

    assert whole["tags"] == [
        {"tag": "1girl", "images": 2},
        {"tag": "grey hair", "images": 1},
        {"tag": "red scarf", "images": 1},
        {"tag": "solo", "images": 1},
    ]
    assert (whole["images"], whole["captioned"], whole["distinct"]) == (3, 2, 4)
    assert (cut["tags"], cut["distinct"]) == (whole["tags"][:1], 4)
