"""The worker killed at any call of an import or an arrival: it ends once, and nothing is left."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import moto.s3.models
import pytest

from lambdas.asset_worker import copying, fetching, model_import
from lambdas.asset_worker import handler as worker
from lambdas.core import bucket, clock
from lambdas.core.queue import Task
from lambdas.models import repository
from lambdas.training_status import handler as status
from tests.unit.fakes import LORA, AwsCalls, Context, Killed, kill_points, safetensors_file
from tests.unit.scenes import MODELS, left_behind, lose_messages, work
from tests.unit.test_arrivals import arrive, event_of
from tests.unit.web import Page, Web

KIB = 1024
LINK = "https://models.example.com/lora.safetensors"
FILE = safetensors_file({"w": [100 * KIB], **LORA})  # 200 KiB: four parts


@pytest.fixture(autouse=True)
def small_parts(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 1)
    monkeypatch.setattr(copying, "PART_SIZE", 64 * KIB)
    monkeypatch.setattr(fetching, "part_size", lambda _: 64 * KIB)
    web.pages[LINK] = Page(FILE)
    bucket.put("acme/inbox/lora.safetensors", FILE)


def left_but_inbox() -> list[str]:
    return [key for key in left_behind() if "/inbox/" not in key]


SOURCES = {"link": {"url": LINK}, "inbox": {"s3_uri": "s3://bucket/acme/inbox/lora.safetensors"}}


def begun(source: str, name: str = "a", **more: Any) -> str:
    sent = {"name": name, "type": "lora"} | SOURCES[source] | more
    model_id = MODELS.post("/models/import", sent).body["id"]
    lose_messages()
    return model_id


def deliver(model_id: str, context: Context | None = None) -> dict:
    """Hand the model's message to the worker, as the queue does a first time and again."""
    return send(Task(kind="import_model", workspace="acme", id=model_id).model_dump_json(), context)


def send(body: str, context: Context | None = None) -> dict:
    record = {"messageId": "1", "body": body, "eventSource": "aws:sqs"}
    return worker.handler({"Records": [record]}, context or Context())


def reconcile() -> None:
    worker.handler({"detail-type": "Reconcile"}, Context())


def minutes_pass(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    before = clock.now
    monkeypatch.setattr(clock, "now", lambda: before() + timedelta(minutes=minutes))


def model_of(model_id: str) -> dict:
    return MODELS.get(f"/models/{model_id}").body


def is_whole(model_id: str) -> bool:
    model, key = model_of(model_id), f"acme/models/{model_id}/lora.safetensors"
    assert (model["status"], model["size"]) == ("ready", len(FILE)), model
    assert model["import"]["bytes_done"] == model["import"]["bytes_total"] == len(FILE)
    assert left_but_inbox() == [key]
    return bucket.read(key) == FILE


def calls_of(aws_calls: AwsCalls, act: Callable[[], object]) -> int:
    aws_calls.reset()
    act()
    return len(aws_calls.made)


def killed_at(aws_calls: AwsCalls, call: int, act: Callable[[], object]) -> None:
    aws_calls.reset()
    aws_calls.kill_before = call
    with pytest.raises(Killed):
        act()
    aws_calls.reset()


@pytest.mark.parametrize("mended_by", ["redelivery", "reconciling"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_worker_killed_at_any_call_is_followed_by_one_that_ends_the_import(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, source: str, mended_by: str
) -> None:
    first = begun(source)
    calls = calls_of(aws_calls, lambda: deliver(first))
    assert is_whole(first)
    assert calls > 15
    MODELS.request("DELETE", f"/models/{first}")
    for call in kill_points(calls):
        model_id = begun(source)
        killed_at(aws_calls, call, lambda: deliver(model_id))  # noqa: B023
        minutes_pass(monkeypatch, 4)

        if mended_by == "redelivery":
            deliver(model_id)
        else:
            reconcile(), work()

        assert is_whole(model_id), call
        deliver(model_id), reconcile()
        assert is_whole(model_id)
        MODELS.request("DELETE", f"/models/{model_id}")
        assert left_but_inbox() == []


@pytest.mark.parametrize("source", SOURCES)
def test_an_import_that_ends_badly_and_is_killed_at_any_call_leaves_nothing(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    first = begun(source, sha256="0" * 64)
    calls = calls_of(aws_calls, lambda: deliver(first))
    for call in kill_points(calls):
        model_id = begun(source, sha256="0" * 64)
        killed_at(aws_calls, call, lambda: deliver(model_id))  # noqa: B023
        minutes_pass(monkeypatch, 6)

        deliver(model_id)
        status.handler({"detail-type": "Reconcile"}, Context())

        model = model_of(model_id)
        assert (model["status"], model["invalid_reason"]["code"]) == ("invalid", "wrong_sha256")
        assert left_but_inbox() == [], call
        assert "open_shard" not in repository.item_of("acme", model_id)


@pytest.mark.parametrize("source", SOURCES)
def test_a_model_deleted_at_any_moment_of_its_import_leaves_nothing(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    first = begun(source)
    calls = calls_of(aws_calls, lambda: deliver(first))
    MODELS.request("DELETE", f"/models/{first}")
    for call in kill_points(calls):
        model_id = begun(source)
        answers: list[int] = []
        delete = lambda: MODELS.request("DELETE", f"/models/{model_id}").status  # noqa: B023, E731
        aws_calls.reset()
        aws_calls.before(call, lambda: answers.append(delete()))  # noqa: B023
        deliver(model_id)
        minutes_pass(monkeypatch, 4)
        deliver(model_id), reconcile(), work()

        assert answers == [204]
        assert left_but_inbox() == [], call
        assert MODELS.get(f"/models/{model_id}").status == 404
        assert begun(source)  # its name is free
        MODELS.request("DELETE", f"/models/{MODELS.get('/models').body['data'][0]['id']}")


@pytest.mark.parametrize(
    "operation", ["UpdateItem", "TransactWriteItems", "UploadPart", "CreateMultipartUpload",
                  "CompleteMultipartUpload", "ListParts", "GetItem", "GetObject"]
)  # fmt: skip
def test_a_call_whose_answer_is_lost_makes_the_import_go_on_later(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    model_id = begun("link")
    aws_calls.reset()
    aws_calls.lost = {operation}
    deliver(model_id)
    aws_calls.reset()
    minutes_pass(monkeypatch, 4)

    deliver(model_id)

    assert is_whole(model_id)


def test_what_came_before_a_crash_is_not_fetched_again(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, web: Web
) -> None:
    model_id = begun("link")
    sent: list[str] = []
    noted = aws_calls.note

    def note(operation: str) -> None:
        if operation == "CompleteMultipartUpload" and not sent:
            sent.append(operation)
            raise Killed(operation)
        noted(operation)

    monkeypatch.setattr(aws_calls, "note", note)
    with pytest.raises(Killed):
        deliver(model_id)
    web.asked.clear()
    minutes_pass(monkeypatch, 4)

    deliver(model_id)

    assert web.asked == []
    assert is_whole(model_id)
    assert model_of(model_id)["sha256_checked"] is True


class Hurried(Context):
    """A context whose time is as good as over."""

    def get_remaining_time_in_millis(self) -> int:
        return 1000


@pytest.mark.parametrize("source", SOURCES)
def test_an_import_that_takes_longer_than_a_run_goes_on_by_messages(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, source: str, web: Web
) -> None:
    monkeypatch.setattr(copying, "AT_ONCE", 1)
    model_id = begun(source)
    runs = 0
    while model_of(model_id)["status"] == "importing":
        deliver(model_id, Hurried())
        runs += 1
        assert runs < 9

    assert runs > 1
    assert is_whole(model_id)
    starts = [span for span in web.body_requests() if span == "bytes=0-"]
    assert len(starts) == (source == "link")


def test_a_server_without_ranges_that_takes_longer_than_a_run_is_told_so(web: Web) -> None:
    web.pages[LINK] = Page(FILE, ranges=False)
    model_id = begun("link")

    deliver(model_id, Hurried())

    reason = model_of(model_id)["invalid_reason"]
    assert reason["code"] == "url_not_resumable"
    assert "inbox" in reason["message"]
    assert left_but_inbox() == []


def test_a_server_without_ranges_is_begun_anew_after_a_crash_but_not_for_ever(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, web: Web
) -> None:
    web.pages[LINK] = Page(FILE, ranges=False)
    whole, hopeless = begun("link"), begun("link", "b")
    killed_at(aws_calls, 9, lambda: deliver(whole))
    minutes_pass(monkeypatch, 4)
    deliver(whole)
    web.pages[LINK] = Page(FILE, ranges=False, cuts=[70 * KIB] * 9)
    for _ in range(4):
        deliver(hopeless)
        minutes_pass(monkeypatch, 30)

    assert model_of(hopeless)["invalid_reason"]["code"] == "url_not_resumable"
    assert is_whole(whole)


@pytest.mark.parametrize("answers_at", [2, 99])
def test_a_server_that_is_away_is_asked_again_later_and_then_given_up(
    monkeypatch: pytest.MonkeyPatch, web: Web, answers_at: int
) -> None:
    web.pages[LINK] = Page(status=503)
    model_id = begun("link")
    for tried in range(model_import.MOST_ATTEMPTS):
        if tried == answers_at:
            web.pages[LINK] = Page(FILE)
        assert model_of(model_id)["status"] == "importing" or tried > answers_at
        deliver(model_id)
        asked = len(web.asked)
        reconcile(), work()
        assert len(web.asked) == asked  # not before its pause is over
        minutes_pass(monkeypatch, 20)

    model = model_of(model_id)
    assert model["status"] == ("ready" if answers_at == 2 else "invalid")
    assert not model["invalid_reason"] or model["invalid_reason"]["code"] == "url_unavailable"


def test_a_server_that_sends_too_slowly_is_tried_again_and_then_given_up(
    monkeypatch: pytest.MonkeyPatch, web: Web
) -> None:
    monkeypatch.setattr(fetching, "SLOWEST_PART_SECONDS", -1)
    model_id = begun("link")
    for _ in range(model_import.MOST_ATTEMPTS + 1):  # the first look got further
        assert model_of(model_id)["status"] == "importing"
        deliver(model_id)
        minutes_pass(monkeypatch, 30)

    assert model_of(model_id)["invalid_reason"]["code"] == "url_too_slow"
    assert left_but_inbox() == []


def test_a_line_that_breaks_again_and_again_but_gets_further_is_not_given_up(
    monkeypatch: pytest.MonkeyPatch, web: Web
) -> None:
    monkeypatch.setattr(model_import, "MOST_ATTEMPTS", 2)
    model_id = begun("link")
    runs = 0
    while model_of(model_id)["status"] == "importing":
        web.pages[LINK].cuts = [70 * KIB, 0, 0, 0]
        deliver(model_id)
        minutes_pass(monkeypatch, 30)
        runs += 1

    assert runs > 2
    assert is_whole(model_id)


def test_a_model_whose_worker_died_while_it_was_deleted_leaves_nothing(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = begun("link")
    noted, died = aws_calls.note, []

    def note(operation: str) -> None:
        if operation == "UpdateItem" and not died:
            died.append(operation)
            with pytest.raises(Killed):
                deliver(model_id)
        if operation == "CompleteMultipartUpload":
            raise Killed(operation)
        noted(operation)

    monkeypatch.setattr(aws_calls, "note", note)

    assert MODELS.request("DELETE", f"/models/{model_id}").status == 204
    assert left_but_inbox() == []


def test_what_is_marked_for_deletion_is_not_imported_any_more(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, web: Web
) -> None:
    model_id = begun("link")
    killed_at(aws_calls, 2, lambda: MODELS.request("DELETE", f"/models/{model_id}"))
    assert model_of(model_id)["status"] == "deleting"

    deliver(model_id), minutes_pass(monkeypatch, 10), reconcile(), work()
    status.handler({"detail-type": "Reconcile"}, Context())

    assert web.asked == []
    assert MODELS.get(f"/models/{model_id}").status == 404


def test_an_import_that_breaks_off_again_and_again_ends_with_a_word_on_it(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = begun("link")
    for _ in range(model_import.MOST_ATTEMPTS):
        killed_at(aws_calls, 2, lambda: deliver(model_id))
        minutes_pass(monkeypatch, 4)

    deliver(model_id)

    assert model_of(model_id)["invalid_reason"]["code"] == "import_failed"


def test_an_import_that_nothing_came_of_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    model_id = begun("link")
    minutes_pass(monkeypatch, 8 * 24 * 60)

    reconcile(), work()

    assert model_of(model_id)["invalid_reason"]["code"] == "import_expired"
    assert begun("link")


def test_an_import_that_ends_before_its_upload_was_written_down_leaves_nothing(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = begun("link")
    noted = aws_calls.note

    def note(operation: str) -> None:
        if "CreateMultipartUpload" in aws_calls.made:
            raise Killed(operation)
        noted(operation)

    monkeypatch.setattr(aws_calls, "note", note)
    with pytest.raises(Killed):
        deliver(model_id)
    monkeypatch.setattr(aws_calls, "note", noted)
    assert left_but_inbox() != []
    minutes_pass(monkeypatch, 8 * 24 * 60)

    deliver(model_id)

    assert model_of(model_id)["invalid_reason"]["code"] == "import_expired"
    assert left_but_inbox() == []


def test_a_file_that_changes_while_it_is_fetched_is_told(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, web: Web
) -> None:
    web.pages[LINK] = Page(FILE, headers={"ETag": '"one"'})
    model_id = begun("link")
    deliver(model_id, Hurried())
    web.pages[LINK] = Page(FILE[:-2], headers={"ETag": '"two"'})

    deliver(model_id)

    assert model_of(model_id)["invalid_reason"]["code"] == "url_changed"
    assert left_but_inbox() == []


def test_a_model_that_is_renamed_meanwhile_keeps_its_new_name(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = begun("link", sha256="0" * 64)
    noted, done = aws_calls.note, []

    def note(operation: str) -> None:
        if operation == "TransactWriteItems" and not done:
            done.append(operation)
            assert MODELS.request("PATCH", f"/models/{model_id}", {"name": "b"}).status == 200
        noted(operation)

    monkeypatch.setattr(aws_calls, "note", note)
    deliver(model_id)

    assert model_of(model_id)["status"] == "invalid"
    assert begun("link", "a")
    assert begun("link", "b")


def test_an_arrival_killed_at_any_call_is_registered_once(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = event_of(arrive("first.safetensors", FILE))
    calls = calls_of(aws_calls, lambda: send(event))
    work()
    assert calls == 4
    for call in range(calls):
        event = event_of(arrive(f"arrived{call}.safetensors", FILE))
        killed_at(aws_calls, call, lambda: send(event))  # noqa: B023
        minutes_pass(monkeypatch, 4)

        send(event), reconcile(), work(), send(event)

        found = [
            one
            for one in MODELS.get("/models").body["data"]
            if one["name"].startswith(f"arrived{call}")
        ]
        assert [(one["name"], one["status"]) for one in found] == [(f"arrived{call}", "ready")]
    assert len(left_but_inbox()) == calls + 1
