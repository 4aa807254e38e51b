"""Uploads of models: they go on after a broken connection, and those given up are cleared away."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from lambdas.core import aws, bucket, clock, table
from lambdas.models import checks, repository
from lambdas.training_status import handler as status
from tests.unit.fakes import LORA, SD_1_5, AwsCalls, Context, Killed, refusal, safetensors_file
from tests.unit.scenes import MODELS

pytestmark = pytest.mark.usefixtures("aws_calls")
MIB = 1024**2
PART = 16 * MIB
BIG = {"w": [PART + 1000], **LORA}


def begun(content: bytes, **more: Any) -> dict:
    wanted = {"name": "big", "type": "lora", "file_name": "b.safetensors", "size": len(content)}
    answer = MODELS.post("/models", wanted | more)
    assert answer.status == 201, answer
    return answer.body


def send(content: bytes, model_id: str, *numbers: int) -> None:
    model, upload = repository.get_upload("acme", model_id)
    assert upload
    for number in numbers:
        first = (number - 1) * upload.part_size
        aws.s3().upload_part(
            Bucket="bucket",
            Key=repository.file_key("acme", model),
            UploadId=upload.upload_id,
            PartNumber=number,
            Body=content[first : first + upload.part_size],
        )


def uploads_under_way() -> int:
    return len(aws.s3().list_multipart_uploads(Bucket="bucket").get("Uploads", []))


def objects() -> list[str]:
    return [found.key for found in bucket.objects_under("acme/models/")]


def pass_days(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(days=days))


def schedule() -> None:
    status.handler({"detail-type": "Reconcile"}, Context())


def open_models() -> int:
    return len(table.query_due(repository.OPEN_SHARD, "9", limit=50).items)


def test_an_upload_goes_on_where_it_broke_off_and_is_completed_without_naming_parts() -> None:
    content = safetensors_file(BIG)
    model_id = begun(content)["model"]["id"]
    send(content, model_id, 1, 3)

    state = MODELS.get(f"/models/{model_id}/uploads").body
    early = MODELS.post(f"/models/{model_id}/complete", {})
    fresh = MODELS.post(f"/models/{model_id}/uploads", {"part_numbers": state["missing"]}).body
    send(content, model_id, *state["missing"])
    done = MODELS.post(f"/models/{model_id}/complete")

    assert [part["part_number"] for part in state["arrived"]] == [1, 3]
    assert (state["arrived"][0]["size"], state["missing"]) == (PART, [2])
    assert state["expires_at"] > state["model"]["created_at"]
    assert (early.status, early.body["code"]) == (409, "upload_incomplete")
    assert "1 of the 3 parts have not arrived: 2." in early.body["detail"]
    assert [part["part_number"] for part in fresh["parts"]] == [2]
    assert (done.status, done.body["status"]) == (200, "ready")
    assert done.body["sha256"] == hashlib.sha256(content).hexdigest()
    assert done.body["sha256_checked"] is True


def test_a_part_that_is_not_whole_counts_as_missing() -> None:
    content = safetensors_file(BIG)
    model_id = begun(content)["model"]["id"]
    send(content[: PART + 5], model_id, 1, 2)

    state = MODELS.get(f"/models/{model_id}/uploads").body

    assert state["missing"] == [2, 3]


def test_the_parts_of_an_upload_that_has_ended_can_not_be_asked_for() -> None:
    content = safetensors_file(LORA)
    model_id = begun(content)["model"]["id"]
    send(content, model_id, 1)
    MODELS.post(f"/models/{model_id}/complete", {})

    answer = MODELS.get(f"/models/{model_id}/uploads")

    assert (answer.status, answer.body["code"]) == (409, "upload_closed")


@pytest.mark.parametrize("written", [str.lower, str.upper, lambda digest: f"0x{digest}"])
def test_a_digest_that_is_given_is_checked(written: Any) -> None:
    content = safetensors_file(LORA)
    digest = hashlib.sha256(content).hexdigest()
    model_id = begun(content, sha256=written(digest))["model"]["id"]
    send(content, model_id, 1)

    done = MODELS.post(f"/models/{model_id}/complete", {}).body

    assert (done["status"], done["sha256"], done["sha256_checked"]) == ("ready", digest, True)


def test_a_file_of_another_digest_is_refused_and_nothing_of_it_stays() -> None:
    content = safetensors_file(LORA)
    model_id = begun(content, sha256="0" * 64)["model"]["id"]
    send(content, model_id, 1)

    answer = MODELS.post(f"/models/{model_id}/complete", {})

    assert (answer.status, answer.body["code"]) == (422, "wrong_sha256")
    assert hashlib.sha256(content).hexdigest() in answer.body["detail"]
    assert (objects(), open_models()) == ([], 0)
    begun(content)


@pytest.mark.parametrize("digest", ["x" * 64, "ab", "0" * 63 + "\n"])
def test_what_is_no_digest_is_named(digest: str) -> None:
    wanted = {"name": "b", "file_name": "b.safetensors", "size": 99, "sha256": digest}

    assert MODELS.post("/models", wanted).pointers == ["/sha256"]


def test_a_large_file_of_which_no_digest_was_told_is_not_read_whole(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MOST_BYTES_HASHED", 10)
    content = safetensors_file(LORA)
    model_id = begun(content)["model"]["id"]
    send(content, model_id, 1)

    done = MODELS.post(f"/models/{model_id}/complete", {}).body

    assert (done["status"], done["sha256"], done["sha256_checked"]) == ("ready", None, False)


@pytest.mark.parametrize("killed_before", range(7))
def test_a_complete_that_dies_before_any_call_is_finished_by_a_repeat(
    aws_calls: AwsCalls, killed_before: int
) -> None:
    content = safetensors_file(LORA)
    model_id = begun(content)["model"]["id"]
    send(content, model_id, 1)
    aws_calls.reset()
    aws_calls.kill_before = killed_before
    with pytest.raises(Killed):
        MODELS.post(f"/models/{model_id}/complete", {})
    aws_calls.reset()

    done = MODELS.post(f"/models/{model_id}/complete", {})

    assert (done.status, done.body["status"]) == (200, "ready")
    assert (uploads_under_way(), len(objects()), open_models()) == (0, 1, 0)
    assert len(MODELS.get("/models", type="lora", fm_type="sd_1_5").body["data"]) == 1


def test_complete_makes_as_many_calls_as_it_is_killed_at(aws_calls: AwsCalls) -> None:
    """Else the test above would leave some out."""
    content = safetensors_file(LORA)
    model_id = begun(content)["model"]["id"]
    send(content, model_id, 1)
    aws_calls.reset()

    MODELS.post(f"/models/{model_id}/complete", {})

    assert aws_calls.made == [
        *("GetItem", "ListParts", "CompleteMultipartUpload", "GetObject"),
        *("TransactWriteItems", "SendMessage", "GetItem"),
    ]


@pytest.mark.parametrize("killed_before", range(7))
def test_a_refusal_that_dies_before_any_call_leaves_nothing_in_the_end(
    aws_calls: AwsCalls, killed_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = safetensors_file(SD_1_5)
    model_id = begun(content)["model"]["id"]  # as a LoRA, which it is not
    send(content, model_id, 1)
    aws_calls.reset()
    aws_calls.kill_before = killed_before
    try:
        answer = MODELS.post(f"/models/{model_id}/complete", {})
        assert answer.body["code"] == "wrong_type"
    except Killed:
        pass
    aws_calls.reset()

    MODELS.post(f"/models/{model_id}/complete", {})
    pass_days(monkeypatch, 1)
    schedule()

    assert MODELS.get(f"/models/{model_id}").body["invalid_reason"]["code"] == "wrong_type"
    assert (uploads_under_way(), objects(), open_models()) == (0, [], 0)
    begun(content)


def test_an_upload_that_is_given_up_ends_after_seven_days_and_frees_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = safetensors_file(BIG)
    model_id = begun(content)["model"]["id"]
    send(content, model_id, 1)
    pass_days(monkeypatch, 6)
    schedule()
    before = MODELS.get(f"/models/{model_id}").body["status"]
    pass_days(monkeypatch, 2)

    schedule()

    told = MODELS.get(f"/models/{model_id}").body
    assert before == "uploading"
    assert (told["status"], told["invalid_reason"]["code"]) == ("invalid", "upload_expired")
    assert (uploads_under_way(), objects(), open_models()) == (0, [], 0)
    assert MODELS.post(f"/models/{model_id}/complete", {}).body["code"] == "upload_closed"
    begun(content)


def test_bytes_that_were_joined_and_never_looked_at_are_cleared_away(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = safetensors_file(LORA)
    model_id = begun(content)["model"]["id"]
    send(content, model_id, 1)
    aws_calls.reset()
    aws_calls.kill_before = 3
    with pytest.raises(Killed):
        MODELS.post(f"/models/{model_id}/complete", {})
    aws_calls.reset()
    assert len(objects()) == 1
    pass_days(monkeypatch, 8)

    schedule()

    assert (objects(), open_models()) == ([], 0)


@pytest.mark.parametrize("killed_before", range(11))
def test_clearing_an_upload_that_dies_before_any_call_is_finished_by_the_next(
    aws_calls: AwsCalls, killed_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = safetensors_file(BIG)
    model_id = begun(content)["model"]["id"]
    send(content, model_id, 1)
    pass_days(monkeypatch, 8)
    aws_calls.reset()
    aws_calls.kill_before = killed_before
    with pytest.raises(Killed):
        schedule()
    aws_calls.reset()
    pass_days(monkeypatch, 1)

    schedule()

    assert MODELS.get(f"/models/{model_id}").body["invalid_reason"]["code"] == "upload_expired"
    assert (uploads_under_way(), objects(), open_models()) == (0, [], 0)


def test_a_model_that_makes_trouble_keeps_no_other_from_being_cleared(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = safetensors_file(BIG)
    ids = [begun(content, name=name)["model"]["id"] for name in ("a", "b")]
    pass_days(monkeypatch, 8)
    throttled = refusal("AbortMultipartUpload", "SlowDown", "slow down")
    aws_calls.refused = {"AbortMultipartUpload": [throttled]}

    with pytest.raises(type(throttled)):
        schedule()
    told = [MODELS.get(f"/models/{model_id}").body["status"] for model_id in ids]

    assert told == ["invalid", "invalid"]
    assert (uploads_under_way(), open_models()) == (1, 1)
    pass_days(monkeypatch, 1)
    schedule()
    assert (uploads_under_way(), open_models()) == (0, 0)
