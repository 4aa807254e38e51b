"""Captions that several write at once: table and file end with the same text, whoever was last."""

from collections.abc import Callable

import pytest

from lambdas.asset_worker import leases, settling
from lambdas.core import bucket
from lambdas.datasets import caption_files, images
from tests.unit.fakes import AwsCalls
from tests.unit.scenes import DATASETS, lose_messages, work
from tests.unit.test_captions import dataset, in_bucket, listed, path_of, put, put_many

pytestmark = pytest.mark.usefixtures("aws_calls")

FIRST = "1girl, grey hair, solo"


def before_the_file(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Have something happen once, between a caption's way into the table and into its file."""
    through, once = bucket.put_text, iter([True])

    def put_text(key: str, body: bytes, *, replacing: str | None) -> str | None:
        if next(once, False):
            happens()
        return through(key, body, replacing=replacing)

    monkeypatch.setattr(bucket, "put_text", put_text)


@pytest.mark.parametrize("other", ["of another", FIRST])
def test_the_file_of_a_slow_writer_gives_way_to_what_was_accepted_after_it(
    monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    path = path_of(dataset_id := dataset())
    answered = []
    before_the_file(monkeypatch, lambda: answered.append(put(path, other, If_Match="*").status))

    answer = put(path, "slow", If_Match="*")

    assert (answer.status, answered) == (200, [200])
    assert DATASETS.get(path).body["text"] == other
    assert in_bucket(dataset_id, "0.txt") == other.encode()
    assert not any(image.caption_unwritten for image in images.known(dataset_id))


def test_a_file_that_is_not_the_one_of_the_record_is_replaced_when_its_caption_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = path_of(dataset_id := dataset())
    bucket.put(f"acme/datasets/{dataset_id}/2_x/0.txt", b"put there by hand")

    answer = put(path, "new", If_Match="*")

    assert (answer.status, in_bucket(dataset_id, "0.txt")) == (200, b"new")


def test_a_file_that_went_is_written_anew() -> None:
    path = path_of(dataset_id := dataset())
    bucket.delete(f"acme/datasets/{dataset_id}/2_x/0.txt")

    assert put(path, "new", If_Match="*").status == 200
    assert in_bucket(dataset_id, "0.txt") == b"new"


def test_a_caption_that_others_keep_changing_is_kept_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = path_of(dataset_id := dataset())
    monkeypatch.setattr(bucket, "put_text", lambda *_, **__: None)

    answer = put(path, "new", If_Match="*")
    monkeypatch.undo()

    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert put(path, "new", If_Match="*").status == 200
    assert in_bucket(dataset_id, "0.txt") == b"new"


def test_a_check_brings_the_file_up_to_what_was_accepted_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset_id = dataset("required")
    monkeypatch.setattr(caption_files, "_ATTEMPTS", 0)
    assert put(path_of(dataset_id, 2), "accepted").status == 503
    monkeypatch.undo()
    assert in_bucket(dataset_id, "2.txt") is None

    DATASETS.post(f"/datasets/{dataset_id}/complete")
    work()

    assert in_bucket(dataset_id, "2.txt") == b"accepted"
    assert DATASETS.get(f"/datasets/{dataset_id}").body["status"] == "ready"


def test_a_check_that_begins_in_between_closes_the_captions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset_id = dataset("required")
    path = path_of(dataset_id, 0)
    through = images.find

    def find(*arguments: str) -> images.Image | None:
        monkeypatch.setattr(images, "find", through)
        DATASETS.post(f"/datasets/{dataset_id}/complete")
        return through(*arguments)

    monkeypatch.setattr(images, "find", find)

    answer = put(path, "late", If_Match="*")

    assert (answer.status, answer.body["code"]) == (409, "captions_closed")
    assert DATASETS.get(path).body["text"] == FIRST


def test_what_changes_while_the_worker_settles_is_settled_after_it(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_id = dataset()
    last = listed(dataset_id)[2]
    put_many(dataset_id, [(last["id"], "rabbit, " * 120, None)])
    through = leases.take

    def take(*arguments: object) -> leases.Lease | None:
        taken = through(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(leases, "take", through)
        put(path_of(dataset_id, 0), "line\nand line", If_Match="*")
        return taken

    monkeypatch.setattr(leases, "take", take)
    lose_messages()

    settling.settle("acme", dataset_id, 0)
    settling.settle("acme", dataset_id, 0)

    found = DATASETS.get(f"/datasets/{dataset_id}").body["report"]["findings"]
    assert [one["code"] for one in found] == ["caption_too_long", "caption_lines"]
    aws_calls.reset()
    settling.settle("acme", dataset_id, 0)
    assert aws_calls.made == ["GetItem"]
