"""Captions that a training's tagger proposes: stored once, reviewed, never silently taken."""

import json
from typing import Any

import pytest

from lambdas.asset_worker import handler as worker
from lambdas.core import bucket
from lambdas.core.queue import Task
from tests.unit.fakes import Answer, AwsCalls, Context, FakeSageMaker, Killed, kill_points
from tests.unit.scenes import DATASETS, TRAININGS, ready_dataset, ready_model, work
from tests.unit.test_captions import listed, put
from tests.unit.test_dataset_faults import minutes_pass, reconcile
from tests.unit.test_training_status import end

HEADER: dict[str, Any] = {"version": 1, "captioning": {"tagger": "wd14"}, "images": 3}


@pytest.fixture
def dataset_id(aws_calls: AwsCalls) -> str:
    ready_model()
    return ready_dataset()


@pytest.fixture
def training(dataset_id: str) -> dict:
    request = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    return TRAININGS.post("/trainings", request).body


def line(index: int, caption: str = "1girl, solo", **changes: Any) -> dict[str, Any]:
    return {
        "file_name": f"{index}.png",
        "tags": ["1girl", "solo"],
        "caption": caption,
        "tagger": "wd14",
    } | changes


def leave(training: dict, dataset_id: str, *lines: Any, header: Any = None) -> None:
    told = [header or HEADER | {"dataset_id": dataset_id}, *lines]
    body = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in told)
    folder = f"acme/trainings/{training['id']}/checkpoints/captions/{dataset_id}"
    bucket.put(f"{folder}/captions.jsonl", body.encode())


def ended(training: dict, sagemaker: FakeSageMaker) -> None:
    end(sagemaker, training, "Failed", "Failed", FailureReason="no_lora: none came out")
    work()


def proposed(dataset_id: str) -> list[dict[str, Any]]:
    return DATASETS.get(f"/datasets/{dataset_id}/proposals").body["data"]


def choose(dataset_id: str, verb: str, **body: Any) -> Answer:
    return DATASETS.post(f"/datasets/{dataset_id}/proposals/{verb}", body)


def captions(dataset_id: str) -> list[str]:
    return [one["caption"] for one in listed(dataset_id)]


def test_what_a_tagger_proposed_waits_for_review_when_the_training_ends(
    training: dict, dataset_id: str, sagemaker: FakeSageMaker
) -> None:
    leave(training, dataset_id, line(0), line(1, "1girl, hat"))

    ended(training, sagemaker)

    first, second = proposed(dataset_id)
    assert (first["name"], first["text"], first["tags"]) == (
        *("0.png", "1girl, solo"),
        ["1girl", "solo"],
    )
    assert (first["current"], first["conflict"]) == ("abc", False)
    assert (first["training_id"], second["text"]) == (training["id"], "1girl, hat")
    assert captions(dataset_id) == ["abc"] * 3


def test_a_training_without_proposals_asks_nothing_of_the_worker(
    training: dict, aws_calls: AwsCalls, sagemaker: FakeSageMaker
) -> None:
    aws_calls.reset()

    ended(training, sagemaker)

    assert aws_calls.made.count("SendMessage") == 1  # to the notifier, of its end


@pytest.mark.parametrize("accepted", ["named", "all"])
def test_proposals_are_accepted_and_what_was_changed_since_is_a_conflict(
    training: dict, dataset_id: str, sagemaker: FakeSageMaker, accepted: str
) -> None:
    leave(training, dataset_id, *(line(index) for index in range(3)))
    ended(training, sagemaker)
    ids = [one["id"] for one in listed(dataset_id)]
    put(f"/datasets/{dataset_id}/images/{ids[1]}/caption", "of a person", If_Match="*")

    if accepted == "named":
        answer = choose(dataset_id, "accept", image_ids=[*ids, "img_none"])
        outcomes = [one["outcome"] for one in answer.body["results"]]
        assert outcomes == ["accepted", "conflict", "accepted", "no_proposal"]
        assert answer.body["results"][1]["text"] == "of a person"
    else:
        told = choose(dataset_id, "accept", all=True).body["edit"]
        assert (told["status"], told["changed"], told["skipped"]) == ("done", 2, 1)
        assert told["skipped_images"][0]["reason"] == "changed_meanwhile"

    assert captions(dataset_id) == ["1girl, solo", "of a person", "1girl, solo"]
    assert [(one["image_id"], one["conflict"]) for one in proposed(dataset_id)] == [(ids[1], True)]
    versions = DATASETS.get(f"/datasets/{dataset_id}/images/{ids[0]}/caption/versions").body
    assert [(one["text"], one["source"]) for one in versions["versions"]] == [("abc", "proposed")]
    stored = bucket.read(f"acme/datasets/{dataset_id}/10_tusiji/0.txt")
    assert stored == b"1girl, solo"


def test_a_caption_changed_while_the_training_ran_is_a_conflict(
    training: dict, dataset_id: str, sagemaker: FakeSageMaker
) -> None:
    image_id = listed(dataset_id)[0]["id"]
    put(f"/datasets/{dataset_id}/images/{image_id}/caption", "of a person", If_Match="*")
    leave(training, dataset_id, line(0))

    ended(training, sagemaker)

    assert proposed(dataset_id)[0]["conflict"]
    outcome = choose(dataset_id, "accept", image_ids=[image_id]).body["results"][0]["outcome"]
    assert (outcome, captions(dataset_id)[0]) == ("conflict", "of a person")


@pytest.mark.parametrize("refused", ["named", "all"])
def test_what_was_refused_stays_away_when_the_message_comes_again(
    training: dict, dataset_id: str, sagemaker: FakeSageMaker, refused: str
) -> None:
    leave(training, dataset_id, line(0), line(1))
    ended(training, sagemaker)

    ids = [one["image_id"] for one in proposed(dataset_id)]
    answer = choose(
        dataset_id, "refuse", **({"all": True} if refused == "all" else {"image_ids": ids})
    )
    task = Task(kind="store_proposals", workspace="acme", id=training["id"])
    record = {"messageId": "1", "body": task.model_dump_json(), "eventSource": "aws:sqs"}
    worker.handler({"Records": [record]}, Context())

    assert answer.status == 200
    assert proposed(dataset_id) == []
    assert captions(dataset_id) == ["abc"] * 3


def test_lines_that_make_no_sense_are_passed_over(
    training: dict, dataset_id: str, sagemaker: FakeSageMaker
) -> None:
    leave(
        training,
        dataset_id,
        *(
            "no json",
            line(0, caption="x" * 20_000),
            line(0, tags=["x" * 101]),
            line(1, file_name="../1.png"),
        ),
        *(line(2, caption="abc"), line(1), line(1, caption="twice"), line(0, caption=" ")),
    )

    ended(training, sagemaker)

    assert [(one["name"], one["text"]) for one in proposed(dataset_id)] == [
        ("1.png", "1girl, solo")
    ]


@pytest.mark.parametrize(
    "header", [{"version": 2}, {"version": 1, "dataset_id": "ds_x"}, "no", "[]"]
)
def test_a_file_that_is_not_of_this_kind_is_left_alone(
    training: dict, dataset_id: str, sagemaker: FakeSageMaker, header: Any
) -> None:
    leave(training, dataset_id, line(0), header=header)

    ended(training, sagemaker)

    assert proposed(dataset_id) == []


@pytest.mark.parametrize("body", [{}, {"image_ids": ["img_1"], "all": True}])
def test_a_choice_says_which_or_all(dataset_id: str, body: dict) -> None:
    for verb in ("accept", "refuse"):
        answer = choose(dataset_id, verb, **body)
        assert (answer.status, answer.pointers) == (422, ["/image_ids"])


def test_whoever_is_killed_on_the_way_the_proposals_are_stored_once(
    dataset_id: str,
    aws_calls: AwsCalls,
    sagemaker: FakeSageMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def a_training(number: int) -> dict:
        wanted = {"name": f"t{number}", "model": "base", "datasets": [{"dataset": "tusiji"}]}
        made = TRAININGS.post("/trainings", wanted).body
        leave(made, dataset_id, line(0, f"of {number}"), line(1, f"of {number}"))
        aws_calls.reset()
        return made

    made = a_training(0)
    ended(made, sagemaker)
    calls = list(aws_calls.made)
    assert calls.count("BatchWriteItem") == 1
    for killed_before in kill_points(len(calls) - 1):
        choose(dataset_id, "refuse", all=True)
        made = a_training(killed_before + 1)
        aws_calls.kill_before = killed_before
        with pytest.raises(Killed):
            ended(made, sagemaker)
        aws_calls.reset()
        minutes_pass(monkeypatch, 6)
        end(sagemaker, made, "Failed", "Failed", FailureReason="no_lora: none came out")
        reconcile()
        work()
        texts = [one["text"] for one in proposed(dataset_id)]
        assert texts == [f"of {killed_before + 1}"] * 2, calls[killed_before]
