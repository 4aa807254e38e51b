"""What can be seen of a training while it runs and when it has failed, over HTTP."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from client import SD_1_5, checkpoint, follow, upload_dataset, upload_model
from local_stack import LocalStack, await_that

PROMPTS = [
    {"prompt": "a rabbit --cn /etc/passwd", "width": 64, "height": 128, "seed": 7},
    {"prompt": "兔", "negative_prompt": "blurry", "width": 128, "height": 64},
]
PARAMS = {"max_train_epochs": 4, "network_dim": 4, "sample_at_first": True}


@pytest.fixture(scope="module")
def slow_api(slow_stack: LocalStack) -> Iterator[httpx.Client]:
    with slow_stack.client() as api:
        upload_model(api, "watched-base", checkpoint(SD_1_5)).raise_for_status()
        upload_dataset(api, "watched-images").raise_for_status()
        yield api


def create(api: httpx.Client, name: str, **more: Any) -> dict[str, Any]:
    datasets = [{"dataset": "watched-images", "repeats": 10}]
    request = {"name": name, "model": "watched-base", "datasets": datasets}
    request |= {"config_params": PARAMS, "sample_prompts": PROMPTS} | more
    answer = api.post("/trainings", json=request)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def read(api: httpx.Client, training: dict[str, Any], what: str, **query: Any) -> dict[str, Any]:
    path = f"/trainings/{training['id']}/{what}"
    found: dict[str, Any] = api.get(path, params=query).raise_for_status().json()
    return found


def samples_of(api: httpx.Client, training: dict[str, Any]) -> list[tuple[int, int, int]]:
    found = read(api, training, "samples")["data"]
    return [(one["step"], one["epoch"], one["prompt_index"]) for one in found]


def whole_log(api: httpx.Client, training: dict[str, Any]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    since = 0
    while page := read(api, training, "logs", since=since, limit=20):
        lines += page["data"]
        if page["next_since"] == since:
            break
        since = page["next_since"]
    return lines


def test_samples_log_curve_and_tensorboard_are_there_while_it_runs(slow_api: httpx.Client) -> None:
    training = create(slow_api, "watched")
    await_that(lambda: len(samples_of(slow_api, training)) >= 4, 60)
    seen = [line["number"] for line in read(slow_api, training, "logs", since=0)["data"]]
    rows = await_that(lambda: read(slow_api, training, "metrics")["data"], 20)
    await_that(lambda: read(slow_api, training, "tensorboard")["data"], 20)
    ended = slow_api.get(f"/trainings/{training['id']}").json()["ended_at"]

    assert ended is None, "all this was seen before the end"
    assert seen[0] == 1
    assert rows[0]["step"] == 1

    done = follow(slow_api, training["id"])
    assert done["status"] == "succeeded", done["failure"]
    times = [(0, 0), (20, 1), (40, 2), (60, 3), (80, 4)]
    assert samples_of(slow_api, training) == [(s, e, place) for s, e in times for place in (0, 1)]
    last = read(slow_api, training, "samples")["data"][-2]
    image = httpx.get(last["download"]["url"]).raise_for_status().content
    assert image.startswith(b"\x89PNG")
    assert len(image) == last["size"]
    assert last["prompt"] == done["sample_prompts"][0]
    assert (last["prompt"]["prompt"], last["prompt"]["seed"]) == (PROMPTS[0]["prompt"], 7)
    lines = whole_log(slow_api, training)
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1]["text"].startswith("finished: 4 LoRAs")
    (events,) = read(slow_api, training, "tensorboard")["data"]
    content = httpx.get(events["download"]["url"]).raise_for_status().content
    assert len(content) == events["size"]
    assert b"loss/current" in content
    assert events["path"].count("/") == 2


def test_what_the_api_tells_is_seconds_old(slow_api: httpx.Client) -> None:
    """The container shows new rows and lines every 5 s, and every 0.25 s here."""
    training = create(slow_api, "young", config_params=PARAMS | {"max_train_epochs": 6})
    await_that(lambda: read(slow_api, training, "metrics")["data"], 60)
    waits, newest, since = [], 0, time.monotonic()
    while len(waits) < 2:
        assert time.monotonic() - since < 20, f"nothing new for 20 s after step {newest}"
        step = read(slow_api, training, "metrics", since_step=newest)["data"]
        if step:
            waits.append(time.monotonic() - since)
            newest, since = step[-1]["step"], time.monotonic()
        time.sleep(0.2)

    slow_api.post(f"/trainings/{training['id']}/cancel")
    assert waits[1] < 5, "0.25 s for the tail, 0.25 s for the sync here"


def test_a_training_that_is_ended_early_has_its_log_to_the_last_line(
    slow_api: httpx.Client,
) -> None:
    training = create(slow_api, "ended")
    await_that(lambda: samples_of(slow_api, training), 60)
    slow_api.post(f"/trainings/{training['id']}/cancel").raise_for_status()

    assert follow(slow_api, training["id"])["status"] == "canceled"

    texts = [line["text"] for line in whole_log(slow_api, training)]
    assert texts[-1].startswith("failed: stopped")
    assert "rabbit" not in str(texts)
    assert samples_of(slow_api, training)[:2] == [(0, 0, 0), (0, 0, 1)]


def test_an_interruption_leaves_samples_and_log_as_they_were(
    slow_stack: LocalStack, slow_api: httpx.Client
) -> None:
    training = create(slow_api, "watched-spot", spot=True)
    await_that(lambda: (40, 2, 1) in samples_of(slow_api, training), 60)
    await_that(lambda: "after epoch 2" in str(whole_log(slow_api, training)), 20)
    before = len(whole_log(slow_api, training))
    hook = f"{slow_stack.endpoints['sagemaker']}/local/interrupt"
    httpx.post(hook, params={"name": training["job_name"]}).raise_for_status()

    done = follow(slow_api, training["id"], 90)

    assert done["status"] == "succeeded", done["failure"]
    times = [(0, 0), (20, 1), (40, 2), (60, 3), (80, 4)]
    assert samples_of(slow_api, training) == [(s, e, place) for s, e in times for place in (0, 1)]
    lines = whole_log(slow_api, training)
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    rest = [line["text"] for line in lines[before:]]
    assert any(text.startswith("an earlier attempt left a state") for text in rest)
    assert len(read(slow_api, training, "tensorboard")["data"]) == 2


def test_wrong_prompts_are_told_at_their_places(slow_api: httpx.Client) -> None:
    request = {"name": "x", "model": "watched-base", "datasets": [{"dataset": "watched-images"}]}
    prompts = [{"prompt": "a", "width": 500}, {"prompt": "b", "height": 1032}]

    malformed = slow_api.post("/trainings", json=request | {"sample_prompts": prompts})
    too_large = slow_api.post("/trainings", json=request | {"sample_prompts": prompts[1:]})

    for answer, pointer in ((malformed, "0/width"), (too_large, "0/height")):
        assert answer.status_code == 422
        pointers = [fault["pointer"] for fault in answer.json()["errors"]]
        assert pointers == [f"/sample_prompts/{pointer}"]
