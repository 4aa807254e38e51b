"""Lost answers, races and nonsense: each was a defect once."""

import json
from datetime import timedelta
from typing import Any

import pytest

from lambdas.core import clock, table
from lambdas.datasets import repository as datasets
from lambdas.datasets.schema import DeclaredFile
from lambdas.training_status import handler as status
from lambdas.trainings import transitions
from lambdas.trainings.repository import get
from tests.unit.fakes import (
    SD_1_5,
    AwsCalls,
    Client,
    Context,
    FakeSageMaker,
    refusal,
    safetensors_file,
)
from tests.unit.scenes import (
    DATASETS,
    MODELS,
    TRAININGS,
    complete_model,
    completed,
    ready_dataset,
    ready_model,
)
from tests.unit.test_datasets import body as dataset_body
from tests.unit.test_datasets import upload

pytestmark = pytest.mark.usefixtures("aws_calls")
TRAINING = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}


def made_training(**changes: Any) -> dict:
    return TRAININGS.post("/trainings", TRAINING | changes).body


def declared(name: str) -> DeclaredFile:
    return DeclaredFile(name=name, size=1, id=f"img_{name}")


def reconcile() -> None:
    status.handler({"detail-type": "Reconcile"}, Context())


def test_a_dataset_whose_answer_was_lost_is_whole_when_it_is_asked_for_again(
    aws_calls: AwsCalls,
) -> None:
    aws_calls.lost = {"TransactWriteItems"}
    lost = DATASETS.post("/datasets", dataset_body(), key="one")
    aws_calls.reset()

    again = DATASETS.post("/datasets", dataset_body(), key="one")
    dataset_id = again.body["dataset"]["id"]
    upload(dataset_id, "a.png", "a.txt")

    assert (lost.status, lost.body["code"]) == (503, "unavailable")
    assert lost.headers["Retry-After"]
    assert [one["name"] for one in again.body["uploads"]] == ["a.png", "a.txt"]
    assert completed(dataset_id).body["status"] == "ready"


def test_a_model_whose_answer_was_lost_can_still_be_uploaded(aws_calls: AwsCalls) -> None:
    request = {"name": "b", "file_name": "b.safetensors", "size": 99}
    aws_calls.lost = {"TransactWriteItems"}
    MODELS.post("/models", request, key="one")
    aborted = "AbortMultipartUpload" in aws_calls.made
    aws_calls.reset()

    again = MODELS.post("/models", request, key="one")

    assert not aborted
    assert len(again.body["parts"]) == 1


def test_an_upload_that_is_not_kept_is_ended(aws_calls: AwsCalls) -> None:
    request = {"name": "b", "file_name": "b.safetensors", "size": 99}
    MODELS.post("/models", request)
    aws_calls.reset()

    assert MODELS.post("/models", request).body["code"] == "name_taken"
    assert "AbortMultipartUpload" in aws_calls.made


def test_a_training_that_makes_trouble_keeps_no_other_from_being_reconciled(
    aws_calls: AwsCalls, sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready_model(), ready_dataset()
    first, second = made_training(), made_training(name="second")
    for one in (first, second):
        sagemaker.set_state(one["job_name"], "InProgress", "Training")
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=3))
    throttled = refusal("DescribeTrainingJob", "ThrottlingException", "slow down")
    aws_calls.reset()
    aws_calls.refused = {"DescribeTrainingJob": [throttled]}

    with pytest.raises(type(throttled)):
        reconcile()
    told = {TRAININGS.get(f"/trainings/{one['id']}").body["status"] for one in (first, second)}
    aws_calls.reset()
    reconcile()

    assert told == {"queued", "running"}
    assert "DescribeTrainingJob" not in aws_calls.made  # both were put off


def test_a_dataset_that_became_ready_meanwhile_takes_no_more_files() -> None:
    dataset_id = ready_dataset()
    kept = datasets.get("acme", dataset_id)
    as_it_was = kept.dataset.model_copy(update={"status": "uploading"})

    with pytest.raises(Exception, match="same moment"):
        datasets.declare("acme", as_it_was, kept.files_id, [declared("z.png")])

    assert DATASETS.get(f"/datasets/{dataset_id}").body["status"] == "ready"


def test_of_two_that_add_files_at_once_the_winners_list_stays() -> None:
    dataset_id = DATASETS.post("/datasets", dataset_body()).body["dataset"]["id"]
    kept = datasets.get("acme", dataset_id)
    winner, loser = [declared("w.png")], [declared("l.png")]

    datasets.declare("acme", kept.dataset, kept.files_id, winner)
    with pytest.raises(Exception, match="same moment"):
        datasets.declare("acme", kept.dataset, kept.files_id, loser)

    files_id = datasets.get("acme", dataset_id).files_id
    assert datasets.declared_files("acme", dataset_id, files_id) == winner


@pytest.mark.parametrize(
    ("changes", "pointer"), [({"name": "abc\n"}, "/name"), ({"prefix": "10_x\n"}, "/prefix")]
)
def test_a_line_end_is_no_part_of_a_name(changes: dict, pointer: str) -> None:
    assert DATASETS.post("/datasets", dataset_body(**changes)).pointers == [pointer]


def test_an_end_that_describe_does_not_know_yet_is_taken_from_the_event(
    sagemaker: FakeSageMaker,
) -> None:
    ready_model(), ready_dataset()
    training = made_training()
    told = dict(sagemaker.set_state(training["job_name"], "Completed", "Completed"))
    told["LastModifiedTime"] = 1_900_000_000_000
    sagemaker.set_state(training["job_name"], "InProgress", "Uploading")

    status.handler(
        {"detail-type": "SageMaker Training Job State Change", "detail": told}, Context()
    )

    done = TRAININGS.get(f"/trainings/{training['id']}").body
    assert done["failure"]["code"] == "no_lora"
    assert done["provider_status"] == "Completed/Completed"


def test_the_second_of_two_ends_changes_nothing_and_raises_nothing() -> None:
    ready_model(), ready_dataset()
    kept = get("acme", made_training()["id"])
    ending = transitions.Ending("canceled", "Canceled.")

    assert transitions.end("acme", kept.training, ending) is True
    assert transitions.end("acme", kept.training, ending) is False


def test_a_write_that_meets_a_transaction_is_tried_again(aws_calls: AwsCalls) -> None:
    conflict = refusal("UpdateItem", "TransactionConflictException", "busy")
    aws_calls.refused = {"UpdateItem": [conflict, conflict]}

    table.write(table.Update(table.Key("a", "b"), "SET #c = :c", {"c": 1}, condition=None))

    assert aws_calls.made == ["UpdateItem"] * 3


def test_a_transaction_that_conflicts_is_tried_again_and_at_last_told_as_503(
    aws_calls: AwsCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_pause", lambda _: None)
    conflict = refusal("TransactWriteItems", "TransactionCanceledException", "busy")
    conflict.response["CancellationReasons"] = [{"Code": "TransactionConflict"}, {"Code": "None"}]

    aws_calls.refused = {"TransactWriteItems": [conflict] * 3}
    assert DATASETS.post("/datasets", dataset_body()).status == 201

    aws_calls.refused = {"TransactWriteItems": [conflict] * 20}
    busy = DATASETS.post("/datasets", dataset_body(name="other"))
    assert (busy.status, busy.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize(
    ("operation", "code"),
    [("GetItem", "ProvisionedThroughputExceededException"), ("GetItem", "ThrottlingException")],
)
def test_a_service_under_load_is_a_503_and_not_our_fault(
    aws_calls: AwsCalls, operation: str, code: str
) -> None:
    dataset_id = ready_dataset()
    aws_calls.refused = {operation: [refusal(operation, code, "slow down")]}

    answer = DATASETS.get(f"/datasets/{dataset_id}")

    assert (answer.status, answer.body["code"]) == (503, "unavailable")


def test_a_cancel_is_kept_also_when_sagemaker_does_not_answer(aws_calls: AwsCalls) -> None:
    ready_model(), ready_dataset()
    training = made_training()
    throttled = refusal("StopTrainingJob", "ThrottlingException", "slow down")
    aws_calls.refused = {"StopTrainingJob": [throttled]}

    answer = TRAININGS.post(f"/trainings/{training['id']}/cancel")

    assert (answer.status, answer.body["status"]) == (200, "canceling")


@pytest.mark.parametrize(
    "config_params",
    [
        "learning_rate = nan",
        "seed = 1979-05-27",
        "a = " + "[" * 5000,
        "seed = 1" + "0" * 5000,
        {"optimizer_args": ["x" * 100] * 1000},
        {"seed": 2**70},
    ],
    ids=lambda given: str(given)[:20],
)
def test_nonsense_among_the_options_is_told_and_starts_nothing(
    sagemaker: FakeSageMaker, config_params: object
) -> None:
    ready_model(), ready_dataset()

    answer = TRAININGS.post("/trainings", TRAINING | {"config_params": config_params})

    assert answer.status == 422
    assert answer.pointers[0].startswith("/config_params")
    assert sagemaker.jobs == {}


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a": ' + "9" * 5000 + "}", '{"a": NaN}', '{"a": Infinity}']
)
def test_a_body_that_no_reader_should_accept_is_a_400(text: str) -> None:
    answer = TRAININGS.post("/trainings", text)

    assert (answer.status, answer.body["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    "metadata",
    [
        {"ss_network_dim": "9" * 5000},
        {"ss_network_alpha": "1e300"},
        {"lorastack_engine": "x" * 500_000},
    ],
)
def test_nonsense_in_a_header_is_left_out(metadata: dict) -> None:
    answer = complete_model(safetensors_file(SD_1_5, metadata))

    assert answer.status == 200
    assert (answer.body["header"]["rank"], answer.body["header"]["alpha"]) == (None, None)
    assert len(answer.body["header"]["engine"] or "") <= 20


def test_a_header_of_half_characters_or_a_thousand_dimensions_is_refused() -> None:
    half = safetensors_file({"w": [1]}).replace(b'"w"', b'"\\ud800"')
    half = len(half[8:-2]).to_bytes(8, "little") + half[8:]
    many = safetensors_file({"w": [1] * 1000})

    assert complete_model(half).body["code"] == "not_safetensors"
    assert complete_model(many, "many").body["code"] == "not_safetensors"


def test_a_model_whose_parts_are_not_joined_yet_stays_open(aws_calls: AwsCalls) -> None:
    content = safetensors_file(SD_1_5)
    no_upload = refusal("CompleteMultipartUpload", "NoSuchUpload", "gone")
    aws_calls.refused = {"CompleteMultipartUpload": [no_upload]}

    answer = complete_model(content)

    assert (answer.status, answer.body["code"]) == (409, "not_uploaded")
    assert MODELS.get("/models").body["data"][0]["status"] == "uploading"


def test_files_that_come_later_are_held_to_the_same_rules() -> None:
    made = DATASETS.post("/datasets", dataset_body()).body["dataset"]["id"]

    answer = DATASETS.post(f"/datasets/{made}/uploads", {"files": [{"name": "a.jpg", "size": 1}]})

    assert (answer.status, answer.pointers) == (422, ["/files"])
    assert DATASETS.post("/datasets", dataset_body("b.TXT", name="n")).pointers == ["/files/0/name"]


@pytest.mark.parametrize(
    "tags", [{"aws:x": "y"}, {"lorastack:workspace": "other"}, {"a": "tab\t"}, {"a!": "b"}]
)
def test_tags_that_sagemaker_or_we_would_not_take_are_told(tags: dict) -> None:
    ready_model(), ready_dataset()

    answer = TRAININGS.post("/trainings", TRAINING | {"tags": tags})

    assert answer.status == 422
    assert answer.pointers[0].startswith("/tags")


def test_a_job_that_is_gone_for_good_ends_its_training(
    sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready_model(), ready_dataset()
    training = made_training()
    sagemaker.set_state(training["job_name"], "InProgress", "Training")
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=3))
    reconcile()
    sagemaker.jobs.clear()
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(days=3))

    reconcile()

    assert TRAININGS.get(f"/trainings/{training['id']}").body["failure"]["code"] == "job_lost"


def test_what_sagemaker_says_of_its_account_reaches_no_tenant(sagemaker: FakeSageMaker) -> None:
    ready_model(), ready_dataset()
    sagemaker.refuse_with = ("ValidationException", "arn:aws:iam::123456789012:role/x is bad")

    told = json.dumps(made_training())

    assert "launch_refused" in told
    assert "123456789012" not in told


def test_an_id_that_is_none_of_ours_costs_no_call(aws_calls: AwsCalls) -> None:
    client = Client(DATASETS.handler)

    assert client.get("/datasets/" + "x" * 3000).status == 404
    assert aws_calls.made == []
