"""Changes of a whole set: tried first, done once, ended by the worker where time is short."""

import pytest

from lambdas.datasets import caption_edits, reviewing
from tests.unit.fakes import Answer
from tests.unit.pictures import jpeg
from tests.unit.scenes import DATASETS, work
from tests.unit.test_captions import dataset, in_bucket, listed, path_of, put

pytestmark = pytest.mark.usefixtures("aws_calls")


def edit(dataset_id: str, verb: str, **body: object) -> Answer:
    return DATASETS.post(f"/datasets/{dataset_id}/captions/{verb}", body)


def texts(dataset_id: str) -> list[str | None]:
    return [one["caption"] for one in listed(dataset_id)]


def in_files(dataset_id: str) -> list[str | None]:
    found = [in_bucket(dataset_id, f"{index}.txt") for index in range(3)]
    return [None if one is None else one.decode() for one in found]


@pytest.mark.parametrize(
    ("verb", "body", "expected"),
    [
        (
            "replace",
            {"find": "grey hair", "replace": "silver hair"},
            ["1girl, silver hair, solo", "1girl, red scarf\n", None],
        ),
        (
            "replace",
            {"find": "solo", "replace": "", "whole_tags": True},
            ["1girl, grey hair", "1girl, red scarf\n", None],
        ),
        (
            "replace",
            {"find": "girl", "replace": "x", "whole_tags": True},
            ["1girl, grey hair, solo", "1girl, red scarf\n", None],
        ),
        (
            "add-tag",
            {"tag": " tusiji "},
            ["tusiji, 1girl, grey hair, solo", "tusiji, 1girl, red scarf\n", "tusiji"],
        ),
        (
            "add-tag",
            {"tag": "solo", "position": "end"},
            ["1girl, grey hair, solo", "1girl, red scarf, solo\n", "solo"],
        ),
        ("remove-tag", {"tag": "1girl"}, ["grey hair, solo", "red scarf\n", None]),
    ],
)
def test_captions_are_changed_as_asked_and_a_dry_run_tells_it_before(
    verb: str, body: dict, expected: list[str | None]
) -> None:
    dataset_id = dataset()
    before = texts(dataset_id)
    changed = sum(one != other for one, other in zip(before, expected, strict=True))

    tried = edit(dataset_id, verb, **body, dry_run=True)
    untouched = texts(dataset_id)
    done = edit(dataset_id, verb, **body)

    assert (tried.status, tried.body["status"], tried.body["changed"]) == (200, "dry_run", changed)
    assert untouched == before
    assert (done.status, done.body["status"], done.body["changed"]) == (200, "done", changed)
    assert done.body["examples"] == tried.body["examples"]
    assert texts(dataset_id) == in_files(dataset_id) == expected
    assert DATASETS.get(f"/datasets/{dataset_id}/captions/edit").body == done.body


def test_a_caption_that_would_be_empty_is_skipped_and_told() -> None:
    files = {"0.jpg": jpeg(0), "0.txt": b"solo", "1.jpg": jpeg(1), "1.txt": b"solo, hat"}
    dataset_id = dataset("required", files)

    done = edit(dataset_id, "remove-tag", tag="solo").body

    assert (done["changed"], done["skipped"]) == (1, 1)
    assert [(one["name"], one["reason"]) for one in done["skipped_images"]] == [
        ("0.jpg", "would_be_empty")
    ]
    assert texts(dataset_id) == ["solo", "hat"]


@pytest.mark.parametrize(
    ("verb", "body", "pointers"),
    [
        ("replace", {"find": "", "replace": "x"}, ["/find"]),
        ("replace", {"replace": "x", "other": 1}, ["/find", "/other"]),
        ("add-tag", {"tag": "a, b", "position": "middle"}, ["/position", "/tag"]),
        ("remove-tag", {"tag": "  "}, ["/tag"]),
    ],
)
def test_what_can_not_be_done_is_refused_with_every_fault(
    verb: str, body: dict, pointers: list[str]
) -> None:
    answer = edit(dataset(), verb, **body)

    assert (answer.status, sorted(answer.pointers)) == (422, pointers)


def test_an_edit_that_takes_longer_than_a_request_goes_on_in_the_background(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(caption_edits, "AT_ONCE", 1)
    monkeypatch.setattr(reviewing, "_SECONDS", -1)
    dataset_id = dataset()

    begun = edit(dataset_id, "add-tag", tag="x").body
    other = edit(dataset_id, "add-tag", tag="y")
    work()
    ended = DATASETS.get(f"/datasets/{dataset_id}/captions/edit").body

    assert (begun["status"], begun["looked_at"]) == ("running", 1)
    assert (other.status, other.body["code"]) == (409, "captions_busy")
    assert (ended["status"], ended["looked_at"], ended["changed"]) == ("done", 3, 3)
    assert in_files(dataset_id) == ["x, 1girl, grey hair, solo", "x, 1girl, red scarf\n", "x"]


def test_a_request_that_is_repeated_with_its_key_changes_nothing_twice() -> None:
    dataset_id = dataset()
    path, body = f"/datasets/{dataset_id}/captions/replace", {"find": "g", "replace": "gg"}

    first, again = (DATASETS.post(path, body, key="k") for _ in range(2))

    assert (first.status, first.body) == (again.status, again.body)
    assert texts(dataset_id)[0] == "1ggirl, ggrey hair, solo"
    edit(dataset_id, "add-tag", tag="x")
    assert DATASETS.post(path, body, key="k").body["code"] == "edit_replaced"


def test_a_caption_that_is_changed_while_an_edit_runs_is_edited_as_it_is_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset_id = dataset()
    path = path_of(dataset_id)
    through = caption_edits.caption_steps.plan
    once = iter([True])

    def overtaken(*arguments: object, **named: object) -> object:
        planned = through(*arguments, **named)  # type: ignore[arg-type]
        if next(once, False):
            assert put(path, "of a person", If_Match="*").status == 200
        return planned

    monkeypatch.setattr(caption_edits.caption_steps, "plan", overtaken)

    done = edit(dataset_id, "add-tag", tag="x").body

    assert (done["changed"], done["skipped"], done["looked_at"]) == (3, 0, 3)
    assert texts(dataset_id)[0] == in_files(dataset_id)[0] == "x, of a person"


def test_a_set_that_was_never_edited_has_no_edit() -> None:
    assert DATASETS.get(f"/datasets/{dataset()}/captions/edit").status == 404
