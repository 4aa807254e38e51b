"""Importing folders that were copied into the workspace's inbox."""

import pytest

from lambdas.core import aws, bucket
from lambdas.core.inbox import Settings
from lambdas.datasets import folders, importing
from tests.unit.fakes import Answer, AwsCalls
from tests.unit.pictures import encoded, jpeg, picture
from tests.unit.scenes import DATASETS, left_behind, work
from tests.unit.test_dataset_library import delete

pytestmark = pytest.mark.usefixtures("aws_calls")

INBOX = "acme/inbox/"


def sync(folder: str, *seeds: int, place: str = INBOX) -> None:
    """Do what `aws s3 sync` does with a folder of captioned images."""
    for seed in seeds:
        bucket.put(f"{place}{folder}/{seed}.jpg", jpeg(seed))
        bucket.put(f"{place}{folder}/{seed}.txt", b"a rabbit")


def imported(s3_uri: str, key: str | None = None, **more: object) -> Answer:
    request = {"name": "demo", "s3_uri": s3_uri} | more
    return DATASETS.post("/datasets/import", request, key)


def test_a_folder_of_the_inbox_becomes_a_dataset() -> None:
    sync("100_兔斯基", 1, 2)

    answer = imported("s3://bucket/acme/inbox/100_兔斯基")
    work()

    made = answer.body["dataset"]
    assert (answer.status, made["status"], made["file_count"]) == (202, "preparing", 4)
    assert answer.headers["Location"] == f"/v1/datasets/{made['id']}"
    dataset = DATASETS.get(f"/datasets/{made['id']}").body
    assert (dataset["status"], dataset["name"]) == ("ready", "demo")
    one = {"prefix": "100_兔斯基", "repeats": 100, "subject": "兔斯基"}
    assert {name: dataset[name] for name in one} == one
    assert dataset["subsets"] == [one]
    assert dataset["origin"] == {"kind": "import", "s3_uri": "s3://bucket/acme/inbox/100_兔斯基/"}
    images = DATASETS.get(f"/datasets/{made['id']}/images").body["data"]
    assert [(one["name"], one["caption"]) for one in images] == [
        ("1.jpg", "a rabbit"),
        ("2.jpg", "a rabbit"),
    ]
    assert len(list(bucket.objects_under(INBOX))) == 4  # copies were made


def test_a_folder_of_another_name_is_imported_under_a_prefix() -> None:
    sync("rabbits", 1)
    sync("rabbits/more", 2)

    without = imported("s3://bucket/acme/inbox/rabbits")
    answer = imported("s3://bucket/acme/inbox/rabbits", prefix="7_rabbit")

    assert (without.status, without.body["code"]) == (422, "nothing_to_import")
    assert "give prefix" in without.body["errors"][0]["message"]
    made = answer.body["dataset"]
    assert (made["prefix"], made["file_count"]) == ("7_rabbit", 2)
    assert answer.body["passed_over"] == 2


def test_what_no_dataset_holds_is_passed_over_and_counted() -> None:
    sync("1_x", 1)
    for name in (".DS_Store", "1.npz", "notes.md", "deeper/2.jpg"):
        bucket.put(f"{INBOX}1_x/{name}", b"x")
    bucket.put(f"{INBOX}1_x/", b"")  # what the console makes of a folder

    answer = imported("s3://bucket/acme/inbox/1_x")

    assert answer.body["passed_over"] == 4
    assert answer.body["dataset"]["file_count"] == 2


def test_every_file_that_will_not_do_is_named_and_nothing_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(folders, "MOST_BYTES", 10_000_000)
    sync("1_x", 1)
    bucket.put(f"{INBOX}1_x/1.png", encoded(picture(1), "PNG"))
    bucket.put(f"{INBOX}1_x/a.TXT", b"x")
    bucket.put(f"{INBOX}1_x/large.png", bytes(10_000_001))

    answer = imported("s3://bucket/acme/inbox/1_x")

    assert answer.status == 422
    told = " ".join(one["message"] for one in answer.body["errors"])
    assert "large.png: has 10000001 bytes" in told
    assert "a.TXT: a caption must end in .txt in lower case" in told
    assert "several images are called 1" in told
    assert DATASETS.get("/datasets").body["data"] == []


@pytest.mark.parametrize(
    "s3_uri",
    [
        "s3://bucket/other/inbox/100_demo",
        "s3://bucket/acme/datasets/",
        "s3://bucket/acme/inbox/../../other/inbox/100_demo",
        "s3://bucket/acme/inbox//100_demo",
        "s3://bucket/acme/inbox-2/100_demo",
        "s3://bucket/acme",
        "s3://elsewhere/acme/inbox/100_demo",
        "https://bucket/acme/inbox/100_demo",
        "/acme/inbox/100_demo",
        "s3://",
    ],
)
def test_a_place_of_anybody_else_is_not_there_and_s3_is_not_asked(
    aws_calls: AwsCalls, s3_uri: str
) -> None:
    sync("100_demo", 1, place="other/inbox/")
    aws_calls.reset()

    answer = imported(s3_uri)

    assert (answer.status, answer.body["code"]) == (404, "place_not_found")
    assert answer.pointers == ["/s3_uri"]
    assert "s3://bucket/acme/inbox/" in answer.body["detail"]
    assert aws_calls.made == []


def test_a_folder_that_the_deployment_gives_a_workspace_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = Settings.load().model_copy(
        update={"import_prefixes": {"acme": ("s3://team/rabbits/",), "b": ("s3://team/b/",)}}
    )
    monkeypatch.setattr(Settings, "load", lambda: given)
    aws.s3().create_bucket(Bucket="team")
    for seed in (1, 2):
        aws.s3().put_object(Bucket="team", Key=f"rabbits/1_x/{seed}.jpg", Body=jpeg(seed))

    answer = imported("s3://team/rabbits/1_x", caption_policy="empty")
    work()

    dataset_id = answer.body["dataset"]["id"]
    assert DATASETS.get(f"/datasets/{dataset_id}").body["status"] == "ready"
    for other in ("s3://team/b/", "s3://team/rabbits2/", "s3://team/"):
        assert imported(other).status == 404


def test_an_import_that_is_asked_for_twice_with_one_key_is_made_once() -> None:
    sync("set/1_a", 1)
    sync("set/1_b", 2)

    first, second = (imported("s3://bucket/acme/inbox/set", "k") for _ in range(2))

    assert first.body["dataset"] == second.body["dataset"]
    assert second.headers["Idempotent-Replayed"] == "true"


def test_a_name_that_is_in_use_makes_nothing() -> None:
    sync("set/1_a", 1)
    sync("set/1_b", 2)
    files = [{"name": "a.png", "size": 1}]
    DATASETS.post("/datasets", {"name": "demo", "prefix": "1_x", "files": files})
    before = left_behind()

    answer = imported("s3://bucket/acme/inbox/set")

    assert (answer.status, answer.body["code"]) == (409, "name_taken")
    assert answer.pointers == ["/name"]
    assert len(DATASETS.get("/datasets").body["data"]) == 1
    assert left_behind() == before


def test_what_changes_before_it_is_copied_is_left_out_and_named() -> None:
    sync("1_x", 1, 2)
    dataset_id = imported("s3://bucket/acme/inbox/1_x").body["dataset"]["id"]
    bucket.delete(f"{INBOX}1_x/2.jpg")

    work()

    dataset = DATASETS.get(f"/datasets/{dataset_id}").body
    found = {(one["file"], one["code"]) for one in dataset["report"]["findings"]}
    assert dataset["status"] == "invalid"
    assert ("2.jpg", "not_uploaded") in found


def test_an_import_is_deleted_while_it_is_made_and_the_inbox_stays() -> None:
    sync("1_x", 1)
    dataset_id = imported("s3://bucket/acme/inbox/1_x").body["dataset"]["id"]

    assert delete(dataset_id).status == 202
    work()

    assert DATASETS.get(f"/datasets/{dataset_id}").status == 404
    assert not list(bucket.objects_under(f"acme/datasets/{dataset_id}/"))
    assert len(list(bucket.objects_under(INBOX))) == 2


def test_too_much_at_once_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sync("1_x", 1, 2)
    monkeypatch.setattr(importing, "MOST_LOOKED_AT", 3)
    assert imported("s3://bucket/acme/inbox/1_x").pointers == ["/s3_uri"]

    monkeypatch.undo()
    for number in range(17):
        sync(f"set/{number + 1}_x", number)
    answer = imported("s3://bucket/acme/inbox/set")

    assert "has 17 folders; a dataset has at most 16" in answer.body["detail"]
