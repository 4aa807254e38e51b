"""Models imported from links: looked at, streamed, held to their digest, refused with a reason."""

import hashlib
import json
import logging

import pytest

from lambdas.asset_worker import download_secrets, fetching, model_import
from lambdas.core import aws, bucket, multipart, settings
from lambdas.models import repository
from tests.unit.fakes import LORA, SD_1_5, safetensors_file
from tests.unit.scenes import MODELS, left_behind, work
from tests.unit.web import Page, Web

MIB = 1024**2
LINK = "https://models.example.com/files/lora.safetensors"
BIG = safetensors_file({"w": [17 * MIB], **LORA})  # 34 MiB: three parts
SMALL = safetensors_file(LORA)


def begun(url: str = LINK, **more: object) -> str:
    answer = MODELS.post("/models/import", {"name": "a", "type": "lora", "url": url} | more)
    assert answer.status == 201, answer
    return answer.body["id"]


def imported(url: str = LINK, **more: object) -> dict:
    model_id = begun(url, **more)
    work()
    return MODELS.get(f"/models/{model_id}").body


def test_a_link_is_answered_at_once_and_the_model_is_ready_when_the_worker_is_done(
    web: Web,
) -> None:
    web.pages[LINK] = Page(BIG)

    model_id = begun()
    before = MODELS.get(f"/models/{model_id}").body
    work()
    model = MODELS.get(f"/models/{model_id}").body

    assert (before["status"], before["download"]) == ("importing", None)
    assert before["import"] == {"source": LINK, "bytes_done": 0, "bytes_total": None}
    assert (model["status"], model["file_name"], model["size"]) == (
        "ready",
        "lora.safetensors",
        len(BIG),
    )
    assert model["import"] == {"source": LINK, "bytes_done": len(BIG), "bytes_total": len(BIG)}
    assert (model["sha256"], model["sha256_checked"]) == (hashlib.sha256(BIG).hexdigest(), True)
    assert model["header"]["family"]
    assert model["download"]["url"]
    assert bucket.read(f"acme/models/{model_id}/lora.safetensors") == BIG
    assert multipart.uploads_under("") == []
    item = repository.item_of("acme", model_id)
    assert not {"source", "upload", "pending", "lease", "open_shard"} & item.keys()
    listed = MODELS.get("/models", type="lora", fm_type="sd_1_5").body["data"]
    assert [one["id"] for one in listed] == [model_id]


def test_progress_is_told_while_the_bytes_come(web: Web) -> None:
    seen = []
    web.pages[LINK] = Page(BIG, cuts=[20 * MIB])
    model_id = begun()
    web.on_asked = lambda _: seen.append(MODELS.get(f"/models/{model_id}").body["import"])

    work()

    assert seen[-1]["bytes_total"] == len(BIG)
    assert 0 <= seen[-1]["bytes_done"] <= 20 * MIB
    assert web.body_requests()[-1] == f"bytes={20 * MIB}-"


def test_a_line_that_breaks_is_gone_on_with_behind_the_last_byte(web: Web) -> None:
    web.pages[LINK] = Page(BIG, headers={"ETag": '"v1"'}, cuts=[5 * MIB, 7 * MIB, 1])

    model = imported()

    assert model["status"] == "ready"
    assert bucket.read(f"acme/models/{model['id']}/lora.safetensors") == BIG
    assert web.asked[-1].headers["if-range"] == '"v1"'


def test_a_page_of_hugging_face_is_imported_and_held_to_the_digest_that_it_tells(web: Web) -> None:
    page = "https://huggingface.co/acme/base/blob/main/base.safetensors?download=true"
    file = "https://huggingface.co/acme/base/resolve/main/base.safetensors?download=true"
    cdn = "https://cdn.example.net/signed?key=secret"
    told = {"Location": cdn, "X-Linked-ETag": f'"{hashlib.sha256(SMALL).hexdigest()}"'}
    web.pages |= {file: Page(status=302, headers=told), cdn: Page(SMALL)}

    good = imported(page)
    told["X-Linked-ETag"] = f'"{"0" * 64}"'
    web.pages[file] = Page(status=302, headers=told)
    other = imported(page, name="other")

    assert (good["status"], good["file_name"]) == ("ready", "base.safetensors")
    assert good["import"]["source"] == file.partition("?")[0]
    assert (other["status"], other["invalid_reason"]["code"]) == ("invalid", "wrong_sha256")
    assert left_behind() == [f"acme/models/{good['id']}/base.safetensors"]


def test_a_digest_that_another_host_tells_in_hugging_faces_way_is_not_believed(web: Web) -> None:
    web.pages[LINK] = Page(SMALL, headers={"X-Linked-ETag": f'"{"0" * 64}"'})

    assert imported()["status"] == "ready"


def test_a_page_of_civitai_is_imported_under_the_name_of_its_file(web: Web) -> None:
    named = {"Content-Disposition": 'attachment; filename="detail.safetensors"'}
    web.pages["https://civitai.com/api/download/models/87"] = Page(SMALL, headers=named)

    model = imported("https://civitai.com/models/12/some-slug?modelVersionId=87")

    assert (model["status"], model["file_name"]) == ("ready", "detail.safetensors")


HTML = Page(b"<!doctype html><html>" + b"x" * 100, headers={"Content-Type": "text/html"})
PICKLE = Page(b"PK\x03\x04" + bytes(2000))
REFUSED = {
    "web page": (HTML, "url_is_a_page", "download button"),
    "web page as bytes": (Page(HTML.body), "not_safetensors", "web page"),
    "login": (Page(status=401), "url_needs_secret", "secret"),
    "licence": (Page(status=403), "url_needs_secret", "licence"),
    "nothing": (Page(status=404), "url_not_found", "does not exist"),
    "pickle": (PICKLE, "not_safetensors", "save it as safetensors"),
    "pickle without ranges": (Page(PICKLE.body, ranges=False), "not_safetensors", "pickle"),
    "a few bytes": (Page(b"abc"), "not_safetensors", "no model"),
    "cut off at its source": (Page(SMALL[:-5]), "truncated", "ends after"),
    "another type": (Page(safetensors_file(SD_1_5)), "wrong_type", "imported as lora"),
    "LFS pointer": (
        Page(b"version https://git-lfs.github.com/spec/v1\n"),
        "not_safetensors",
        "LFS",
    ),
    "too large": (
        Page(status=206, headers={"Content-Range": "bytes 0-1/99999999999"}),
        "url_too_large",
        "50 GiB",
    ),
}


@pytest.mark.parametrize(("page", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_what_will_not_do_is_told_on_the_model_before_its_bytes_are_fetched(
    web: Web, page: Page, code: str, words: str
) -> None:
    web.pages[LINK] = page

    model = imported()

    assert (model["status"], model["invalid_reason"]["code"]) == ("invalid", code)
    assert words in model["invalid_reason"]["message"]
    assert web.body_requests() == []
    assert left_behind() == []
    assert (
        MODELS.post("/models/import", {"name": "a", "url": LINK}).status == 201
    )  # its name is free again


@pytest.mark.parametrize(("page", "code"), [
    (Page(SMALL[:-5], ranges=False), "truncated"),
    (Page(safetensors_file(SD_1_5), ranges=False), "wrong_type"),
    (Page(SMALL), "wrong_sha256"),
])  # fmt: skip
def test_what_shows_only_with_the_last_byte_is_told_too_and_cleared_away(
    web: Web, page: Page, code: str
) -> None:
    web.pages[LINK] = page

    model = imported(sha256="0" * 64)

    assert (model["status"], model["invalid_reason"]["code"]) == ("invalid", code)
    assert left_behind() == []


@pytest.mark.parametrize("told_size", [True, False])
def test_a_server_without_ranges_is_fetched_in_one_go(web: Web, told_size: bool) -> None:
    web.pages[LINK] = Page(BIG, ranges=False, told_size=told_size)

    model = imported()

    assert (model["status"], model["size"]) == ("ready", len(BIG))
    assert len(web.body_requests()) == 1


def test_a_name_that_leads_inside_is_told_on_the_model(web: Web) -> None:
    web.names["cdn.example.net"] = "169.254.169.254"

    model = imported("https://cdn.example.net/a.safetensors")

    assert model["invalid_reason"]["code"] == "url_refused"
    assert "private network" in model["invalid_reason"]["message"]


def test_a_redirect_that_leads_inside_is_told_on_the_model(web: Web) -> None:
    web.pages[LINK] = Page(status=302, headers={"Location": "https://169.254.169.254/latest/"})

    assert imported()["invalid_reason"]["code"] == "url_refused"


@pytest.mark.parametrize(
    "url",
    ["http://models.example.com/a", "https://169.254.169.254/latest/meta-data/", "https://[::1]/",
     "https://localhost/a.safetensors", "https://2130706433/", "https://a@models.example.com/f"],
)  # fmt: skip
def test_a_link_that_will_not_do_by_its_form_is_refused_at_once(web: Web, url: str) -> None:
    answer = MODELS.post("/models/import", {"name": "a", "url": url})

    assert (answer.status, answer.pointers) == (422, ["/url"])
    assert answer.body["code"] == "url_refused"
    assert MODELS.get("/models").body["data"] == []


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("url", "https://models.example.com/a.ckpt"),
        ("url", "https://huggingface.co/a/b/blob/main/pytorch_model.bin"),
        ("s3_uri", "s3://bucket/acme/inbox/a.PT"),
    ],
)
def test_a_pickle_by_its_name_is_refused_at_once_with_what_would_do(
    web: Web, field: str, address: str
) -> None:
    answer = MODELS.post("/models/import", {"name": "a", field: address})

    assert (answer.status, answer.pointers) == (422, [f"/{field}"])
    assert answer.body["code"] == "not_safetensors"
    assert ".safetensors" in answer.body["detail"]


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({}, ""),
        ({"url": LINK, "s3_uri": "s3://bucket/acme/inbox/a.safetensors"}, ""),
        ({"url": LINK, "file_name": "a.ckpt"}, "/file_name"),
        ({"url": LINK, "sha256": "abc"}, "/sha256"),
        ({"url": LINK, "size": 3}, "/size"),
    ],
)
def test_a_request_that_will_not_do_is_refused_with_its_field(
    web: Web, sent: dict, pointer: str
) -> None:
    answer = MODELS.post("/models/import", {"name": "a"} | sent)

    assert (answer.status, answer.pointers) == (422, [pointer])


def test_a_retry_with_the_same_key_answers_the_same_model(web: Web) -> None:
    web.pages[LINK] = Page(SMALL)
    body = {"name": "a", "type": "lora", "url": LINK}

    first = MODELS.post("/models/import", body, key="once")
    again = MODELS.post("/models/import", body, key="once")
    other = MODELS.post("/models/import", body, key="twice")

    assert (first.body["id"], again.headers["Idempotent-Replayed"]) == (again.body["id"], "true")
    assert first.headers["Location"] == f"/v1/models/{first.body['id']}"
    assert (other.status, other.body["code"]) == (409, "name_taken")
    assert work() == 1


SECRET = "hf_a-token-that-nobody-may-see"


@pytest.fixture
def secret(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOWNLOAD_SECRET_NAME", "downloads")
    settings._load.cache_clear()
    aws.secretsmanager().create_secret(
        Name="downloads", SecretString=json.dumps({"huggingface.co": SECRET})
    )
    yield
    settings._load.cache_clear()


def test_a_secret_goes_to_its_host_alone_and_into_no_log(
    web: Web,
    secret: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("asset_worker", "", "botocore"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
    cdn = "https://cdn.example.net/signed"
    hugging_face = "https://huggingface.co/a/b/resolve/main/c.safetensors"
    moved = Page(status=302, headers={"Location": cdn})
    web.pages |= {f"{hugging_face}?download=true": moved, cdn: Page(SMALL), LINK: Page(SMALL)}

    gated, other = imported(hugging_face), imported(LINK, name="b")

    assert (gated["status"], other["status"]) == ("ready", "ready")
    sent = {(one.host, one.headers.get("authorization")) for one in web.asked}
    assert sent == {
        ("huggingface.co", f"Bearer {SECRET}"),
        ("cdn.example.net", None),
        ("models.example.com", None),
    }
    told = "".join(capfd.readouterr())
    # What botocore says of its own calls at DEBUG is shown by nobody who does not ask for it.
    ours = [one.getMessage() for one in caplog.records if not one.name.startswith("botocore")]
    assert SECRET not in told + "".join(ours)
    assert SECRET not in json.dumps(repository.item_of("acme", gated["id"]), default=str)


@pytest.mark.parametrize("kept", ["no JSON", "[1]", '{"huggingface.co": "a\\r\\nb"}', "{}"])
def test_a_secret_that_can_not_be_used_is_as_none(web: Web, secret: None, kept: str) -> None:
    aws.secretsmanager().put_secret_value(SecretId="downloads", SecretString=kept)

    assert download_secrets.secret_for("huggingface.co") is None


def test_a_secret_that_is_not_there_is_as_none(web: Web, secret: None) -> None:
    aws.secretsmanager().delete_secret(SecretId="downloads", ForceDeleteWithoutRecovery=True)

    assert download_secrets.secret_for("huggingface.co") is None


def test_what_an_import_needs_is_not_shown(web: Web) -> None:
    web.pages[f"{LINK}?token=abc"] = Page(SMALL)

    model_id = begun(f"{LINK}?token=abc")

    assert "abc" not in json.dumps(MODELS.get(f"/models/{model_id}").body)
    work()
    assert "abc" not in json.dumps(repository.item_of("acme", model_id), default=str)


def test_the_worker_goes_to_public_addresses_on_port_443_and_nothing_sets_it_otherwise() -> None:
    plain = fetching.network()

    assert plain.resolve.__module__ == plain.connect.__module__ == "lambdas.models.remote_http"
    assert model_import.MOST_ATTEMPTS == 5
