"""Changing, listing and deleting models: nobody's change is lost, and nothing is left behind."""

import json
from typing import Any

import pytest

from lambdas.core import bucket, table
from lambdas.models import deleting, repository
from lambdas.training_status import handler as status
from tests.unit.fakes import (
    LORA,
    SD_XL,
    Answer,
    AwsCalls,
    Client,
    Context,
    FakeSageMaker,
    Killed,
    safetensors_file,
)
from tests.unit.scenes import MODELS, TRAININGS, complete_model, ready_dataset, ready_model
from tests.unit.test_model_uploads import objects, open_models, pass_days, schedule

pytestmark = pytest.mark.usefixtures("aws_calls")
TRAINING = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}


def patch(model_id: str, body: dict, etag: str | None = None) -> Answer:
    headers = {"If-Match": etag} if etag else {}
    return MODELS.request("PATCH", f"/models/{model_id}", body, headers)


def delete(model_id: str, client: Client = MODELS) -> Answer:
    return client.request("DELETE", f"/models/{model_id}")


def locks() -> list[str]:
    return sorted(item["sk"] for item in table.query("acme#model#name", limit=50).items)


def nothing_is_left_of(model_id: str) -> bool:
    rows = [repository.key_of("acme", model_id), repository.family_key("acme", model_id)]
    return not (table.batch_get(rows) or objects() or locks() or open_models())


def test_name_description_and_tags_are_changed_and_the_etag_with_them() -> None:
    model_id = ready_model()
    first = MODELS.get(f"/models/{model_id}")

    answer = patch(
        model_id,
        {"name": "anime", "description": "For lines.", "tags": ["lines", " ink ", "lines"]},
        first.headers["ETag"],
    )

    told = MODELS.get(f"/models/{model_id}")
    assert answer.status == 200
    assert (told.body["name"], told.body["description"]) == ("anime", "For lines.")
    assert told.body["tags"] == ["lines", "ink"]
    assert told.headers["ETag"] == answer.headers["ETag"] != first.headers["ETag"]
    assert told.body["updated_at"] >= first.body["updated_at"]
    assert locks() == ["anime"]
    assert told.body["download"]


def test_of_two_that_change_what_they_read_the_second_is_told() -> None:
    model_id = ready_model()
    etag = MODELS.get(f"/models/{model_id}").headers["ETag"]
    patch(model_id, {"description": "one"}, etag)

    second = patch(model_id, {"description": "two"}, etag)

    assert (second.status, second.body["code"]) == (412, "precondition_failed")
    assert second.pointers == ["header:If-Match"]
    told = MODELS.get(f"/models/{model_id}")
    assert told.body["description"] == "one"
    assert patch(model_id, {"description": "one"}, told.headers["ETag"]).status == 200
    assert patch(model_id, {"description": "two"}, second.headers["ETag"]).status == 200
    assert patch(model_id, {"description": "three"}).status == 200
    assert patch(model_id, {"description": "four"}, "*").status == 200


def test_a_change_between_reading_and_writing_is_told_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model_id = ready_model()
    etag = MODELS.get(f"/models/{model_id}").headers["ETag"]
    stale = repository.get("acme", model_id)
    patch(model_id, {"description": "one"})
    monkeypatch.setattr(repository, "get", lambda *_: stale)

    answer = patch(model_id, {"description": "two"}, etag)

    assert (answer.status, answer.body["code"]) == (412, "precondition_failed")


@pytest.mark.parametrize("etag", ["1", '"1', "x,y"])
def test_what_is_no_etag_is_a_400(etag: str) -> None:
    answer = patch(ready_model(), {"description": "x"}, etag)

    assert (answer.status, answer.body["code"]) == (400, "invalid_etag")
    assert answer.pointers == ["header:If-Match"]


def test_what_is_no_etag_is_a_400_also_where_nothing_would_change() -> None:
    model_id = ready_model()
    patch(model_id, {"description": "x"})

    assert patch(model_id, {"description": "x"}, "{}").body["code"] == "invalid_etag"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "no/name"}, "/name"),
        ({"name": "mdl_01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "/name"),
        ({"tags": ["\n"]}, "/tags/0"),
        ({"tags": [str(number) for number in range(21)]}, "/tags"),
        ({"tags": ["x" * 51]}, "/tags/0"),
        ({"description": "x" * 1001}, "/description"),
        ({"type": "lora"}, "/type"),
        ({}, ""),
        ({"name": None}, ""),
    ],
)
def test_a_change_that_will_not_do_is_named(body: dict, pointer: str) -> None:
    answer = patch(ready_model(), body)

    assert (answer.status, answer.pointers) == (422, [pointer])


def test_a_name_in_use_is_refused_and_both_keep_theirs() -> None:
    first, second = ready_model("one"), ready_model("two")

    answer = patch(second, {"name": "one"})

    assert (answer.status, answer.body["code"], answer.pointers) == (409, "name_taken", ["/name"])
    assert MODELS.get(f"/models/{second}").body["name"] == "two"
    assert patch(first, {"name": "free"}).status == 200
    assert patch(second, {"name": "one"}).status == 200
    assert locks() == ["free", "one"]


def test_an_invalid_model_stays_as_it_is_and_can_be_deleted() -> None:
    model_id = (
        complete_model(safetensors_file(LORA)).body and MODELS.get("/models").body["data"][0]["id"]
    )
    ready_model()  # has the name by now

    assert patch(model_id, {"tags": ["x"]}).body["code"] == "model_closed"
    assert delete(model_id).status == 204
    assert locks() == ["base"]


@pytest.mark.parametrize("killed_before", range(3))
def test_a_rename_that_dies_before_any_call_is_made_once_by_a_repeat(
    aws_calls: AwsCalls, killed_before: int
) -> None:
    model_id = ready_model()
    etag = MODELS.get(f"/models/{model_id}").headers["ETag"]
    aws_calls.reset()
    aws_calls.kill_before = killed_before
    with pytest.raises(Killed):
        patch(model_id, {"name": "new", "tags": ["a"]}, etag)
    aws_calls.reset()

    again = patch(model_id, {"name": "new", "tags": ["a"]}, etag)

    assert (again.status, again.body["name"], again.body["revision"]) == (200, "new", 3)
    assert locks() == ["new"]


def test_a_rename_whose_answer_was_lost_is_answered_when_it_is_repeated(
    aws_calls: AwsCalls,
) -> None:
    model_id = ready_model()
    etag = MODELS.get(f"/models/{model_id}").headers["ETag"]
    aws_calls.lost = {"TransactWriteItems"}
    lost = patch(model_id, {"name": "new"}, etag)
    aws_calls.reset()

    again = patch(model_id, {"name": "new"}, etag)

    assert (lost.status, again.status, again.body["name"]) == (503, 200, "new")


def test_loras_are_listed_by_type_and_family_with_downloads_in_two_calls(
    aws_calls: AwsCalls,
) -> None:
    ready_model("checkpoint")
    ready_model("xl", SD_XL)
    loras = [
        complete_model(safetensors_file(LORA), f"lora-{n}", kind="lora").body["id"]
        for n in range(3)
    ]
    aws_calls.reset()

    page = MODELS.get("/models", type="lora", fm_type="sd_1_5", limit="2").body
    assert aws_calls.made == ["Query", "BatchGetItem"]
    rest = MODELS.get(
        "/models", type="lora", fm_type="sd_1_5", limit="2", cursor=page["next_cursor"]
    ).body

    assert [one["id"] for one in page["data"] + rest["data"]] == loras[::-1]
    assert all("response-content-disposition" in one["download"]["url"] for one in page["data"])
    assert rest["next_cursor"] is None
    assert MODELS.get("/models", type="lora", fm_type="sd_xl").body["data"] == []
    xl = MODELS.get("/models", type="checkpoint", fm_type="sd_xl").body["data"]
    assert [one["name"] for one in xl] == ["xl"]
    assert len(MODELS.get("/models", type="lora").body["data"]) == 3


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"fm_type": "sd_xl"}, "query:fm_type"),
        ({"status": "ready"}, "query:status"),
        ({"Type": "lora"}, "query:Type"),
        ({"type": "lora", "fm_type": "sd_15"}, "query:fm_type"),
    ],
)
def test_a_filter_that_no_index_serves_is_refused(query: dict, pointer: str) -> None:
    answer = MODELS.get("/models", **query)

    assert (answer.status, answer.pointers) == (422, [pointer])


def test_a_cursor_of_another_filter_is_refused() -> None:
    ready_model("a"), ready_model("b")
    cursor = MODELS.get("/models", type="checkpoint", limit="1").body["next_cursor"]

    answer = MODELS.get("/models", type="checkpoint", fm_type="sd_1_5", cursor=cursor)

    assert (answer.status, answer.body["code"]) == (400, "invalid_cursor")


def test_a_deleted_model_is_gone_with_its_file_and_its_name() -> None:
    model_id = ready_model()

    answer = delete(model_id)

    assert (answer.status, answer.body) == (204, None)
    assert nothing_is_left_of(model_id)
    assert delete(model_id).status == 404
    ready_model()


def test_an_upload_that_is_deleted_is_given_up() -> None:
    made = MODELS.post("/models", {"name": "b", "file_name": "b.safetensors", "size": 99}).body

    assert delete(made["model"]["id"]).status == 204
    assert nothing_is_left_of(made["model"]["id"])


def test_a_model_that_a_training_uses_stays_until_it_has_ended(sagemaker: FakeSageMaker) -> None:
    model_id = ready_model()
    ready_dataset()
    training = TRAININGS.post("/trainings", TRAINING).body

    refused = delete(model_id)
    stays = MODELS.get(f"/models/{model_id}").body
    end(sagemaker, training)

    assert (refused.status, refused.body["code"]) == (409, "model_in_use")
    assert training["id"] in refused.body["detail"]
    assert (stays["status"], open_models()) == ("ready", 0)
    assert stays["download"]
    assert delete(model_id).status == 204


def end(sagemaker: FakeSageMaker, training: dict, how: str = "Failed") -> None:
    told = dict(sagemaker.set_state(training["job_name"], how, how))
    told["LastModifiedTime"] = 1_900_000_000_000
    event = {"detail-type": "SageMaker Training Job State Change", "detail": told}
    status.handler(event, Context())


def test_a_training_can_not_begin_with_a_model_that_is_being_deleted(aws_calls: AwsCalls) -> None:
    model_id = ready_model()
    ready_dataset()
    aws_calls.reset()
    aws_calls.kill_before = 2
    with pytest.raises(Killed):
        delete(model_id)
    aws_calls.reset()

    answer = TRAININGS.post("/trainings", TRAINING)

    assert (answer.status, answer.pointers) == (422, ["/model"])


CALLS_OF_DELETE = [
    *("GetItem", "UpdateItem", "Query", "UpdateItem", "DeleteObject"),
    *("GetItem", "TransactWriteItems"),  # what it counts for
]


def test_deleting_a_ready_model_makes_these_calls(aws_calls: AwsCalls) -> None:
    model_id = ready_model()
    aws_calls.reset()

    delete(model_id)

    assert aws_calls.made == CALLS_OF_DELETE


@pytest.mark.parametrize("killed_before", range(len(CALLS_OF_DELETE)))
@pytest.mark.parametrize("finished_by", ["repeat", "schedule"])
def test_a_delete_that_dies_before_any_call_is_finished_once(
    aws_calls: AwsCalls, killed_before: int, finished_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = ready_model()
    aws_calls.reset()
    aws_calls.kill_before = killed_before
    with pytest.raises(Killed):
        delete(model_id)
    aws_calls.reset()

    if finished_by == "repeat":
        assert delete(model_id).status == 204
    else:
        pass_days(monkeypatch, 1)
        schedule()

    begun = killed_before > 1  # after the mark; before it, nothing was asked of the schedule
    assert nothing_is_left_of(model_id) is (begun or finished_by == "repeat")


@pytest.mark.parametrize("lost", ["UpdateItem", "DeleteObject", "TransactWriteItems"])
def test_a_delete_whose_answers_are_lost_is_finished_by_a_repeat(
    aws_calls: AwsCalls, lost: str
) -> None:
    model_id = ready_model()
    aws_calls.lost = {lost}
    assert delete(model_id).status == 503
    aws_calls.reset()

    assert delete(model_id).status in {204, 404}
    assert nothing_is_left_of(model_id)


@pytest.mark.parametrize("killed_before", range(4))
def test_a_delete_that_dies_while_a_training_uses_the_model_ends_with_the_model_ready(
    aws_calls: AwsCalls,
    sagemaker: FakeSageMaker,
    killed_before: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model_id = ready_model()
    ready_dataset()
    TRAININGS.post("/trainings", TRAINING)
    aws_calls.reset()
    aws_calls.kill_before = killed_before
    with pytest.raises(Killed):
        delete(model_id)
    aws_calls.reset()
    pass_days(monkeypatch, 1)

    schedule()

    assert MODELS.get(f"/models/{model_id}").body["status"] == "ready"
    assert open_models() == 0


def test_of_two_deletes_at_once_one_that_saw_no_use_wins_over_one_that_would_restore(
    sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = ready_model()
    ready_dataset()
    training = TRAININGS.post("/trainings", TRAINING).body
    restore = deleting._restore

    def restore_after_another(workspace: str, one: str) -> None:
        monkeypatch.setattr(deleting, "_restore", restore)
        end(sagemaker, training)
        assert delete(model_id).status == 204
        restore(workspace, one)

    monkeypatch.setattr(deleting, "_restore", restore_after_another)

    answer = delete(model_id)

    assert (answer.status, answer.body["code"]) == (409, "changed_meanwhile")
    assert MODELS.get(f"/models/{model_id}").status == 404
    assert "base" not in locks()


def test_a_refused_upload_that_is_deleted_at_the_same_moment_is_told_as_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clear = repository.clear

    def clear_while_it_is_deleted(*one: Any) -> None:
        monkeypatch.setattr(repository, "clear", clear)
        clear(*one)
        assert delete(MODELS.get("/models").body["data"][0]["id"]).status == 204

    monkeypatch.setattr(repository, "clear", clear_while_it_is_deleted)

    answer = complete_model(safetensors_file(LORA))

    assert (answer.status, answer.body["code"]) == (422, "wrong_type")
    assert (MODELS.get("/models").body["data"], locks(), objects()) == ([], [], [])


def trained_lora(sagemaker: FakeSageMaker) -> tuple[str, dict[str, Any]]:
    ready_model()
    ready_dataset()
    training = TRAININGS.post("/trainings", TRAINING).body
    key = f"acme/trainings/{training['id']}/checkpoints/lora/style.safetensors"
    bucket.put(key, safetensors_file(LORA))
    told = {"file": "lora/style.safetensors", "epoch": 1, "step": 1, "size": 9, "sha256": "d" * 64}
    progress = f"acme/trainings/{training['id']}/checkpoints/progress.json"
    bucket.put(progress, json.dumps({"loras": [told]}).encode())
    end(sagemaker, training, "Completed")
    return training["id"], TRAININGS.get(f"/trainings/{training['id']}").body


def test_a_lora_and_its_training_know_each_other_until_it_is_deleted(
    sagemaker: FakeSageMaker,
) -> None:
    training_id, training = trained_lora(sagemaker)
    lora = MODELS.get(f"/models/{training['lora_id']}").body
    listed = MODELS.get("/models", type="lora", fm_type="sd_1_5").body["data"]

    assert lora["training_id"] == training_id
    assert (lora["sha256"], lora["sha256_checked"]) == ("d" * 64, True)
    assert [one["id"] for one in listed] == [lora["id"]]
    assert delete(lora["id"]).status == 204
    assert TRAININGS.get(f"/trainings/{training_id}").body["lora_id"] is None
    assert MODELS.get("/models", type="lora", fm_type="sd_1_5").body["data"] == []
    assert locks() == ["base"]


def test_a_lora_can_be_deleted_when_its_training_is_gone(sagemaker: FakeSageMaker) -> None:
    training_id, training = trained_lora(sagemaker)
    table.write(table.Delete(table.Key("acme#training", training_id)))

    assert delete(training["lora_id"]).status == 204
    assert table.get(table.Key("acme#training", training_id)) is None


def test_viewers_and_strangers_change_and_delete_nothing() -> None:
    model_id = ready_model()
    viewer = Client(MODELS.handler, role="viewer")
    stranger = Client(MODELS.handler, workspace="other")

    assert delete(model_id, viewer).status == 403
    assert viewer.request("PATCH", f"/models/{model_id}", {"tags": []}).status == 403
    assert delete(model_id, stranger).status == 404
    assert stranger.request("PATCH", f"/models/{model_id}", {"tags": ["x"]}).status == 404
    assert stranger.get(f"/models/{model_id}/uploads").status == 404
    assert MODELS.get(f"/models/{model_id}").body["tags"] == []
