"""Deleting trainings, sparse lists, what is not modified and compression, over HTTP."""

import gzip
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from client import SD_1_5, checkpoint, follow, upload_dataset, upload_model
from local_stack import LocalStack

NAME = "tidy"
REQUEST = {
    "name": NAME,
    "model": "tidy-base",
    "datasets": [{"dataset": "tidy-images"}],
    "config_params": {"max_train_epochs": 1, "network_dim": 4},
}


@pytest.fixture(scope="module")
def training(api: httpx.Client) -> str:
    upload_model(api, "tidy-base", checkpoint(SD_1_5)).raise_for_status()
    upload_dataset(api, "tidy-images").raise_for_status()
    return str(api.post("/trainings", json=REQUEST).raise_for_status().json()["id"])


def test_a_training_is_deleted_with_its_files_and_its_lora_stays(
    api: httpx.Client, stack: LocalStack, training: str
) -> None:
    early = api.delete(f"/trainings/{training}")
    ended = follow(api, training)
    assert ended["status"] == "succeeded", ended["failure"]

    answer = api.delete(f"/trainings/{training}")
    deadline = time.monotonic() + 30
    while api.get(f"/trainings/{training}").status_code != 404 and time.monotonic() < deadline:
        time.sleep(0.1)

    assert (early.status_code, early.json()["code"]) == (409, "training_under_way")
    assert (answer.status_code, answer.json()["status"]) == (202, "deleting")
    assert api.get(f"/trainings/{training}").status_code == 404
    bucket, prefix = stack.endpoints["bucket"], f"tests/trainings/{training}/"
    left = stack.aws("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
    assert left["KeyCount"] == 0
    lora = api.get(f"/models/{ended['lora_id']}").json()
    assert (lora["status"], lora["training_deleted"]) == ("ready", True)
    assert httpx.get(lora["download"]["url"]).is_success


@pytest.mark.usefixtures("training")
def test_a_list_has_the_fields_that_were_asked_for(api: httpx.Client) -> None:
    answer = api.get("/datasets", params={"fields": "id,name"})

    assert answer.headers["content-type"] == "application/vnd.lorastack.sparse+json"
    assert [set(one) for one in answer.json()["data"]][:1] == [{"id", "name"}]
    assert api.get("/datasets", params={"stauts": "ready"}).status_code == 422


@pytest.mark.usefixtures("training")
def test_what_has_not_changed_is_not_sent_again(api: httpx.Client) -> None:
    path = f"/datasets/{api.get('/datasets').json()['data'][0]['id']}"
    first = api.get(path)

    again = api.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert first.headers["cache-control"] == again.headers["cache-control"] == "private, no-cache"


def test_long_answers_are_compressed_for_who_takes_them_so(
    api: httpx.Client, stack: LocalStack
) -> None:
    url = f"{stack.url}/training-options"
    token = api.headers["Authorization"]

    def sent(encoding: str) -> tuple[httpx.Headers, bytes]:
        headers = {"Authorization": token, "Accept-Encoding": encoding}
        with httpx.stream("GET", url, headers=headers) as answer:
            return answer.headers, b"".join(answer.iter_raw())

    headers, small = sent("br, gzip")
    _, whole = sent("identity")
    _, refused = sent("gzip;q=0")

    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(small) == whole == refused
    assert len(small) < len(whole) / 2


@pytest.mark.usefixtures("training")
def test_one_key_sent_many_times_at_once_completes_once_or_says_to_wait(
    api: httpx.Client,
) -> None:
    path = f"/datasets/{api.get('/datasets').json()['data'][0]['id']}/complete"

    def complete(_: int) -> httpx.Response:
        return api.post(path, headers={"Idempotency-Key": "all-at-once"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(complete, range(24)))

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert any(answer.status_code == 202 for answer in answers)
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "first_request_running"
            assert 1 <= int(answer.headers["Retry-After"]) <= 30
