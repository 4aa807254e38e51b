"""Files that arrive in the inbox, and imports from S3: copied, registered, never twice."""

import itertools
import json

import pytest

from lambdas.asset_worker import handler as worker
from lambdas.core import aws, bucket, settings
from tests.unit.fakes import LORA, SD_1_5, AwsCalls, Client, Context, safetensors_file
from tests.unit.scenes import MODELS, left_behind, work

pytestmark = pytest.mark.usefixtures("aws_calls")
FILE = safetensors_file(LORA)
_COUNTER = itertools.count(1)


def arrive(name: str, content: bytes = FILE, workspace: str = "acme") -> str:
    """Put a file into an inbox and return its key."""
    key = f"{workspace}/inbox/{name}"
    bucket.put(key, content)
    return key


def event_of(key: str, sequencer: str | None = None) -> str:
    """Return the message that S3's event of an object as it stands becomes in the queue."""
    found = aws.s3().head_object(Bucket="bucket", Key=key)
    told = {
        "key": key,
        "size": found["ContentLength"],
        "etag": found["ETag"].strip('"'),
        "sequencer": sequencer or f"00{next(_COUNTER):014X}",
    }
    detail = {"version": "0", "bucket": {"name": "bucket"}, "object": told, "reason": "PutObject"}
    event = {"version": "0", "source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    return json.dumps(event)


def told(event: str) -> None:
    record = {"messageId": "1", "body": event, "eventSource": "aws:sqs"}
    answer = worker.handler({"Records": [record]}, Context())
    assert answer == {"batchItemFailures": []}
    work()


def models(client: Client = MODELS) -> list[dict]:
    return client.get("/models").body["data"]


def names() -> list[str]:
    return sorted(one["name"] for one in models())


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("detail.safetensors", "detail"),
        ("v1-5 pruned (1).safetensors", "v1-5-pruned-1"),
        ("loras/detail.safetensors", "detail"),
        ("兔斯基.safetensors", "model"),
        ("mdl_01K9ZQ3W7M8J2N4P6R8T0V2X4Z.safetensors", "model-mdl_01K9ZQ3W7M8J2N4P6R8T0V2X4Z"),
        (f"{'a' * 100}.safetensors", "a" * 50),
    ],
)
def test_a_file_is_registered_under_its_name_with_the_type_of_its_header(
    file: str, name: str
) -> None:
    told(event_of(arrive(file)))

    (model,) = models()
    assert (model["name"], model["type"], model["status"]) == (name, "lora", "ready")
    assert model["file_name"] == file.rpartition("/")[2]
    assert model["import"]["source"] == f"s3://bucket/acme/inbox/{file}"
    assert left_behind() == [
        f"acme/inbox/{file}",
        f"acme/models/{model['id']}/{model['file_name']}",
    ]


def test_a_checkpoint_is_one_that_can_be_trained_on() -> None:
    told(event_of(arrive("base.safetensors", safetensors_file(SD_1_5))))

    (model,) = models()
    assert (model["type"], model["fm_type"]) == ("checkpoint", "sd_1_5")


def test_an_event_that_comes_twice_makes_one_model() -> None:
    event = event_of(arrive("a.safetensors"))

    told(event), told(event)

    assert names() == ["a"]


def test_the_same_bytes_again_are_known_until_their_model_is_deleted() -> None:
    told(event_of(arrive("a.safetensors")))
    told(event_of(arrive("a.safetensors")))
    (model,) = models()
    MODELS.request("DELETE", f"/models/{model['id']}")

    told(event_of(arrive("a.safetensors")))

    assert names() == ["a"]
    assert models()[0]["id"] != model["id"]


def test_an_event_that_comes_again_does_not_bring_back_a_model_that_was_deleted() -> None:
    event = event_of(arrive("a.safetensors"))
    told(event)
    MODELS.request("DELETE", f"/models/{models()[0]['id']}")

    told(event)

    assert models() == []


def test_another_file_of_the_same_name_is_registered_beside_the_first() -> None:
    told(event_of(arrive("a.safetensors")))
    told(event_of(arrive("a.safetensors", safetensors_file({"w": [3], **LORA}))))
    told(event_of(arrive("sub/a.safetensors")))

    assert names() == ["a", "a-2", "a-3"]
    assert {one["status"] for one in models()} == {"ready"}


def test_an_event_of_a_file_that_was_replaced_or_removed_makes_no_model() -> None:
    replaced, removed = event_of(arrive("a.safetensors")), event_of(arrive("b.safetensors"))
    arrive("a.safetensors", safetensors_file({"w": [3], **LORA}))
    bucket.delete("acme/inbox/b.safetensors")

    told(replaced), told(removed)

    assert models() == []


def test_an_older_event_that_comes_late_makes_no_model() -> None:
    key = arrive("a.safetensors")
    older = event_of(key, "0055AED6DCD90281")
    told(event_of(key, "0055AED6DCD90281E5"))

    told(older)

    assert names() == ["a"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04" + bytes(100), "not_safetensors"),
        (FILE[:-3], "truncated"),
        (b"", "not_safetensors"),
        (safetensors_file({"nothing.known": [3]}), "wrong_type"),
    ],
)
def test_a_file_that_is_no_model_stands_in_the_list_with_the_reason(
    content: bytes, code: str
) -> None:
    told(event_of(arrive("broken.safetensors", content)))
    told(event_of(arrive("broken.safetensors", FILE)))

    whole, broken = models()
    assert (broken["name"], broken["status"]) == ("broken", "invalid")
    assert broken["invalid_reason"]["code"] == code
    assert (whole["name"], whole["status"]) == ("broken", "ready")
    assert MODELS.request("DELETE", f"/models/{broken['id']}").status == 204
    assert names() == ["broken"]


@pytest.mark.parametrize(
    "key",
    ["acme/models/mdl_1/inbox/a.safetensors", "acme/inbox/a.ckpt", "inbox/a.safetensors",
     "acme/inbox/100_demo/1.png", "acme/datasets/inbox/a.safetensors", "UP/inbox/a.safetensors"],
)  # fmt: skip
def test_what_is_no_model_file_of_an_inbox_is_left_alone(key: str) -> None:
    bucket.put(key, FILE)

    told(event_of(key))

    assert models() == []
    assert left_behind() == [key]


def test_an_inbox_belongs_to_its_workspace() -> None:
    told(event_of(arrive("a.safetensors", workspace="other")))

    assert models() == []
    assert [one["name"] for one in models(Client(MODELS.handler, "other"))] == ["a"]


def import_from(s3_uri: str, **more: str) -> dict:
    answer = MODELS.post("/models/import", {"name": "a", "type": "lora", "s3_uri": s3_uri} | more)
    if answer.status != 201:
        return {"status": answer.status, "code": answer.body["code"], "at": answer.pointers}
    work()
    return MODELS.get(f"/models/{answer.body['id']}").body


def test_an_address_in_the_inbox_is_copied_and_inspected() -> None:
    key = arrive("folder/a.safetensors")

    model = import_from(f"s3://bucket/{key}")

    assert (model["status"], model["file_name"], model["size"]) == (
        "ready",
        "a.safetensors",
        len(FILE),
    )
    assert bucket.read(f"acme/models/{model['id']}/a.safetensors") == FILE
    assert bucket.read(key) == FILE


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/other/inbox/a.safetensors",
        "s3://bucket/acme/models/mdl_1/a.safetensors",
        "s3://elsewhere/acme/inbox/a.safetensors",
        "s3://bucket/acme/inbox/../../other/inbox/a.safetensors",
        "s3://bucket/acme/inbox//a.safetensors",
        "s3://bucket/acme/inbox.safetensors",
        "s3://team-files/models/a.safetensors",
    ],
)
def test_an_address_that_is_not_the_workspaces_is_a_404_before_s3_is_asked(
    aws_calls: AwsCalls, uri: str
) -> None:
    aws_calls.reset()

    refused = import_from(uri)

    assert refused == {"status": 404, "code": "source_not_found", "at": ["/s3_uri"]}
    assert aws_calls.made == []


@pytest.mark.parametrize("uri", ["bucket/a.safetensors", "https://a/b", "s3://bucket/", "s3:///a"])
def test_an_address_that_can_not_be_read_is_refused(uri: str) -> None:
    refused = import_from(uri)

    assert (refused["status"], refused["at"]) == (422, ["/s3_uri"])


def test_a_prefix_of_the_settings_is_open_to_its_workspace_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prefixes = {"acme": ["s3://team-files/models/"], "other": ["s3://theirs/"]}
    monkeypatch.setenv("IMPORT_PREFIXES", json.dumps(prefixes))
    settings._load.cache_clear()
    aws.s3().create_bucket(Bucket="team-files")
    aws.s3().put_object(Bucket="team-files", Key="models/a.safetensors", Body=FILE)

    model = import_from("s3://team-files/models/a.safetensors")
    refused = import_from("s3://theirs/a.safetensors")
    settings._load.cache_clear()

    assert model["status"] == "ready"
    assert refused["code"] == "source_not_found"


def test_a_file_that_is_not_there_is_told_on_the_model() -> None:
    model = import_from("s3://bucket/acme/inbox/nothing.safetensors")

    assert (model["status"], model["invalid_reason"]["code"]) == ("invalid", "source_not_found")


def test_a_file_of_another_digest_is_told_on_the_model() -> None:
    model = import_from(f"s3://bucket/{arrive('a.safetensors')}", sha256="0" * 64)

    assert model["invalid_reason"]["code"] == "wrong_sha256"
    assert left_behind() == ["acme/inbox/a.safetensors"]
