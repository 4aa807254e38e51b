"""The worker killed at any call of a crop, an import, a deletion: it ends once and whole."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from lambdas.asset_worker import emptying, leases, preparing, validation
from lambdas.asset_worker import handler as worker
from lambdas.core import bucket, clock, table
from lambdas.core.queue import Kind, Task
from lambdas.core.table import Key
from tests.unit.fakes import AwsCalls, Context, Killed, kill_points
from tests.unit.pictures import encoded, picture
from tests.unit.scenes import DATASETS, completed, lose_messages, work
from tests.unit.test_dataset_check import uploaded
from tests.unit.test_dataset_library import delete, left_of

FILES = {
    **{f"{seed}.jpg": encoded(picture(seed, 260)) for seed in range(3)},
    **{f"{seed}.txt": b"a rabbit" for seed in range(3)},
}


@dataclass(frozen=True)
class Job:
    """A kind of work: how it is asked for, and how it is seen that it ended well."""

    kind: Kind
    begin: Callable[[int], str]
    ended_well: Callable[[str], None]


def cropping(number: int) -> str:
    original = _original()
    made = DATASETS.post(f"/datasets/{original}/crop", {"name": f"c{number}", "resolution": 128})
    return made.body["id"]


def _original() -> str:
    known = table.get(Key("acme#dataset#name", "original"))
    if known:
        return str(known["id"])
    dataset_id = uploaded(FILES, name="original")
    assert completed(dataset_id).body["status"] == "ready"
    return dataset_id


def cropped_well(dataset_id: str) -> None:
    work()
    dataset = DATASETS.get(f"/datasets/{dataset_id}").body
    folder = f"acme/datasets/{dataset_id}/"
    keys = [one.key.removeprefix(folder) for one in bucket.objects_under(folder)]
    assert dataset["status"] == "ready"
    assert dataset["report"]["sizes"] == [[128, 128, 3]]
    assert [one for one in keys if one.startswith("2_x/")] == sorted(f"2_x/{x}" for x in FILES)
    assert not list(table.query_all(f"{dataset['origin']['dataset_id']}#use"))
    assert DATASETS.get(f"/datasets/{dataset['origin']['dataset_id']}").body["status"] == "ready"
    assert len(DATASETS.get(f"/datasets/{dataset_id}/images").body["data"]) == 3


def importing(number: int) -> str:
    for path, data in _in_two_folders().items():
        bucket.put(f"acme/inbox/set/{path}", data)
    request = {"name": f"i{number}", "s3_uri": "s3://bucket/acme/inbox/set"}
    return DATASETS.post("/datasets/import", request).body["dataset"]["id"]


def _in_two_folders() -> dict[str, bytes]:
    """The same names in both, of other images."""
    own = {f"{stem}.{suffix}": f"{stem}.{suffix}" for stem in "01" for suffix in ("jpg", "txt")}
    other = {"0.jpg": "2.jpg", "0.txt": "2.txt"}
    return {
        **{f"1_y/{name}": FILES[source] for name, source in other.items()},
        **{f"2_x/{name}": FILES[source] for name, source in own.items()},
    }


def imported_well(dataset_id: str) -> None:
    work()
    dataset = DATASETS.get(f"/datasets/{dataset_id}").body
    folder = f"acme/datasets/{dataset_id}/"
    keys = [one.key.removeprefix(folder) for one in bucket.objects_under(folder)]
    lists = [one for one in keys if one.startswith("files/")]
    assert (dataset["status"], len(lists)) == ("ready", 1)
    assert [one for one in keys if one.startswith(("1_y/", "2_x/"))] == list(_in_two_folders())
    assert [one["images"] for one in dataset["report"]["subsets"]] == [1, 2]
    assert len(list(bucket.objects_under("acme/inbox/set/"))) == len(FILES)


def deleting(number: int) -> str:
    dataset_id = uploaded(FILES, name=f"original{number}")
    assert completed(dataset_id).body["status"] == "ready"
    assert delete(dataset_id).status == 202
    return dataset_id


def deleted_well(dataset_id: str) -> None:
    assert DATASETS.get(f"/datasets/{dataset_id}").status == 404
    assert left_of(dataset_id) == ["acme#dataset#gone"]


JOBS = [
    Job("crop_dataset", cropping, cropped_well),
    Job("import_dataset", importing, imported_well),
    Job("delete_dataset", deleting, deleted_well),
]
every_job = pytest.mark.parametrize("job", JOBS, ids=lambda job: job.kind)


@pytest.fixture(autouse=True)
def small_slices(aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "THREADS", 1)  # a process that is killed makes no more calls
    monkeypatch.setattr(preparing, "RENEWED_AT_EACH", 2)
    monkeypatch.setattr(emptying, "AT_ONCE", 2)
    monkeypatch.setattr(validation, "KEPT_AT_ONCE", 2)


def deliver(kind: Kind, dataset_id: str, context: Context | None = None) -> dict:
    task = Task(kind=kind, workspace="acme", id=dataset_id)
    record = {"messageId": "1", "body": task.model_dump_json(), "eventSource": "aws:sqs"}
    return worker.handler({"Records": [record]}, context or Context())


def reconcile() -> None:
    worker.handler({"detail-type": "Reconcile"}, Context())


def minutes_pass(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    before = clock.now
    monkeypatch.setattr(clock, "now", lambda: before() + timedelta(minutes=minutes))


def calls_of(job: Job, aws_calls: AwsCalls) -> int:
    dataset_id = job.begin(999)
    lose_messages()
    aws_calls.reset()
    deliver(job.kind, dataset_id)
    calls = len(aws_calls.made)
    job.ended_well(dataset_id)
    return calls


@every_job
@pytest.mark.parametrize("mended_by", ["redelivery", "reconciling"])
def test_a_worker_killed_at_any_call_is_followed_by_one_that_ends_the_work(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, mended_by: str, job: Job
) -> None:
    calls = calls_of(job, aws_calls)
    assert calls > 10
    for killed_before in kill_points(calls):
        aws_calls.reset()
        dataset_id = job.begin(killed_before)
        lose_messages()
        aws_calls.reset()
        aws_calls.kill_before = killed_before
        with pytest.raises(Killed):
            deliver(job.kind, dataset_id)
        aws_calls.reset()
        minutes_pass(monkeypatch, 6)

        if mended_by == "redelivery":
            deliver(job.kind, dataset_id)
        reconcile(), work()

        job.ended_well(dataset_id)
        deliver(job.kind, dataset_id), reconcile(), work()
        job.ended_well(dataset_id)


@every_job
@pytest.mark.parametrize(
    "operation",
    ["UpdateItem", "TransactWriteItems", "PutObject", "GetObject", "ListObjectsV2", "GetItem"],
)
def test_a_call_whose_answer_is_lost_makes_the_message_come_again(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, operation: str, job: Job
) -> None:
    dataset_id = job.begin(1)
    lose_messages()
    aws_calls.reset()
    aws_calls.lost = {operation}
    failed = deliver(job.kind, dataset_id)
    was_made = operation in aws_calls.made
    aws_calls.reset()
    minutes_pass(monkeypatch, 6)

    again = deliver(job.kind, dataset_id)
    reconcile(), work()

    assert failed["batchItemFailures"] == ([{"itemIdentifier": "1"}] if was_made else [])
    assert again == {"batchItemFailures": []}
    job.ended_well(dataset_id)


class Hurried(Context):
    """A context whose time is as good as over."""

    def get_remaining_time_in_millis(self) -> int:
        return 1000


@every_job
def test_work_that_takes_longer_than_a_run_goes_on_by_messages(
    aws_calls: AwsCalls, job: Job
) -> None:
    dataset_id = job.begin(1)
    lose_messages()
    aws_calls.reset()

    runs = 0
    while DATASETS.get(f"/datasets/{dataset_id}").body.get("status") in ("preparing", "deleting"):
        runs += 1
        deliver(job.kind, dataset_id, Hurried())

    assert runs >= 2
    assert aws_calls.made.count("SendMessage") >= runs - 1
    lose_messages()
    deliver("validate_dataset", dataset_id)
    job.ended_well(dataset_id)


@every_job
def test_of_two_workers_the_second_leaves_the_work_to_the_first(
    aws_calls: AwsCalls, job: Job
) -> None:
    dataset_id = job.begin(1)
    held = leases.take(Key("acme#dataset", dataset_id), job.kind)
    aws_calls.reset()

    answer = deliver(job.kind, dataset_id)

    assert held is not None
    assert (answer, aws_calls.made) == ({"batchItemFailures": []}, ["GetItem", "UpdateItem"])


def test_a_crop_that_breaks_off_again_and_again_ends_with_a_word_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset_id = cropping(1)
    original = DATASETS.get(f"/datasets/{dataset_id}").body["origin"]["dataset_id"]

    def breaks(*_: object) -> None:
        raise Killed("out of memory")

    monkeypatch.setattr("lambdas.asset_worker.crop.cropped", breaks)
    for _ in range(preparing.MOST_ATTEMPTS):
        with pytest.raises(Killed):
            deliver("crop_dataset", dataset_id)
        minutes_pass(monkeypatch, 4)
    deliver("crop_dataset", dataset_id)

    given_up = DATASETS.get(f"/datasets/{dataset_id}").body
    assert given_up["status"] == "invalid"
    assert [one["code"] for one in given_up["report"]["findings"]] == ["not_prepared"]
    assert delete(original).status == 202


def test_a_request_killed_at_any_call_deletes_or_leaves_the_dataset(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    for killed_before in range(4):
        dataset_id = uploaded(FILES, name=f"set{killed_before}")
        assert completed(dataset_id).body["status"] == "ready"
        aws_calls.reset()
        aws_calls.kill_before = killed_before
        with pytest.raises(Killed):
            delete(dataset_id)
        aws_calls.reset()
        minutes_pass(monkeypatch, 2)
        reconcile(), work()

        if killed_before < 2:
            assert DATASETS.get(f"/datasets/{dataset_id}").body["status"] == "ready"
        else:
            deleted_well(dataset_id)


@pytest.mark.parametrize("killed_before", [3, 4])  # before restoring, and before the answer
def test_a_request_killed_when_it_had_marked_a_used_dataset_is_mended_by_the_schedule(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, killed_before: int
) -> None:
    dataset_id = uploaded(FILES)
    completed(dataset_id)
    table.write(table.Put({"pk": f"{dataset_id}#use", "sk": "trn_1"}))
    aws_calls.reset()
    aws_calls.kill_before = killed_before
    with pytest.raises(Killed):
        delete(dataset_id)
    aws_calls.reset()
    minutes_pass(monkeypatch, 2)

    reconcile(), work()

    assert DATASETS.get(f"/datasets/{dataset_id}").body["status"] == "ready"
    assert delete(dataset_id).status == 409


def test_a_dataset_deleted_while_it_is_checked_is_left_by_the_one_that_checks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset_id = uploaded(FILES)
    DATASETS.post(f"/datasets/{dataset_id}/complete")
    through = leases.renew

    def overtaken(lease: leases.Lease) -> None:
        monkeypatch.setattr(leases, "renew", through)
        assert delete(dataset_id).status == 202
        deliver("delete_dataset", dataset_id)  # waits: the other may still be writing
        assert DATASETS.get(f"/datasets/{dataset_id}").body["status"] == "deleting"
        through(lease)

    monkeypatch.setattr(leases, "renew", overtaken)
    assert deliver("validate_dataset", dataset_id) == {"batchItemFailures": []}
    lose_messages()

    minutes_pass(monkeypatch, 4)
    reconcile(), work()

    deleted_well(dataset_id)


def test_a_used_dataset_that_was_being_checked_is_checked_after_all() -> None:
    dataset_id = uploaded(FILES)
    DATASETS.post(f"/datasets/{dataset_id}/complete")
    table.write(table.Put({"pk": f"{dataset_id}#use", "sk": "trn_1"}))

    assert delete(dataset_id).status == 409
    work()

    assert DATASETS.get(f"/datasets/{dataset_id}").body["status"] == "ready"


def test_two_deletions_at_once_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset_id = deleting(1)

    assert delete(dataset_id).status == 202
    work()

    deleted_well(dataset_id)


def test_the_sweep_killed_at_any_call_is_done_once_more(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    for killed_before in range(8):
        dataset_id = deleting(killed_before)
        work()
        bucket.put(f"acme/datasets/{dataset_id}/2_x/late.png", b"late")
        minutes_pass(monkeypatch, 75)
        reconcile(), lose_messages()
        aws_calls.reset()
        aws_calls.kill_before = killed_before
        try:
            deliver("sweep_dataset", dataset_id)
        except Killed:
            pass
        else:
            assert killed_before > 5
        aws_calls.reset()
        minutes_pass(monkeypatch, 6)
        reconcile(), work()

        assert left_of(dataset_id) == []
