"""Deleting a training: only one that has ended and that nobody goes on from, and all of it."""

import pytest

from lambdas.asset_worker import emptying
from lambdas.core import bucket, table
from lambdas.core.table import Key
from tests.unit.fakes import Answer, AwsCalls, FakeSageMaker, Killed, kill_points
from tests.unit.scenes import MODELS, TRAININGS, lose_messages, ready_dataset, ready_model, work
from tests.unit.test_library_faults import deliver, minutes_pass, reconcile
from tests.unit.test_training_status import end, leave_lora, read, send, told

pytestmark = pytest.mark.usefixtures("aws_calls")


def start(name: str = "style", **changes: object) -> dict:
    wanted = {"name": name, "model": "base", "datasets": [{"dataset": "tusiji"}], **changes}
    answer = TRAININGS.post("/trainings", wanted)
    assert answer.status == 201, answer
    return answer.body


@pytest.fixture
def running(aws_calls: AwsCalls) -> dict:
    ready_model(), ready_dataset()
    return start()


@pytest.fixture
def failed(running: dict, sagemaker: FakeSageMaker) -> dict:
    end(sagemaker, running, "Failed", "Failed", FailureReason="AlgorithmError: no")
    assert read(running)["status"] == "failed"
    return running


def delete(training: dict) -> Answer:
    return TRAININGS.request("DELETE", f"/trainings/{training['id']}")


def patch(training: dict, tags: dict[str, str], etag: str | None = None) -> Answer:
    headers = {"If-Match": etag} if etag else {}
    return TRAININGS.request("PATCH", f"/trainings/{training['id']}", {"tags": tags}, headers)


def left_of(training: dict) -> list[str]:
    training_id = training["id"]
    stored = [one.key for one in bucket.objects_under(f"acme/trainings/{training_id}/")]
    rows = [str(one["sk"]) for one in table.query_all(f"{training_id}#event")]
    keys = [Key(f"acme#training{kind}", training_id) for kind in ("", "#gone")]
    names = [one for one in table.query_all("acme#training#name") if one["id"] == training_id]
    return [*stored, *rows, *(one.pk for one in table.batch_get(keys)), *map(str, names)]


def test_a_deleted_training_leaves_nothing_and_its_name_can_be_used_again(failed: dict) -> None:
    bucket.put(f"acme/trainings/{failed['id']}/checkpoints/lora/x.safetensors", b"x")
    assert (
        TRAININGS.post(
            "/trainings", {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}
        ).status
        == 409
    )

    answer = delete(failed)

    assert (answer.status, answer.body["status"]) == (202, "deleting")
    assert read(failed)["status"] == "deleting"
    assert [one["id"] for one in TRAININGS.get("/trainings", status="deleting").body["data"]] == [
        failed["id"]
    ]
    assert TRAININGS.get("/trainings", status="failed").body["data"] == []
    work()
    for path in ("", "/events", "/metrics", "/checkpoints"):
        assert TRAININGS.get(f"/trainings/{failed['id']}{path}").status == 404
    assert left_of(failed) == ["acme#training#gone"]
    assert delete(failed).status == 404
    assert start("style")["id"] != failed["id"]


def test_one_that_is_under_way_is_refused_and_told_to_be_cancelled_first(running: dict) -> None:
    early = delete(running)
    TRAININGS.post(f"/trainings/{running['id']}/cancel")
    canceling = delete(running)

    assert (early.status, early.body["code"]) == (409, "training_under_way")
    assert "Cancel it first, with POST /trainings/{id}/cancel" in early.body["detail"]
    assert "Wait until" in canceling.body["detail"]
    assert read(running)["status"] == "canceling"


def test_the_lora_stays_and_says_that_its_training_is_gone(
    running: dict, sagemaker: FakeSageMaker
) -> None:
    leave_lora(running)
    end(sagemaker, running, "Completed", "Completed")
    lora = read(running)["lora_id"]

    assert delete(running).status == 202
    work()

    kept = MODELS.get(f"/models/{lora}").body
    assert (kept["status"], kept["training_id"], kept["training_deleted"]) == (
        "ready",
        running["id"],
        True,
    )
    assert bucket.read(f"acme/models/{lora}/style.safetensors")
    assert MODELS.request("DELETE", f"/models/{lora}").status == 204


def test_a_lora_that_was_deleted_first_keeps_nobody_from_deleting_its_training(
    running: dict, sagemaker: FakeSageMaker
) -> None:
    leave_lora(running)
    end(sagemaker, running, "Completed", "Completed")
    delete(running)
    MODELS.request("DELETE", f"/models/{read(running)['lora_id']}")

    work()

    assert left_of(running) == ["acme#training#gone"]


def test_it_is_refused_while_another_goes_on_from_it_and_not_afterwards(failed: dict) -> None:
    table.write(table.Put({"pk": f"{failed['id']}#use", "sk": "trn_1"}))

    refused = delete(failed)

    assert (refused.status, refused.body["code"]) == (409, "training_in_use")
    assert "trn_1" in refused.body["detail"]
    assert read(failed)["status"] == "failed"
    assert len(TRAININGS.get("/trainings", status="failed").body["data"]) == 1
    table.write(table.Delete(Key(f"{failed['id']}#use", "trn_1")))
    assert delete(failed).status == 202


def test_none_goes_on_from_one_that_is_being_deleted(failed: dict) -> None:
    delete(failed)

    wanted = {"name": "longer", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    answer = TRAININGS.post("/trainings", wanted | {"continue_from": failed["id"]})

    assert answer.pointers == ["/continue_from"]
    assert "is being deleted" in answer.body["errors"][0]["message"]


def test_what_its_job_tells_late_changes_nothing_and_is_swept_up(
    failed: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete(failed)
    send(told(failed, "InProgress", "Training", 1))
    assert read(failed)["status"] == "deleting"
    work()
    bucket.put(f"acme/trainings/{failed['id']}/checkpoints/progress.json", b"{}")
    send(told(failed, "Stopped", "Stopped", 950))

    minutes_pass(monkeypatch, 65)
    reconcile(), work()

    assert left_of(failed) == []


def test_deleting_takes_four_calls_and_one_to_record_it(failed: dict, aws_calls: AwsCalls) -> None:
    aws_calls.reset()

    assert delete(failed).status == 202

    assert aws_calls.made == ["GetItem", "UpdateItem", "Query", "SendMessage", "TransactWriteItems"]


def test_another_workspace_can_neither_delete_nor_change_it(failed: dict) -> None:
    stranger = type(TRAININGS)(TRAININGS.handler, workspace="other")

    path = f"/trainings/{failed['id']}"
    assert stranger.request("DELETE", path).status == 404
    assert stranger.request("PATCH", path, {"tags": {}}).status == 404


def ended(number: int, sagemaker: FakeSageMaker) -> dict:
    training = start(f"style{number}")
    leave_lora(training, f"style{number}.safetensors")
    end(sagemaker, training, "Completed", "Completed")
    lose_messages()
    return training


def deleted_well(training: dict) -> None:
    assert left_of(training) == ["acme#training#gone"]
    lora = MODELS.get("/models", type="lora").body["data"][0]
    assert (lora["training_id"], lora["training_deleted"]) == (training["id"], True)


def test_a_worker_killed_at_any_call_is_followed_by_one_that_ends_the_work(
    running: dict,
    aws_calls: AwsCalls,
    sagemaker: FakeSageMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(emptying, "AT_ONCE", 2)
    training = ended(999, sagemaker)
    delete(training), lose_messages(), aws_calls.reset()
    deliver("delete_training", training["id"])
    calls = len(aws_calls.made)
    assert calls > 10
    deleted_well(training)
    for killed_before in kill_points(calls):
        aws_calls.reset()
        training = ended(killed_before, sagemaker)
        delete(training), lose_messages(), aws_calls.reset()
        aws_calls.kill_before = killed_before
        with pytest.raises(Killed):
            deliver("delete_training", training["id"])
        aws_calls.reset()
        minutes_pass(monkeypatch, 6)

        if killed_before % 2:  # else reconciling alone mends it
            deliver("delete_training", training["id"])
        reconcile(), work()

        deleted_well(training)
        deliver("delete_training", training["id"]), reconcile(), work()
        deleted_well(training)


@pytest.mark.parametrize("used", [False, True])
def test_a_request_killed_at_any_call_deletes_or_leaves_the_training(
    failed: dict, aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch, used: bool
) -> None:
    use = Key(f"{failed['id']}#use", "trn_1")
    if used:
        table.write(table.Put({"pk": use.pk, "sk": use.sk}))
    for killed_before in range(4):
        aws_calls.reset()
        aws_calls.kill_before = killed_before
        with pytest.raises(Killed):
            delete(failed)
        aws_calls.reset()
        minutes_pass(monkeypatch, 2)
        reconcile(), work()

        if used or killed_before < 2:
            assert read(failed)["status"] == "failed"
        else:
            assert left_of(failed) == ["acme#training#gone"]
            break


def test_tags_are_changed_while_it_runs_and_only_as_long_as_nobody_else_did(running: dict) -> None:
    etag = TRAININGS.get(f"/trainings/{running['id']}").headers["ETag"]
    send(told(running, "InProgress", "Training", 1))

    mine = patch(running, {"kind": "rabbit"}, etag)
    yours = patch(running, {"kind": "hare"}, etag)
    again = patch(running, {"kind": "rabbit"}, etag)

    assert (mine.status, yours.status, again.status) == (200, 412, 200)
    assert (mine.body["tags"], mine.body["status"]) == ({"kind": "rabbit"}, "running")
    assert read(running) == mine.body
    assert patch(running, {"kind": "hare"}, yours.headers["ETag"]).status == 200
    assert patch(running, {}).body["tags"] == {}


def test_tags_of_one_that_is_being_deleted_stay(failed: dict) -> None:
    delete(failed)

    assert patch(failed, {"kind": "rabbit"}).body["code"] == "changed_meanwhile"


def test_every_fault_of_a_change_is_told_at_once(running: dict) -> None:
    answer = TRAININGS.request(
        "PATCH", f"/trainings/{running['id']}", {"name": "other", "tags": {"aws:x": "1"}}
    )

    assert (answer.status, set(answer.pointers)) == (422, {"/name", "/tags"})
    assert patch(running, {"a?": "1"}).status == 422
    assert TRAININGS.request("PATCH", f"/trainings/{running['id']}", {}).pointers == ["/tags"]
