"""Captions that a training has proposed before it trains."""

import json
from typing import Any

import pytest

from lambdas.core import bucket, table
from lambdas.datasets import repository as datasets
from lambdas.trainings import creation
from lambdas.trainings.job_schema import Job
from tests.unit.fakes import png
from tests.unit.scenes import DATASETS, TRAININGS, completed, ready_dataset, ready_model

pytestmark = pytest.mark.usefixtures("aws_calls")

DEFAULTS = {
    "tagger": "wd14",
    "general_threshold": 0.35,
    "character_threshold": 0.35,
    "blacklist": [],
    "prepend": [],
    "append": [],
    "existing": "keep",
}


def body(captioning: Any, **changes: Any) -> dict[str, Any]:
    ready = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    return ready | {"captioning": captioning} | changes


def uncaptioned_dataset(name: str = "tusiji", content: bytes | None = None) -> str:
    """Make a dataset that wants captions and has none; return its id."""
    content = content or png(512, 512)
    files = [{"name": "a.png", "size": len(content)}]
    made = DATASETS.post("/datasets", {"name": name, "prefix": "10_tusiji", "files": files}).body
    dataset_id = str(made["dataset"]["id"])
    bucket.put(f"acme/datasets/{dataset_id}/10_tusiji/a.png", content)
    assert completed(dataset_id).body["status"] == "invalid"
    return dataset_id


def put_captions(training: dict[str, Any], dataset: int, count: int, words: str = "smile") -> None:
    """Leave what the job leaves."""
    dataset_id = training["datasets"][dataset]["id"]
    rows = [
        {"file_name": f"{n:05d} 兔.png", "tags": [words], "caption": f"x, {words}", "tagger": "wd"}
        for n in range(count)
    ]
    lines = [{"version": 1, "dataset_id": dataset_id, "images": count}, *rows]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    folder = f"acme/trainings/{training['id']}/checkpoints/captions/{dataset_id}"
    bucket.put(f"{folder}/captions.jsonl", text.encode())


def test_the_record_and_the_job_tell_the_captioning_with_its_defaults() -> None:
    ready_model(), ready_dataset()

    made = TRAININGS.post("/trainings", body({"prepend": [" tusiji "], "existing": "append"}))

    expected = DEFAULTS | {"prepend": ["tusiji"], "existing": "append"}
    assert (made.status, made.body["captioning"]) == (201, expected)
    assert TRAININGS.get(f"/trainings/{made.body['id']}").body["captioning"] == expected
    job = json.loads(bucket.read(f"acme/trainings/{made.body['id']}/input/job.json") or b"")
    assert job["captioning"] == expected


def test_a_training_without_captioning_has_none() -> None:
    ready_model(), ready_dataset()

    made = TRAININGS.post("/trainings", body(None)).body

    assert made["captioning"] is None
    answer = TRAININGS.get(f"/trainings/{made['id']}/captions")
    assert (answer.status, answer.body) == (200, {"data": [], "next_cursor": None})


@pytest.mark.parametrize(
    ("captioning", "pointer", "words"),
    [
        ({"tagger": "blip"}, "/captioning/tagger", "wd14"),
        ({"general_threshold": 0}, "/captioning/general_threshold", "0.01"),
        ({"character_threshold": 1.5}, "/captioning/character_threshold", "1"),
        ({"existing": "ask"}, "/captioning/existing", "keep"),
        ({"blacklist": ["a,b"]}, "/captioning/blacklist/0", "write two tags"),
        ({"prepend": ["ok", "  "]}, "/captioning/prepend/1", "is empty"),
        ({"append": ["a\nb"]}, "/captioning/append/0", "line end"),
        ({"blacklist": ["x" * 65]}, "/captioning/blacklist/0", "64"),
        ({"blacklist": [str(n) for n in range(201)]}, "/captioning/blacklist", "200"),
        ({"prepend": [str(n) for n in range(21)]}, "/captioning/prepend", "20"),
        ({"threshold": 0.5}, "/captioning/threshold", ""),
    ],
)
def test_what_is_wrong_with_captioning_is_named(captioning: Any, pointer: str, words: str) -> None:
    ready_model(), ready_dataset()
    for path in ("/trainings", "/trainings/validate"):
        answer = TRAININGS.post(path, body(captioning))

        assert answer.status == 422, answer
        (fault,) = answer.body["errors"]
        assert fault["pointer"] == pointer
        assert words in fault["message"]


def test_a_dataset_that_lacks_only_captions_will_do_with_captioning() -> None:
    ready_model()
    dataset_id = uncaptioned_dataset()

    refused = TRAININGS.post("/trainings", body(None))
    made = TRAININGS.post("/trainings", body({}))

    assert refused.status == 422
    assert refused.body["errors"] == [
        {
            "pointer": "/datasets/0/dataset",
            "message": "tusiji lacks captions: upload them and complete it, or set captioning",
        }
    ]
    assert (made.status, made.body["datasets"][0]["id"]) == (201, dataset_id)
    assert made.body["steps"]["images"] == 1


def test_captioning_does_not_make_up_for_unreadable_images() -> None:
    ready_model(), uncaptioned_dataset(content=b"no image")

    answer = TRAININGS.post("/trainings", body({}))

    assert answer.status == 422
    assert answer.body["errors"][0]["message"] == "tusiji is invalid: complete it first"


def test_a_dataset_that_is_being_checked_is_waited_for() -> None:
    ready_model()
    dataset_id = uncaptioned_dataset()
    DATASETS.post(f"/datasets/{dataset_id}/complete")

    answer = TRAININGS.post("/trainings", body(None))

    assert answer.body["errors"][0]["message"] == "tusiji is validating: wait until it is ready"


def test_a_dataset_that_is_deleted_meanwhile_will_not_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ready_model()
    key = datasets.key_of("acme", uncaptioned_dataset())
    put_job = creation.put_job

    def and_meanwhile(job: Job) -> None:
        put_job(job)
        table.write(table.Update(key, "SET #status = :status", {"status": "deleting"}))

    monkeypatch.setattr(creation, "put_job", and_meanwhile)
    answer = TRAININGS.post("/trainings", body({}))

    assert (answer.status, answer.body["code"]) == (409, "changed_meanwhile")


def test_validate_warns_where_there_is_nothing_to_caption() -> None:
    ready_model(), ready_dataset()

    kept = TRAININGS.post("/trainings/validate", body({})).body
    added = TRAININGS.post("/trainings/validate", body({"existing": "append"})).body

    assert kept["valid"] is added["valid"] is True
    assert any("tagger's time" in note for note in kept["estimate"]["notes"])
    assert [one["pointer"] for one in kept["warnings"]] == ["/captioning/existing"]
    assert added["warnings"] == []


def test_validate_warns_when_prepended_tags_would_be_shuffled_away() -> None:
    ready_model(), ready_dataset()
    captioning = {"existing": "replace", "prepend": ["a", "b"]}

    def warned(keep: int) -> list[str]:
        params = {"shuffle_caption": True, "keep_tokens": keep}
        told = TRAININGS.post("/trainings/validate", body(captioning, config_params=params)).body
        return [one["pointer"] for one in told["warnings"]]

    assert "/captioning/prepend" in warned(1)
    assert "/captioning/prepend" not in warned(2)


def test_captions_come_in_pages_through_all_datasets() -> None:
    ready_model(), ready_dataset("one"), ready_dataset("two"), ready_dataset("three")
    chosen = [{"dataset": name} for name in ("one", "two", "three")]
    training = TRAININGS.post("/trainings", body({}, datasets=chosen)).body
    put_captions(training, 0, 3)
    put_captions(training, 2, 2, "big_兔" * 100)

    pages, cursor = [], ""
    while cursor is not None:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        answer = TRAININGS.get(f"/trainings/{training['id']}/captions", **query)
        assert answer.status == 200, answer
        pages.append(answer.body["data"])
        cursor = answer.body["next_cursor"]

    found = [row for page in pages for row in page]
    assert all(len(page) <= 2 for page in pages)
    first, third = training["datasets"][0]["id"], training["datasets"][2]["id"]
    assert [(row["dataset_id"], row["file_name"]) for row in found] == [
        *((first, f"{n:05d} 兔.png") for n in range(3)),
        *((third, f"{n:05d} 兔.png") for n in range(2)),
    ]
    assert found[0]["tags"] == ["smile"]
    assert (found[0]["caption"], found[0]["tagger"]) == ("x, smile", "wd")


def test_the_captions_of_a_dataset_that_stands_twice_are_listed_once() -> None:
    ready_model(), ready_dataset()
    larger = {"dataset": "tusiji", "options": {"resolution": "768"}}
    chosen = [{"dataset": "tusiji"}, larger]
    training = TRAININGS.post("/trainings", body({}, datasets=chosen)).body
    put_captions(training, 0, 3)

    told = TRAININGS.get(f"/trainings/{training['id']}/captions").body

    assert (len(told["data"]), told["next_cursor"]) == (3, None)


def test_a_page_reads_no_more_than_a_part_of_a_large_object() -> None:
    ready_model(), ready_dataset()
    training = TRAININGS.post("/trainings", body({})).body
    put_captions(training, 0, 300, "x" * 10_000)

    names, cursor = [], ""
    while cursor is not None:
        query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        told = TRAININGS.get(f"/trainings/{training['id']}/captions", **query).body
        assert len(json.dumps(told)) < 6_000_000
        names += [row["file_name"] for row in told["data"]]
        cursor = told["next_cursor"]

    assert names == [f"{n:05d} 兔.png" for n in range(300)]


def test_a_cursor_of_another_list_is_refused() -> None:
    ready_model(), ready_dataset()
    made = [TRAININGS.post("/trainings", body({}, name=name)).body for name in ("a", "b")]
    put_captions(made[0], 0, 3)
    path = f"/trainings/{made[0]['id']}/captions"
    cursor = TRAININGS.get(path, limit="1").body["next_cursor"]

    other = TRAININGS.get(f"/trainings/{made[1]['id']}/captions", cursor=cursor)

    assert (other.status, other.body["code"]) == (400, "invalid_cursor")
    assert TRAININGS.get("/trainings/trn_00000000000000000000000000/captions").status == 404
