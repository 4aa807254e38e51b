"""Models that are imported from S3, and those that arrive in the inbox, over HTTP."""

import hashlib
import json
import time
from collections.abc import Callable

import httpx
import pytest
from botocore.exceptions import ClientError
from client import SD_1_5, checkpoint
from local_stack import LocalStack

LORA = {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": [4, 320]}


@pytest.fixture
def inbox(stack: LocalStack) -> Callable[[str, bytes], str]:
    """Put a file into the workspace's inbox, as `aws s3 cp` does, and return its address."""
    s3 = stack.aws("s3")
    bucket = s3.list_buckets()["Buckets"][0]["Name"]

    def put(name: str, content: bytes) -> str:
        s3.put_object(Bucket=bucket, Key=f"tests/inbox/{name}", Body=content)
        return f"s3://{bucket}/tests/inbox/{name}"

    return put


def model_called(api: httpx.Client, name: str, seconds: float = 30) -> dict:
    """Refresh the list until a model of that name has ended its import."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        listed = api.get("/models").raise_for_status().json()["data"]
        found = next((one for one in listed if one["name"] == name), None)
        if found and found["status"] != "importing":
            return found
        time.sleep(0.2)
    raise AssertionError(f"no {name} after {seconds} s: {[one['name'] for one in listed]}")


def test_a_model_file_that_arrives_in_the_inbox_stands_in_the_list_on_refresh(
    api: httpx.Client, inbox: Callable[[str, bytes], str]
) -> None:
    content = checkpoint(LORA)
    uri = inbox("arrived lora.safetensors", content)

    model = model_called(api, "arrived-lora")

    assert (model["status"], model["type"]) == ("ready", "lora")
    assert model["import"] == {
        "source": uri,
        "bytes_done": len(content),
        "bytes_total": len(content),
    }
    assert model["sha256"] == hashlib.sha256(content).hexdigest()
    assert httpx.get(model["download"]["url"]).content == content


def test_a_file_of_the_inbox_is_imported_under_the_name_that_is_asked_for(
    api: httpx.Client, inbox: Callable[[str, bytes], str]
) -> None:
    content = checkpoint(SD_1_5)
    uri = inbox("folder/base.safetensors", content)

    made = api.post("/models/import", json={"name": "asked-for", "s3_uri": uri})
    model = model_called(api, "asked-for")

    assert (made.status_code, made.json()["status"]) == (201, "importing")
    assert made.headers["location"].endswith(f"/v1/models/{model['id']}")
    assert (model["status"], model["fm_type"], model["file_name"]) == (
        "ready",
        "sd_1_5",
        "base.safetensors",
    )
    assert model_called(api, "base")["id"] != model["id"]  # it arrived as well


def test_a_secret_is_kept_by_the_stack_and_read_by_no_function_that_was_not_given_it(
    stack: LocalStack,
) -> None:
    operator = stack.aws("secretsmanager")
    operator.create_secret(Name="downloads", SecretString='{"huggingface.co": "hf_test"}')

    read = operator.get_secret_value(SecretId="downloads")

    assert read["SecretString"] == '{"huggingface.co": "hf_test"}'
    hosted = json.loads((stack.state / "functions.json").read_text())["functions"]
    (its,) = [one["environment"] for one in hosted if "asset_worker" in one["handler"]]
    keys = its["AWS_ACCESS_KEY_ID"], its["AWS_SECRET_ACCESS_KEY"]
    worker = stack.aws("secretsmanager", *keys)
    with pytest.raises(ClientError, match="not authorized"):
        worker.get_secret_value(SecretId="downloads")


def test_another_workspaces_inbox_is_no_place_to_import_from(
    api: httpx.Client, inbox: Callable[[str, bytes], str]
) -> None:
    uri = inbox("mine.safetensors", checkpoint(LORA)).replace("/tests/", "/acme/")

    answer = api.post("/models/import", json={"name": "theirs", "s3_uri": uri})

    assert (answer.status_code, answer.json()["code"]) == (404, "source_not_found")
    assert answer.json()["errors"][0]["pointer"] == "/s3_uri"


@pytest.mark.parametrize(
    "url",
    [
        "http://models.example.com/a.safetensors",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost/a.safetensors",
        "https://metadata.google.internal/a.safetensors",
    ],
)
def test_a_link_that_leads_inside_is_refused_at_once(api: httpx.Client, url: str) -> None:
    answer = api.post("/models/import", json={"name": "inside", "url": url})

    assert (answer.status_code, answer.json()["code"]) == (422, "url_refused")
    assert answer.json()["errors"][0]["pointer"] == "/url"
