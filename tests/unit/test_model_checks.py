"""Large models held to their SHA-256 by the worker, which is killed at any call of it."""

import hashlib
from collections.abc import Iterator
from typing import Any

import moto.s3.models
import pytest
from botocore.exceptions import ReadTimeoutError

from lambdas.asset_worker import copying, fetching, model_check, model_imports
from lambdas.asset_worker import handler as worker
from lambdas.core import aws, bucket
from lambdas.core.queue import Task
from lambdas.models import checks, repository
from tests.unit.fakes import LORA, SD_1_5, AwsCalls, Context, kill_points, safetensors_file
from tests.unit.scenes import MODELS, TRAININGS, left_behind, lose_messages, ready_dataset, work
from tests.unit.test_import_faults import (
    LINK,
    Hurried,
    calls_of,
    killed_at,
    minutes_pass,
    model_of,
    reconcile,
)
from tests.unit.web import Page, Web

KIB = 1024
FILE = safetensors_file({"w": [100 * KIB], **LORA})  # 200 KiB: four pieces
DIGEST = hashlib.sha256(FILE).hexdigest()
WRONG = "0" * 64


@pytest.fixture(autouse=True)
def large_from_ten_bytes_on(aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MOST_BYTES_HASHED", 10)
    monkeypatch.setattr(bucket, "_CHUNK", 64 * KIB)
    monkeypatch.setattr(model_imports, "TOLD_EVERY_SECONDS", 0)


def uploaded(sha256: str = DIGEST, content: bytes = FILE, **more: Any) -> str:
    """Make a model and put its one part; return its id."""
    wanted = {"name": "big", "type": "lora", "file_name": "b.safetensors", "size": len(content)}
    made = MODELS.post("/models", wanted | {"sha256": sha256} | more)
    assert made.status == 201, made
    model, upload = repository.get_upload("acme", made.body["model"]["id"])
    assert upload
    aws.s3().upload_part(
        Bucket="bucket",
        Key=repository.file_key("acme", model),
        UploadId=upload.upload_id,
        PartNumber=1,
        Body=content,
    )
    return model.id


def complete(model_id: str) -> dict:
    answer = MODELS.post(f"/models/{model_id}/complete")
    assert answer.status == 200, answer
    return answer.body


def checking(sha256: str = DIGEST, **more: Any) -> str:
    """Return the id of a model that waits to be checked, its message lost."""
    model_id = uploaded(sha256, **more)
    assert complete(model_id)["status"] == "checking"
    lose_messages()
    return model_id


def deliver(model_id: str, context: Context | None = None) -> dict:
    body = Task(kind="check_model", workspace="acme", id=model_id).model_dump_json()
    record = {"messageId": "1", "body": body, "eventSource": "aws:sqs"}
    return worker.handler({"Records": [record]}, context or Context())


def deleted(model_id: str) -> None:
    assert MODELS.request("DELETE", f"/models/{model_id}").status == 204


def has_passed(model_id: str) -> None:
    model, item = model_of(model_id), repository.item_of("acme", model_id)
    assert (model["status"], model["sha256"], model["sha256_checked"]) == ("ready", DIGEST, True)
    assert (model["fm_type"], model["check"], model["size"]) == ("sd_1_5", None, len(FILE))
    assert left_behind() == [f"acme/models/{model_id}/{model['file_name']}"]
    assert not {"pending", "open_shard", "lease", "upload"} & item.keys()
    assert len(MODELS.get("/models", type="lora", fm_type="sd_1_5").body["data"]) == 1


def has_failed(model_id: str) -> None:
    model, item = model_of(model_id), repository.item_of("acme", model_id)
    assert (model["status"], model["check"], model["download"]) == ("invalid", None, None)
    assert (model["invalid_reason"]["code"], left_behind()) == ("wrong_sha256", [])
    assert not {"pending", "open_shard", "lease", "upload"} & item.keys()


ENDS = {DIGEST: has_passed, WRONG: has_failed}
either_digest = pytest.mark.parametrize("told", ENDS, ids=["right", "wrong"])


def test_a_large_file_is_ready_when_the_worker_has_read_it() -> None:
    model_id = uploaded()

    done = complete(model_id)
    before = model_of(model_id)
    took = work()

    assert (done["status"], done["sha256"], done["sha256_checked"]) == ("checking", DIGEST, False)
    assert (done["fm_type"], done["header"]["family"]) == ("sd_1_5", "sd_1_5")
    assert done["check"] == {"bytes_done": 0, "bytes_total": len(FILE)}
    assert (before["status"], before["download"], took) == ("checking", None, 1)
    has_passed(model_id)


def test_a_large_file_of_another_digest_ends_invalid_with_both_named_and_nothing_stays() -> None:
    model_id = uploaded(WRONG)

    done = complete(model_id)
    work()

    message = model_of(model_id)["invalid_reason"]["message"]
    assert done["status"] == "checking"
    assert DIGEST in message
    assert WRONG in message
    assert "bring it again" in message
    has_failed(model_id)
    assert uploaded()  # the name is free


def test_a_wrong_header_is_told_at_once_and_not_after_the_check() -> None:
    model_id = uploaded(content=safetensors_file(SD_1_5))  # as a LoRA, which it is not

    answer = MODELS.post(f"/models/{model_id}/complete")

    assert (answer.status, answer.body["code"]) == (422, "wrong_type")
    assert (left_behind(), work()) == ([], 0)


def test_complete_again_is_answered_with_how_far_the_check_is_and_sends_nothing() -> None:
    model_id = checking()

    again = complete(model_id)
    uploads = MODELS.get(f"/models/{model_id}/uploads")

    assert (again["id"], again["status"], work()) == (model_id, "checking", 0)
    assert (uploads.status, uploads.body["code"]) == (409, "upload_closed")


def test_how_far_the_check_is_stands_in_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model_id, seen = checking(), []
    through = bucket.pieces

    def watched(key: str, first: int) -> Iterator[bytes]:
        for piece in through(key, first):
            seen.append(model_of(model_id)["check"])
            yield piece

    monkeypatch.setattr(bucket, "pieces", watched)
    deliver(model_id)

    assert [one["bytes_done"] for one in seen] == [step * 64 * KIB for step in range(4)]
    assert {one["bytes_total"] for one in seen} == {len(FILE)}


def test_a_training_is_told_to_wait_for_a_model_that_is_being_checked() -> None:
    checkpoint = safetensors_file(SD_1_5)
    digest = hashlib.sha256(checkpoint).hexdigest()
    base = checking(digest, content=checkpoint, name="base", type="checkpoint")
    lora = checking()
    datasets = [{"dataset": ready_dataset()}]
    wanted = {"name": "t", "model": base, "datasets": datasets, "continue_from": lora}

    answer = TRAININGS.post("/trainings", wanted)

    told = {fault["pointer"]: fault["message"] for fault in answer.body["errors"]}
    assert answer.status == 422
    assert told["/model"].startswith("base is checking: ")
    assert told["/continue_from"].startswith("big is checking: ")
    assert "wait until it is ready" in told["/model"]


@either_digest
def test_a_complete_killed_at_any_call_is_ended_by_a_repeat_or_the_schedule(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    first = uploaded(told)
    calls = calls_of(aws_calls, lambda: complete(first))
    deleted(first), lose_messages()
    assert calls == 7
    for call in range(calls):
        model_id = uploaded(told)
        killed_at(aws_calls, call, lambda: complete(model_id))  # noqa: B023
        lose_messages()

        complete(model_id)
        minutes_pass(monkeypatch, 2)
        reconcile(), work()

        ENDS[told](model_id)
        deleted(model_id)


@pytest.mark.parametrize("mended_by", ["redelivery", "reconciling"])
@either_digest
def test_a_worker_killed_at_any_call_is_followed_by_one_that_ends_the_check(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, told: str, mended_by: str
) -> None:
    first = checking(told)
    calls = calls_of(aws_calls, lambda: deliver(first))
    ENDS[told](first)
    deleted(first)
    assert calls > 8
    for call in kill_points(calls):
        model_id = checking(told)
        killed_at(aws_calls, call, lambda: deliver(model_id))  # noqa: B023
        minutes_pass(monkeypatch, 6)

        if mended_by == "redelivery":
            deliver(model_id)
        else:
            reconcile(), work()
        _tidy()

        ENDS[told](model_id)
        deliver(model_id), reconcile(), work()
        ENDS[told](model_id)
        deleted(model_id)
        assert left_behind() == []


def _tidy() -> None:
    """Let the schedule clear what a model that is invalid left behind."""
    from lambdas.training_status import handler as status

    status.handler({"detail-type": "Reconcile"}, Context())


@pytest.mark.parametrize(
    "operation", ["UpdateItem", "TransactWriteItems", "GetItem", "GetObject", "DeleteObject"]
)
@either_digest
def test_a_call_whose_answer_is_lost_makes_the_check_end_later(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, told: str, operation: str
) -> None:
    model_id = checking(told)
    aws_calls.reset()
    aws_calls.lost = {operation}
    deliver(model_id)
    aws_calls.reset()
    minutes_pass(monkeypatch, 6)

    deliver(model_id), _tidy()

    ENDS[told](model_id)


@either_digest
def test_a_model_deleted_at_any_moment_of_its_check_leaves_nothing(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    first = checking(told)
    calls = calls_of(aws_calls, lambda: deliver(first))
    deleted(first)
    for call in kill_points(calls):
        model_id = checking(told)
        aws_calls.reset()
        aws_calls.before(call, lambda: deleted(model_id))  # noqa: B023

        assert deliver(model_id) == {"batchItemFailures": []}
        minutes_pass(monkeypatch, 6)
        deliver(model_id), reconcile(), work()

        assert (MODELS.get(f"/models/{model_id}").status, left_behind()) == (404, [])


@either_digest
def test_a_model_that_is_renamed_while_it_is_checked_keeps_its_new_name(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    model_id = checking(told)
    rename = lambda: MODELS.request("PATCH", f"/models/{model_id}", {"name": "new"})  # noqa: E731
    aws_calls.reset()
    aws_calls.before(4, rename)

    deliver(model_id)

    ENDS[told](model_id)
    assert model_of(model_id)["name"] == "new"
    again = MODELS.post("/models", {"name": "new", "file_name": "n.safetensors", "size": 99})
    assert again.status == (409 if told == DIGEST else 201)


def test_a_second_message_starts_no_second_reading() -> None:
    model_id, answers = checking(), []
    through = model_check._digest

    def twice(*given: Any) -> str:
        answers.append(deliver(model_id))
        return through(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_check, "_digest", twice)
        deliver(model_id)

    assert answers == [{"batchItemFailures": []}]
    has_passed(model_id)


def test_a_connection_that_breaks_off_is_gone_on_with_behind_what_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model_id, asked = checking(), []
    through = bucket.pieces

    def breaking(key: str, first: int) -> Iterator[bytes]:
        asked.append(first)
        yield next(through(key, first))
        raise ReadTimeoutError(endpoint_url="s3")

    monkeypatch.setattr(bucket, "pieces", breaking)
    deliver(model_id)

    assert asked == [step * 64 * KIB for step in range(4)]
    has_passed(model_id)


def test_a_file_that_takes_longer_than_a_run_is_tried_again_and_then_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model_id = checking()
    for _ in range(model_check.MOST_ATTEMPTS):
        assert deliver(model_id, Hurried()) == {"batchItemFailures": []}
        assert model_of(model_id)["status"] == "checking"
        minutes_pass(monkeypatch, 10)

    reconcile(), work()

    reason = model_of(model_id)["invalid_reason"]
    assert (reason["code"], left_behind()) == ("check_failed", [])
    assert "Make the model anew" in reason["message"]


def test_a_check_whose_worker_dies_on_the_way_each_time_is_given_up(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = checking()
    for _ in range(model_check.MOST_ATTEMPTS):
        killed_at(aws_calls, 5, lambda: deliver(model_id))
        assert model_of(model_id)["check"]["bytes_done"] > 0
        minutes_pass(monkeypatch, 4)

    deliver(model_id)

    assert model_of(model_id)["invalid_reason"]["code"] == "check_failed"


def test_a_file_that_s3_does_not_give_is_asked_for_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model_id = checking()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bucket, "pieces", lambda *_: iter(()))
        assert deliver(model_id) == {"batchItemFailures": []}
    assert model_of(model_id)["status"] == "checking"
    minutes_pass(monkeypatch, 2)

    reconcile(), work()

    has_passed(model_id)


@pytest.fixture
def small_parts(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 1)
    monkeypatch.setattr(copying, "PART_SIZE", 64 * KIB)
    monkeypatch.setattr(fetching, "part_size", lambda _: 64 * KIB)
    web.pages[LINK] = Page(FILE)
    bucket.put("acme/inbox/lora.safetensors", FILE)


@pytest.mark.usefixtures("small_parts")
@either_digest
def test_a_large_copy_is_checked_like_an_upload_where_a_digest_was_told(told: str) -> None:
    asked = {"name": "copy", "type": "lora", "s3_uri": "s3://bucket/acme/inbox/lora.safetensors"}
    model_id = MODELS.post("/models/import", asked | {"sha256": told}).body["id"]
    task = Task(kind="import_model", workspace="acme", id=model_id).model_dump_json()
    lose_messages()

    worker.handler({"Records": [{"messageId": "1", "body": task}]}, Context())
    between = model_of(model_id)
    work()
    bucket.delete("acme/inbox/lora.safetensors")

    assert (between["status"], between["import"]["bytes_done"]) == ("checking", len(FILE))
    ENDS[told](model_id)


@pytest.mark.usefixtures("small_parts")
def test_a_large_copy_of_which_no_digest_was_told_is_ready_at_once() -> None:
    asked = {"name": "copy", "type": "lora", "s3_uri": "s3://bucket/acme/inbox/lora.safetensors"}
    model_id = MODELS.post("/models/import", asked).body["id"]

    took = work()

    model = model_of(model_id)
    assert (model["status"], model["sha256"], took) == ("ready", None, 1)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("told", [{}, {"sha256": DIGEST}], ids=["nothing", "right"])
def test_a_link_whose_bytes_came_in_two_runs_is_checked_at_its_end(told: dict) -> None:
    bucket.delete("acme/inbox/lora.safetensors")
    asked = {"name": "linked", "type": "lora", "url": LINK}
    model_id = MODELS.post("/models/import", asked | told).body["id"]
    lose_messages()
    task = Task(kind="import_model", workspace="acme", id=model_id).model_dump_json()
    worker.handler({"Records": [{"messageId": "1", "body": task}]}, Hurried())

    work()

    has_passed(model_id)


@pytest.mark.usefixtures("small_parts")
def test_a_link_of_which_no_digest_was_told_is_ready_though_it_can_not_be_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model_id = MODELS.post("/models/import", {"name": "a", "type": "lora", "url": LINK}).body["id"]
    lose_messages()
    task = Task(kind="import_model", workspace="acme", id=model_id).model_dump_json()
    for context in (Hurried(), Context()):
        worker.handler({"Records": [{"messageId": "1", "body": task}]}, context)
    lose_messages()
    while model_of(model_id)["status"] == "checking":
        deliver(model_id, Hurried()), minutes_pass(monkeypatch, 10)

    model = model_of(model_id)
    assert (model["status"], model["sha256_checked"], model["fm_type"]) == (
        "ready",
        False,
        "sd_1_5",
    )
