"""Changing, exporting and deleting datasets."""

from datetime import datetime, timedelta

import pytest

from lambdas.asset_worker import handler as worker
from lambdas.core import bucket, clock, table
from lambdas.core.table import Key
from tests.unit.fakes import Answer, AwsCalls, Client, Context
from tests.unit.scenes import DATASETS, TRAININGS, ready_dataset, ready_model, work

pytestmark = pytest.mark.usefixtures("aws_calls")

OTHERS = Client(DATASETS.handler, workspace="other")


def patch(dataset_id: str, body: dict, if_match: str | None = None) -> Answer:
    headers = {"If-Match": if_match} if if_match else {}
    return DATASETS.request("PATCH", f"/datasets/{dataset_id}", body, headers)


def delete(dataset_id: str) -> Answer:
    return DATASETS.request("DELETE", f"/datasets/{dataset_id}")


def hours_pass(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    before = clock.now
    monkeypatch.setattr(clock, "now", lambda: before() + timedelta(hours=hours))


def reconcile() -> None:
    worker.handler({"detail-type": "Reconcile"}, Context())


def left_of(dataset_id: str) -> list[str]:
    """Everything of a dataset that is still in the bucket or in the table, the note included."""
    stored = [one.key for one in bucket.objects_under(f"acme/datasets/{dataset_id}/")]
    partitions = [f"{dataset_id}#{kind}" for kind in ("image", "use", "caption", "proposal")]
    items = [str(item["sk"]) for pk in partitions for item in table.query_all(pk)]
    for pk in ("acme#dataset", "acme#dataset#gone", "acme#captions", "acme#caption_edit"):
        items += [pk for item in [table.get(Key(pk, dataset_id))] if item]
    names = table.query_all("acme#dataset#name")
    return [*stored, *items, *(str(one["sk"]) for one in names if one["id"] == dataset_id)]


def test_a_dataset_is_renamed_and_its_old_name_is_free_at_once() -> None:
    dataset_id = ready_dataset("old")

    changed = patch(dataset_id, {"name": "new", "description": "Rabbits.", "tags": ["a", "a"]})

    assert changed.status == 200
    assert (changed.body["name"], changed.body["tags"]) == ("new", ["a"])
    assert changed.headers["ETag"].startswith('"2-')
    assert DATASETS.get(f"/datasets/{dataset_id}").body == changed.body
    assert ready_dataset("old") != dataset_id


def test_a_name_that_is_in_use_is_refused_and_nothing_changes() -> None:
    ready_dataset("taken")
    dataset_id = ready_dataset("mine")

    answer = patch(dataset_id, {"name": "taken", "description": "x"})

    assert (answer.status, answer.body["code"], answer.pointers) == (409, "name_taken", ["/name"])
    assert DATASETS.get(f"/datasets/{dataset_id}").body["description"] == ""


def test_of_two_people_who_change_a_dataset_the_second_is_told() -> None:
    dataset_id = ready_dataset()
    etag = DATASETS.get(f"/datasets/{dataset_id}").headers["ETag"]

    first = patch(dataset_id, {"description": "mine"}, etag)
    second = patch(dataset_id, {"description": "yours"}, etag)
    again = patch(dataset_id, {"description": "mine"}, etag)

    assert (first.status, second.status, again.status) == (200, 412, 200)
    assert patch(dataset_id, {"tags": ["x"]}, second.headers["ETag"]).status == 200
    assert patch(dataset_id, {"tags": ["y"]}, first.headers["ETag"]).status == 412
    assert patch(dataset_id, {"tags": ["z"]}, "2").body["code"] == "invalid_etag"


def test_a_change_that_comes_between_reading_and_writing_is_not_overwritten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset_id = ready_dataset()
    etag = DATASETS.get(f"/datasets/{dataset_id}").headers["ETag"]
    through = table.transact

    def overtaken(writes: list) -> None:
        monkeypatch.setattr(table, "transact", through)
        assert patch(dataset_id, {"description": "quicker"}).status == 200
        through(writes)

    monkeypatch.setattr(table, "transact", overtaken)

    assert patch(dataset_id, {"description": "slower"}, etag).status == 412
    assert DATASETS.get(f"/datasets/{dataset_id}").body["description"] == "quicker"


def test_a_change_of_nothing_is_refused() -> None:
    answer = patch(ready_dataset(), {"name": None})

    assert (answer.status, answer.body["errors"][0]["message"]) == (
        422,
        "name, description or tags: give at least one that is not null",
    )


def test_an_export_names_every_file_with_size_checksums_and_a_url_of_an_hour() -> None:
    dataset_id = ready_dataset(images=3)

    export = DATASETS.get(f"/datasets/{dataset_id}/export").body

    assert [one["path"] for one in export["data"]] == sorted(
        f"10_tusiji/{index}.{suffix}" for index in range(3) for suffix in ("png", "txt")
    )
    image, caption = export["data"][:2]
    assert len(image["sha256"]) == 64
    assert (caption["size"], caption["sha256"], caption["etag"]) == (
        3,
        None,
        "900150983cd24fb0d6963f7d28e17f72",  # MD5 of abc
    )
    expires = datetime.fromisoformat(image["download"]["expires_at"])
    assert expires <= clock.later(3600)
    assert export["next_cursor"] is None


def test_an_export_goes_on_where_its_page_ended() -> None:
    dataset_id = ready_dataset(images=3)
    paths: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = DATASETS.get(f"/datasets/{dataset_id}/export", limit="2", **cursor).body
        paths += [one["path"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert len(paths) == len(set(paths)) == 6


def test_a_deleted_dataset_leaves_nothing_and_frees_its_name() -> None:
    dataset_id = ready_dataset("gone")
    for kind in ("caption", "proposal"):
        table.put_all([{"pk": f"{dataset_id}#{kind}", "sk": "img_1"}])
    table.put_all([{"pk": "acme#captions", "sk": dataset_id}])

    answer = delete(dataset_id)

    assert (answer.status, answer.body["status"]) == (202, "deleting")
    assert DATASETS.get(f"/datasets/{dataset_id}").body["status"] == "deleting"
    work()
    assert DATASETS.get(f"/datasets/{dataset_id}").status == 404
    assert left_of(dataset_id) == ["acme#dataset#gone"]
    assert ready_dataset("gone") != dataset_id
    assert delete(dataset_id).status == 404


def test_what_is_uploaded_late_for_a_deleted_dataset_is_swept_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset_id = ready_dataset()
    delete(dataset_id), work()
    bucket.put(f"acme/datasets/{dataset_id}/10_tusiji/late.png", b"by a URL of before")
    reconcile()
    assert work() == 0

    hours_pass(monkeypatch, 1.2)
    reconcile()
    assert work() == 1

    assert left_of(dataset_id) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", ""),
        ("POST", "/uploads"),
        ("POST", "/complete"),
        ("POST", "/crop"),
        ("GET", "/report"),
        ("GET", "/images"),
        ("GET", "/export"),
    ],
)
def test_a_dataset_that_is_being_deleted_is_there_for_nothing_else(method: str, path: str) -> None:
    dataset_id = ready_dataset()
    delete(dataset_id)
    bodies = {"PATCH": {"description": "x"}, "/crop": {"name": "c", "resolution": 512}}
    body = bodies.get(method) or bodies.get(path)

    answer = DATASETS.request(method, f"/datasets/{dataset_id}{path}", body)

    assert answer.status == 404
    assert delete(dataset_id).status == 202


def test_a_dataset_of_another_workspace_is_not_there() -> None:
    dataset_id = ready_dataset()

    for method, path in [("DELETE", ""), ("GET", "/export")]:
        assert OTHERS.request(method, f"/datasets/{dataset_id}{path}").status == 404
    crop = {"name": "c", "resolution": 512}
    assert OTHERS.post(f"/datasets/{dataset_id}/crop", crop).status == 404


def test_a_dataset_that_a_training_uses_stays_and_the_training_is_named() -> None:
    dataset_id = ready_dataset()
    ready_model()
    training = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    training_id = TRAININGS.post("/trainings", training).body["id"]

    answer = delete(dataset_id)

    assert (answer.status, answer.body["code"]) == (409, "dataset_in_use")
    assert f"the training style ({training_id})" in answer.body["detail"]
    work(), reconcile()
    assert DATASETS.get(f"/datasets/{dataset_id}").body["status"] == "ready"
    assert patch(dataset_id, {"description": "as before"}).status == 200


def test_a_dataset_is_deleted_before_it_is_uploaded_and_while_it_waits_for_its_check() -> None:
    for complete in (False, True):
        made = DATASETS.post(
            "/datasets", {"name": "x", "prefix": "1_x", "files": [{"name": "a.png", "size": 3}]}
        ).body["dataset"]
        if complete:
            bucket.put(f"acme/datasets/{made['id']}/1_x/a.png", b"abc")
            assert DATASETS.post(f"/datasets/{made['id']}/complete").status == 202

        assert delete(made["id"]).status == 202
        work()

        assert left_of(made["id"]) == ["acme#dataset#gone"]


def test_asking_for_a_deletion_takes_four_calls_and_one_to_record_it(aws_calls: AwsCalls) -> None:
    dataset_id = ready_dataset()
    aws_calls.reset()

    delete(dataset_id)

    recorded = "TransactWriteItems"
    assert aws_calls.made == ["GetItem", "UpdateItem", "Query", "SendMessage", recorded]
