"""Wrong input over HTTP: a problem that names the field and the remedy, and nothing started."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from client import PNG, SD_1_5, SD_XL, checkpoint, upload_dataset, upload_model
from local_stack import LocalStack

GOOD = checkpoint(SD_1_5)


@dataclass(frozen=True)
class Wrong:
    """A request body for POST /trainings and what is told of it."""

    body: dict[str, Any]
    pointer: str
    words: str


@dataclass(frozen=True)
class Library:
    """What lies in the workspace of these tests."""

    api: httpx.Client
    ids: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def library(stack: LocalStack) -> Library:
    with stack.client() as api:
        ids = {
            "sd15": upload_model(api, "wrong-sd15", GOOD).json()["id"],
            "sdxl": upload_model(api, "wrong-sdxl", checkpoint(SD_XL)).json()["id"],
            "images": upload_dataset(api, "wrong-images").json()["id"],
        }
    return Library(stack.client(), ids)


@pytest.fixture
def jobs(stack: LocalStack) -> Callable[[], int]:
    client = stack.aws("sagemaker")
    return lambda: len(client.list_training_jobs(MaxResults=100)["TrainingJobSummaries"])


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["code"]) == (status, code), told
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert set(told) == {"type", "title", "status", "code", "detail", "errors", "request_id"}
    assert told["status"] == status
    assert told["detail"]
    assert told["request_id"]
    return told


def training(**changes: Any) -> dict[str, Any]:
    ready = {"name": "wrong", "model": "wrong-sd15", "datasets": [{"dataset": "wrong-images"}]}
    return {**ready, **changes}


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong(training(model="wrong-sdxl", fm_type="sd_1_5"), "/fm_type", "set sd_xl"),
        Wrong(training(fm_type="sd_xl"), "/fm_type", "set sd_1_5"),
        Wrong(
            training(config_params={"network_dimm": 1}),
            "/config_params/network_dimm",
            "network_dim?",
        ),
        Wrong(training(config_params={"network_dim": "8"}), "/config_params/network_dim", "whole"),
        Wrong(training(config_params={"output_dir": "/"}), "/config_params/output_dir", "service"),
        Wrong(training(model="nowhere"), "/model", "GET /models"),
        Wrong(training(datasets=[{"dataset": "nowhere"}]), "/datasets/0/dataset", "GET /datasets"),
        Wrong(training(name="a b"), "/name", "letters"),
        Wrong(training(colour=1), "/colour", "spelling"),
    ],
    ids=lambda wrong: wrong.pointer,
)
def test_a_wrong_training_names_the_field_and_starts_nothing(
    library: Library, jobs: Callable[[], int], wrong: Wrong
) -> None:
    before = jobs()

    told = problem(library.api.post("/trainings", json=wrong.body), 422, "validation_failed")

    assert [fault["pointer"] for fault in told["errors"]] == [wrong.pointer]
    assert wrong.words in told["errors"][0]["message"]
    assert jobs() == before


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"PK\x03\x04 a pickle in a zip" * 3, "not_safetensors", "pickle"),
        (GOOD[:-10], "truncated", "upload the whole of it again"),
        (GOOD[:60], "truncated", "header alone"),
    ],
)
def test_a_file_that_is_no_sound_model_is_refused(
    library: Library, content: bytes, code: str, words: str
) -> None:
    told = problem(upload_model(library.api, "wrong-file", content), 422, code)

    assert words in told["detail"]


@pytest.mark.parametrize("prefix", ["tusiji", "10tusiji", "_tusiji", "10_"])
def test_a_prefix_without_number_and_underscore_is_refused(library: Library, prefix: str) -> None:
    body = {"name": "wrong", "prefix": prefix, "files": [{"name": "a.png", "size": 1}]}

    told = problem(library.api.post("/datasets", json=body), 422, "validation_failed")

    assert told["errors"][0]["pointer"] == "/prefix"
    assert "10_tusiji" in told["errors"][0]["message"]


@pytest.mark.parametrize("name", ["../a.png", "a/b.png", "..\\a.png"])
def test_a_file_name_with_a_path_is_refused(library: Library, name: str) -> None:
    body = {"name": "wrong", "prefix": "1_x", "files": [{"name": name, "size": 1}]}

    told = problem(library.api.post("/datasets", json=body), 422, "validation_failed")

    assert told["errors"][0]["pointer"] == "/files/0/name"


def test_an_image_without_caption_is_refused_when_captions_are_required(library: Library) -> None:
    files = {"a.png": PNG, "a.txt": b"words", "b.png": PNG}

    told = upload_dataset(library.api, "wrong-pairs", files).json()

    assert told["status"] == "invalid"
    (error,) = [one for one in told["report"]["findings"] if one["severity"] == "error"]
    assert (error["file"], error["code"]) == ("b.png", "missing_caption")
    assert error["remedy"] == (
        "Upload b.txt, or make the dataset with caption_policy subject or empty."
    )


def test_a_name_in_use_is_refused(library: Library) -> None:
    body = {"name": "wrong-images", "prefix": "1_x", "files": [{"name": "a.png", "size": 1}]}

    told = problem(library.api.post("/datasets", json=body), 409, "name_taken")

    assert told["errors"][0]["pointer"] == "/name"


@pytest.mark.parametrize("path", ["/datasets/ds_x", "/models/mdl_x", "/trainings/trn_x"])
def test_an_unknown_id_is_not_found(library: Library, path: str) -> None:
    problem(library.api.get(path), 404, "not_found")


def test_an_id_of_another_workspace_is_not_found(
    library: Library, stack: LocalStack, make_workspace: Callable[..., str]
) -> None:
    with stack.client(make_workspace("stranger")) as stranger:
        problem(stranger.get(f"/models/{library.ids['sd15']}"), 404, "not_found")
        problem(stranger.get(f"/datasets/{library.ids['images']}"), 404, "not_found")
        body = training(model=library.ids["sd15"], datasets=[{"dataset": library.ids["images"]}])
        told = problem(stranger.post("/trainings", json=body), 422, "validation_failed")
        assert {fault["pointer"] for fault in told["errors"]} == {"/model", "/datasets/0/dataset"}


def test_a_body_that_is_no_json_is_refused(library: Library) -> None:
    headers = {"Content-Type": "application/json"}

    problem(library.api.post("/trainings", content=b"{", headers=headers), 400, "invalid_json")


def test_a_body_over_the_limit_is_refused(library: Library) -> None:
    problem(
        library.api.post("/trainings", content=b" " * (10 * 1024**2 + 1)), 413, "request_too_large"
    )


def test_no_token_a_wrong_one_and_one_of_another_form_are_refused(stack: LocalStack) -> None:
    problem(httpx.get(f"{stack.url}/trainings"), 401, "unauthorized")
    for token in ("lsk_" + "x" * 43, "nonsense"):
        with stack.client(token) as client:
            told = problem(client.get("/trainings"), 401, "unauthorized")
            assert "token" in told["detail"]


def test_an_expired_token_is_refused_as_such(
    stack: LocalStack, make_workspace: Callable[..., str]
) -> None:
    import hashlib

    token = make_workspace("late")
    digest = hashlib.sha256(token.encode()).hexdigest()
    stack.aws("dynamodb").update_item(
        TableName=stack.endpoints["table"],
        Key={"pk": {"S": "token"}, "sk": {"S": digest}},
        UpdateExpression="SET valid_until = :past",
        ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
    )

    with stack.client(token) as client:
        problem(client.get("/trainings"), 401, "token_expired")


@pytest.mark.parametrize("path", ["/nowhere", "/trainings/x/y/z", "/"])
def test_an_unknown_path_is_not_found(library: Library, path: str) -> None:
    problem(library.api.get(path), 404, "route_not_found")


def test_a_wrong_method_is_told_which_there_are(library: Library) -> None:
    answer = library.api.put("/trainings", json={})

    problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, POST"
