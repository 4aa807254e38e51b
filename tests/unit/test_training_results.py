"""What a job leaves in its folders, as the API tells it: samples, log, TensorBoard, metrics."""

import json
from collections.abc import Iterable

import pytest

from lambdas.core import bucket
from tests.unit.fakes import AwsCalls
from tests.unit.scenes import TRAININGS, ready_dataset, ready_model

PROMPTS = [{"prompt": "a rabbit", "seed": 7}, {"prompt": "two", "negative_prompt": "blurry"}]


@pytest.fixture
def training(aws_calls: AwsCalls) -> dict:
    ready_model(), ready_dataset()
    request = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    made = TRAININGS.post("/trainings", request | {"sample_prompts": PROMPTS}).body
    aws_calls.reset()
    return made


def leave(training: dict, path: str, content: bytes = b"x") -> None:
    bucket.put(f"acme/trainings/{training['id']}/{path}", content)


def read(training: dict, what: str, **query: object) -> dict:
    asked = {name: str(value) for name, value in query.items()}
    answer = TRAININGS.get(f"/trainings/{training['id']}/{what}", **asked)
    assert answer.status == 200, answer
    return answer.body


def leave_log(training: dict, name: str, numbers: Iterable[int]) -> None:
    lines = [
        json.dumps(
            {
                "number": number,
                "at": "2027-01-15T08:00:00.000Z",
                "source": "trainer",
                "text": f"第 {number}",
            },
            ensure_ascii=False,
        )
        for number in numbers
    ]
    leave(training, f"checkpoints/logs/{name}.jsonl", "".join(f"{one}\n" for one in lines).encode())


def numbers(answer: dict) -> list[int]:
    return [line["number"] for line in answer["data"]]


def test_samples_come_in_the_order_of_their_steps_with_what_was_drawn(
    training: dict, aws_calls: AwsCalls
) -> None:
    for name in ("00000030-000001-01", "00000000-000000-00", "00000030-000001-00"):
        leave(training, f"checkpoints/samples/{name}.png", b"12345")
    leave(training, "checkpoints/samples/prompts.json")
    aws_calls.reset()

    found = read(training, "samples")

    assert found["next_cursor"] is None
    told = [(one["step"], one["epoch"], one["prompt_index"], one["size"]) for one in found["data"]]
    assert told == [(0, 0, 0, 5), (30, 1, 0, 5), (30, 1, 1, 5)]
    last = found["data"][-1]
    assert last["prompt"] == training["sample_prompts"][1]
    assert last["prompt"]["negative_prompt"] == "blurry"
    assert "/samples/00000030-000001-01.png?" in last["download"]["url"]
    assert aws_calls.made == ["GetItem", "ListObjectsV2"]


def test_many_samples_come_in_pages(training: dict) -> None:
    for step in range(1, 8):
        leave(training, f"checkpoints/samples/{step:08d}-000001-00.png")

    seen, cursor = [], None
    while True:
        page = read(training, "samples", limit=3, **({"cursor": cursor} if cursor else {}))
        assert len(page["data"]) <= 3
        seen += [one["step"] for one in page["data"]]
        if not (cursor := page["next_cursor"]):
            break

    assert seen == list(range(1, 8))
    other = TRAININGS.get(f"/trainings/{training['id']}/samples", cursor="bm9uZQ")
    assert (other.status, other.body["code"]) == (400, "invalid_cursor")


def test_an_image_of_a_prompt_that_nobody_knows_is_told_without_it(training: dict) -> None:
    leave(training, "checkpoints/samples/00000001-000001-09.png")

    (found,) = read(training, "samples")["data"]

    assert (found["prompt_index"], found["prompt"]) == (9, None)


def test_the_newest_lines_come_without_a_cursor_and_what_follows_with_it(training: dict) -> None:
    leave_log(training, "00000001-00000500", range(1, 501))
    leave_log(training, "00000501-00000505", range(501, 506))
    leave_log(training, "tail", range(506, 510))

    newest = read(training, "logs", limit=6)
    assert numbers(newest) == [504, 505, 506, 507, 508, 509]
    assert newest["data"][0]["text"] == "第 504"
    assert (newest["next_since"], newest["oldest"]) == (509, 1)
    nothing = read(training, "logs", since=509)
    assert (nothing["data"], nothing["next_since"]) == ([], 509)

    leave_log(training, "tail", range(506, 512))
    assert numbers(read(training, "logs", since=509)) == [510, 511]


def test_the_whole_log_can_be_read_from_its_first_kept_line(
    training: dict, aws_calls: AwsCalls
) -> None:
    leave_log(training, "00001001-00001500", range(1001, 1501))
    leave_log(training, "00001501-00002000", range(1501, 2001))
    leave_log(training, "tail", range(2001, 2004))

    seen, since = [], 0
    while page := read(training, "logs", since=since, limit=400)["data"]:
        seen += [line["number"] for line in page]
        since = page[-1]["number"]

    assert seen == list(range(1001, 2004))
    aws_calls.reset()
    assert numbers(read(training, "logs", since=2002)) == [2003]
    assert aws_calls.made == ["GetItem", "GetObject", "ListObjectsV2"], "no old segment is read"


def test_a_line_that_is_in_tail_and_segment_comes_once(training: dict) -> None:
    leave_log(training, "00000001-00000005", range(1, 6))
    leave_log(training, "tail", range(3, 8))

    assert numbers(read(training, "logs", since=0)) == list(range(1, 8))
    assert numbers(read(training, "logs")) == list(range(1, 8))


def test_a_tail_that_came_before_its_segment_waits_for_it(training: dict) -> None:
    """Else a client's cursor would leap over the lines between."""
    leave_log(training, "tail", range(1, 400))
    assert read(training, "logs")["next_since"] == 399
    leave_log(training, "tail", range(501, 503))

    waiting = read(training, "logs", since=399)
    assert (waiting["data"], waiting["next_since"]) == ([], 399)
    leave_log(training, "00000001-00000500", range(1, 501))
    assert numbers(read(training, "logs", since=399)) == list(range(400, 503))


def test_a_training_that_has_left_nothing_has_nothing(training: dict) -> None:
    assert read(training, "samples") == {"data": [], "next_cursor": None}
    assert read(training, "logs") == {"data": [], "next_since": 0, "oldest": None}
    assert read(training, "tensorboard") == {"data": []}


@pytest.mark.parametrize(
    ("what", "query"),
    [
        ("logs", {"limit": "0"}),
        ("logs", {"limit": "1001"}),
        ("logs", {"since": "-1"}),
        ("logs", {"since": "x"}),
        ("samples", {"limit": "101"}),
    ],
)
def test_limits_are_held(training: dict, what: str, query: dict[str, str]) -> None:
    answer = TRAININGS.get(f"/trainings/{training['id']}/{what}", **query)

    assert answer.status == 422
    assert answer.pointers == [f"query:{next(iter(query))}"]


@pytest.mark.parametrize("what", ["samples", "logs", "tensorboard"])
def test_another_workspaces_training_is_not_there(training: dict, what: str) -> None:
    from lambdas.trainings import handler
    from tests.unit.fakes import Client

    leave_log(training, "tail", [1])

    other = Client(handler.handler, workspace="other")

    assert other.get(f"/trainings/{training['id']}/{what}").status == 404


def test_event_files_are_told_by_their_run_wherever_sagemaker_puts_them(training: dict) -> None:
    event = "20270115080000/network_train/events.out.tfevents.1800000000.algo-1.1.0"
    leave(training, f"logs/{event}", b"123")
    leave(training, f"logs/{training['job_name']}/tensorboard-output/second/{event}", b"12345")
    leave(training, "logs/20270115080000/hparams.json")

    found = read(training, "tensorboard")["data"]

    assert {(one["path"], one["size"]) for one in found} == {(event, 3), (f"second/{event}", 5)}
    assert all("/logs/" in one["download"]["url"] for one in found)


def leave_rows(training: dict, name: str, rows: Iterable[tuple[int, int]]) -> None:
    lines = [json.dumps({"step": step, "steps": steps, "loss": 0.5}) for step, steps in rows]
    leave(training, f"checkpoints/metrics/{name}.jsonl", "\n".join(lines).encode())


def steps(answer: dict) -> list[int]:
    return [row["step"] for row in answer["data"]]


def test_the_loss_curve_ends_with_what_is_younger_than_the_last_segment(training: dict) -> None:
    leave_rows(training, "00000001-00000003", [(1, 1), (2, 1), (3, 1)])
    leave_rows(training, "tail", [(3, 1), (4, 1), (5, 1)])

    assert steps(read(training, "metrics")) == [1, 2, 3, 4, 5]
    assert steps(read(training, "metrics", since_step=4)) == [5]
    page = read(training, "metrics", since_step=1, limit=2)
    assert (steps(page), page["next_since_step"]) == ([2, 3], 3)
    assert read(training, "metrics", since_step=3)["next_since_step"] is None


def test_a_stride_takes_the_rows_in_which_its_steps_are(training: dict) -> None:
    """Rows of several steps need not end at a multiple of it."""
    leave_rows(training, "00000001-00000030", [(9, 9), (11, 2), (14, 3), (21, 7), (30, 9)])

    assert steps(read(training, "metrics", stride=10)) == [11, 21, 30]
    assert steps(read(training, "metrics", stride=1)) == [9, 11, 14, 21, 30]
    assert read(training, "metrics")["data"][0]["steps"] == 9


def test_rows_of_before_stand_for_one_step_each(training: dict) -> None:
    leave(training, "checkpoints/metrics/00000001-00000001.jsonl", b'{"step": 1, "loss": 0.5}')

    (row,) = read(training, "metrics")["data"]

    assert (row["steps"], row["gpus"]) == (1, None)
