"""An import that finds no room is told so on what it makes, and nothing of it is left."""

import pytest

from lambdas.access import workspaces
from lambdas.core import bucket, table
from tests.unit.fakes import LORA, png, safetensors_file
from tests.unit.scenes import DATASETS, MODELS, left_behind, work
from tests.unit.test_url_import import LINK, imported
from tests.unit.web import Page, Web

MIB = 1024**2
LARGE = safetensors_file({"w": [17 * MIB], **LORA})  # 34 MiB


@pytest.fixture(autouse=True)
def little_room(aws_calls: object) -> None:
    """A workspace of 20 MB."""
    workspaces.make("acme")
    workspaces.set_limits("acme", {"stored_gb": 0.02})


def used() -> int:
    return int((table.get(table.Key("acme#workspace", "use")) or {}).get("stored_bytes", 0))


def must_be_refused(model: dict) -> None:
    assert (model["status"], model["invalid_reason"]["code"]) == ("invalid", "storage_limit")
    assert "the workspace has 0.02 GB left" in model["invalid_reason"]["message"]
    assert list(table.query_all("acme#stored")) == []
    assert used() == 0


def test_a_link_is_refused_before_its_bytes_are_fetched(web: Web) -> None:
    web.pages[LINK] = Page(LARGE)

    must_be_refused(imported())

    assert left_behind() == []
    assert web.body_requests() == []


def test_a_link_that_tells_no_size_is_refused_as_its_bytes_come(web: Web) -> None:
    web.pages[LINK] = Page(LARGE, ranges=False, told_size=False)

    must_be_refused(imported())

    assert left_behind() == []


def test_a_file_of_the_inbox_is_refused_before_it_is_copied() -> None:
    bucket.put("acme/inbox/large.safetensors", LARGE)
    wanted = {"name": "a", "type": "lora", "s3_uri": "s3://bucket/acme/inbox/large.safetensors"}

    made = MODELS.post("/models/import", wanted)
    work()

    must_be_refused(MODELS.get(f"/models/{made.body['id']}").body)
    assert left_behind() == ["acme/inbox/large.safetensors"]


def test_a_folder_of_the_inbox_is_refused_at_once() -> None:
    workspaces.set_limits("acme", {"stored_gb": 0.000001})
    bucket.put("acme/inbox/1_x/a.png", png(512, 512) + b"0" * 1000)
    before = left_behind()

    answer = DATASETS.post(
        "/datasets/import", {"name": "x", "s3_uri": "s3://bucket/acme/inbox/1_x"}
    )

    assert (answer.status, answer.body["code"]) == (403, "storage_limit")
    assert left_behind() == before
    assert DATASETS.get("/datasets").body["data"] == []
    assert used() == 0
