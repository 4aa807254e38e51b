"""The process killed before any call of a write of captions: a repeat, or the schedule, mends it."""

import hashlib
from collections.abc import Callable

import pytest

from lambdas.asset_worker import service
from lambdas.core import clock
from lambdas.core.queue import Task
from lambdas.datasets import caption_edits, images, proposals
from lambdas.datasets.caption_text import etag_of
from tests.unit.fakes import AwsCalls, Killed, kill_points
from tests.unit.pictures import jpeg
from tests.unit.scenes import DATASETS, completed, lose_messages, work
from tests.unit.test_captions import dataset, in_bucket, listed, put_many
from tests.unit.test_dataset_check import uploaded
from tests.unit.test_dataset_faults import minutes_pass, reconcile

FILES = {
    **{f"{seed}.jpg": jpeg(seed) for seed in range(3)},
    "0.txt": b"gag",
    "1.txt": b"hat",
}


def in_step(dataset_id: str) -> bool:
    """Whether each file says what the table says, and nothing waits to be written."""
    for image in images.known(dataset_id):
        stored = in_bucket(dataset_id, image.name.replace(".jpg", ".txt"))
        if image.caption_unwritten or (stored or b"").decode() != (image.caption or ""):
            return False
    return True


def kill_each(
    aws_calls: AwsCalls, ask: Callable[[str], object], mend: Callable[[str], object]
) -> list[str]:
    """Kill `ask` before each of its calls, each time on a dataset of its own, and mend it."""
    first = dataset(files=FILES)
    aws_calls.reset()
    ask(first)
    calls = list(aws_calls.made)
    for killed_before in kill_points(len(calls)):
        aws_calls.reset()
        dataset_id = another(killed_before)
        aws_calls.reset()
        aws_calls.kill_before = killed_before
        with pytest.raises(Killed):
            ask(dataset_id)
        aws_calls.reset()
        mend(dataset_id)
        assert in_step(dataset_id), f"killed before {calls[killed_before]}, {killed_before}"
    return calls


def another(number: int) -> str:
    dataset_id = uploaded(FILES, name=f"set{number}", caption_policy="subject")
    completed(dataset_id)
    return dataset_id


def one_caption(dataset_id: str) -> None:
    image = next(iter(images.known(dataset_id)))
    path = f"/datasets/{dataset_id}/images/{image.id}/caption"
    sent = {"If-Match": f'"{read_before(b"gag")}"'}
    assert DATASETS.request("PUT", path, {"text": "new"}, sent).status == 200


def read_before(text: bytes) -> str:
    """Return the ETag that a client has read before anything went wrong."""
    return hashlib.sha256(text).hexdigest()[:32]


def texts(dataset_id: str) -> list[str | None]:
    return [image.caption for image in images.known(dataset_id)]


def test_one_caption_is_mended_by_a_repeat(aws_calls: AwsCalls) -> None:
    def mend(dataset_id: str) -> None:
        one_caption(dataset_id)
        assert texts(dataset_id)[0] == "new"

    calls = kill_each(aws_calls, one_caption, mend)

    assert calls[-3:] == ["TransactWriteItems", "PutObject", "UpdateItem"]


def test_one_caption_is_mended_by_the_worker(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mend(dataset_id: str) -> None:
        was_accepted = texts(dataset_id)[0] == "new"
        lose_messages()
        minutes_pass(monkeypatch, 2)
        reconcile()
        assert work() >= was_accepted

    kill_each(aws_calls, one_caption, mend)


def many_captions(dataset_id: str) -> None:
    ids = [image.id for image in images.known(dataset_id)]
    etags = [read_before(text) for text in (b"gag", b"hat")]
    wanted = [(ids[0], "new 0", etags[0]), (ids[1], "new 1", etags[1]), (ids[2], "new 2", None)]
    answer = put_many(dataset_id, wanted)
    assert answer.body["conflicts"] == 0


def test_many_captions_are_mended_by_a_repeat(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mend(dataset_id: str) -> None:
        many_captions(dataset_id)
        assert texts(dataset_id) == ["new 0", "new 1", "new 2"]

    calls = kill_each(aws_calls, many_captions, mend)

    assert calls.count("PutObject") == 3


def test_an_edit_that_was_cut_off_goes_on_and_does_nothing_twice(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caption_edits, "AT_ONCE", 1)

    def replace(dataset_id: str) -> None:
        body = {"find": "g", "replace": "gg"}
        assert DATASETS.post(f"/datasets/{dataset_id}/captions/replace", body).status == 200

    def mend(dataset_id: str) -> None:
        lose_messages()
        for _ in range(3):
            minutes_pass(monkeypatch, 6)
            reconcile()
            work()
        told = DATASETS.get(f"/datasets/{dataset_id}/captions/edit")
        if told.status == 404:  # it died before anything was written
            assert texts(dataset_id) == ["gag", "hat", None]
            return
        assert (told.body["status"], told.body["changed"]) == ("done", 1)
        assert texts(dataset_id) == ["ggagg", "hat", None]

    calls = kill_each(aws_calls, replace, mend)

    assert len(calls) > 15


def test_the_worker_that_settles_is_killed_at_any_call_and_another_ends_it(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle(dataset_id: str) -> None:
        if texts(dataset_id)[2] is None:
            put_many(dataset_id, [(listed(dataset_id)[2]["id"], "rabbit, " * 120, None)])
        minutes_pass(monkeypatch, 6)
        service.do(Task(kind="settle_captions", workspace="acme", id=dataset_id), 1e12)

    def mend(dataset_id: str) -> None:
        lose_messages()
        minutes_pass(monkeypatch, 6)
        settle(dataset_id)
        work()
        report = DATASETS.get(f"/datasets/{dataset_id}").body["report"]
        assert [one["code"] for one in report["findings"]] == ["caption_too_long"]

    kill_each(aws_calls, settle, mend)


def test_a_stored_proposal_that_is_accepted_is_mended_by_the_worker(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accept(dataset_id: str) -> None:
        propose(dataset_id)
        body = {"image_ids": [image.id for image in images.known(dataset_id)]}
        assert DATASETS.post(f"/datasets/{dataset_id}/proposals/accept", body).status == 200

    def mend(dataset_id: str) -> None:
        lose_messages()
        minutes_pass(monkeypatch, 2)
        reconcile()
        work()
        left = proposals.from_page(proposals.page(dataset_id, 10, None))
        was_accepted = [text == "proposed" for text in texts(dataset_id)]
        assert all(was_accepted) or not any(was_accepted)
        assert not (any(was_accepted) and left)

    kill_each(aws_calls, accept, mend)


def propose(dataset_id: str) -> None:
    """Store proposals for all images, at once so that it is one call."""
    proposals.keep(
        dataset_id,
        [
            proposals.Proposal(
                image_id=image.id,
                name=image.name,
                text="proposed",
                tags=(),
                tagger="wd14",
                training_id="trn_1",
                base=etag_of(image),
                proposed_at=clock.now(),
            )
            for image in images.known(dataset_id)
        ],
    )
