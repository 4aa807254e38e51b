"""The contract is served as synthesis wrote it, to anybody."""

import json
from pathlib import Path

import pytest
import yaml

from lambdas.access import handler, published
from published import publish
from tests.unit.fakes import Client

ROOT = Path(__file__).parents[2]
ANYBODY = Client(handler.handler, role=None)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What synthesis writes, in a folder of the test's own."""
    (tmp_path / "openapi.yaml").write_text((ROOT / "openapi.yaml").read_text())
    monkeypatch.setattr(published, "FOLDER", publish(tmp_path))
    published._headers.cache_clear()
    published._text.cache_clear()
    yield tmp_path
    published._headers.cache_clear()
    published._text.cache_clear()


def test_anybody_may_read_the_document() -> None:
    answer = ANYBODY.get("/openapi.json")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.body == yaml.safe_load((ROOT / "openapi.yaml").read_text())


def test_who_has_it_is_told_so_without_a_body() -> None:
    etag = ANYBODY.get("/openapi.json").headers["etag"]

    for sent in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        answer = ANYBODY.request("GET", "/openapi.json", headers={"If-None-Match": sent})
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, None, etag)
    other = ANYBODY.request("GET", "/openapi.json", headers={"If-None-Match": '"other"'})
    assert other.status == 200


def test_the_answer_may_be_kept_for_minutes() -> None:
    assert ANYBODY.get("/openapi.json").headers["cache-control"] == "public, max-age=300"


def test_a_wrong_method_is_told_which_there_is() -> None:
    answer = ANYBODY.post("/openapi.json", {})

    assert (answer.status, answer.headers["Allow"]) == (405, "GET")


def test_the_page_asks_for_nothing_from_outside_and_says_so(folder: Path) -> None:
    headers = json.loads((folder / "build/published/headers.json").read_text())["docs.html"]
    page = (folder / "build/published/docs.html").read_text()

    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert " src=" not in page
    assert "@import" not in page
    assert "url(" not in page


def test_the_page_has_every_operation_and_every_schema(folder: Path) -> None:
    page = (folder / "build/published/docs.html").read_text()
    document = yaml.safe_load((ROOT / "openapi.yaml").read_text())

    for operations in (*document["paths"].values(), *document["webhooks"].values()):
        for operation in operations.values():
            assert f'<article id="{operation["operationId"]}"' in page
            assert f'href="#{operation["operationId"]}"' in page
    for name in document["components"]["schemas"]:
        assert f'<article id="schema-{name}"' in page


def test_the_page_tells_what_a_receiver_is_sent(folder: Path) -> None:
    page = (folder / "build/published/docs.html").read_text()

    told = page.partition('<article id="onTrainingFailed"')[2].partition("</article>")[0]
    for word in ("webhook-signature", "training.failed", "TrainingInNotice", "no_lora", "410"):
        assert word in told, word
    assert "curl" not in told
