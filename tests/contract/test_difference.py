"""What breaks a client between two documents is found, and what does not is let through."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from contract import difference
from contract.difference import changes, last_release, may_break
from contract.reading import read_yaml

DOCUMENT: dict[str, Any] = read_yaml(Path(__file__).parents[2] / "openapi.yaml")
SCHEMAS = DOCUMENT["components"]["schemas"]


def changed(*steps: str, to: Any = None, drop: bool = False) -> dict[str, Any]:
    """Return the document with one place set anew, or taken out."""
    document = copy.deepcopy(DOCUMENT)
    node: Any = document
    for step in steps[:-1]:
        node = node[step]
    if drop:
        del node[steps[-1]]
    else:
        node[steps[-1]] = to
    return document


def breaking(new: dict[str, Any], old: dict[str, Any] = DOCUMENT) -> set[str]:
    return {f"{one.where} {one.what}" for one in changes(old, new) if one.breaking}


def field(schema: str, name: str) -> tuple[str, ...]:
    return ("components", "schemas", schema, "properties", name)


def test_a_document_does_not_differ_from_itself() -> None:
    assert changes(DOCUMENT, copy.deepcopy(DOCUMENT)) == []


def test_an_operation_that_is_gone_breaks_and_a_new_one_does_not() -> None:
    without = changed("paths", "/tokens", drop=True)

    assert breaking(without) == {"GET /tokens is gone", "POST /tokens is gone"}
    assert breaking(DOCUMENT, without) == set()
    assert len(changes(without, DOCUMENT)) == 2


def test_a_notice_that_is_gone_breaks_a_receiver_and_so_does_a_field_of_it() -> None:
    without = changed("webhooks", "training.failed", drop=True)
    thinner = changed(*field("TrainingInNotice", "lora_id"), drop=True)

    assert breaking(without) == {"training.failed is gone"}
    assert breaking(DOCUMENT, without) == set()
    assert "training.succeeded.lora_id is gone" in breaking(thinner)
    assert breaking(DOCUMENT, thinner) == set()


def test_a_field_of_an_answer_may_come_but_not_go() -> None:
    without = changed(*field("Token", "role"), drop=True)

    assert "GET /tokens 200.data[].role is gone" in breaking(without)
    assert breaking(DOCUMENT, without) == set()


def test_a_field_of_a_request_may_come_but_not_be_asked_for() -> None:
    required = ["name", "expires_in_days"]
    asked = changed("components", "schemas", "NewToken", "required", to=required)

    assert breaking(asked) == {"POST /tokens body.expires_in_days is required"}
    assert breaking(DOCUMENT, asked) == set()


def test_a_field_that_a_request_takes_no_longer_breaks_where_unknown_ones_are_refused() -> None:
    without = changed(*field("NewToken", "role"), drop=True)

    assert breaking(without) == {"POST /tokens body.role is gone"}


def test_a_type_that_changes_breaks() -> None:
    other = changed(*field("Health", "status"), to={"type": "integer"})

    assert breaking(other) == {"GET /health 200.status was string and is integer"}


def test_a_request_may_take_more_values_and_an_answer_may_not() -> None:
    role = {"type": "string", "enum": ["viewer", "trainer", "admin", "owner"]}

    assert breaking(changed(*field("NewToken", "role"), to=role)) == set()
    assert "GET /tokens 200.data[].role has a new value, owner" in breaking(
        changed(*field("Token", "role"), to=role)
    )
    fewer = {"type": "string", "enum": ["viewer"]}
    assert len(breaking(changed(*field("NewToken", "role"), to=fewer))) == 2


@pytest.mark.parametrize(("most", "breaks"), [(30, True), (400, False)])
def test_a_limit_of_a_request_may_be_loosened_and_not_tightened(most: int, breaks: bool) -> None:
    days = SCHEMAS["NewToken"]["properties"]["expires_in_days"]

    new = changed(*field("NewToken", "expires_in_days"), to={**days, "maximum": most})

    assert bool(breaking(new)) is breaks


def test_a_field_of_an_answer_that_may_be_null_now_breaks() -> None:
    status = {"anyOf": [{"type": "string"}, {"type": "null"}]}

    new = changed(*field("Health", "status"), to=status)

    assert breaking(new) == {"GET /health 200.status may be null"}


def test_a_parameter_may_come_and_not_go() -> None:
    fewer = changed("paths", "/tokens", "get", "parameters", to=[])

    assert breaking(fewer) == {
        "GET /tokens query:limit is gone",
        "GET /tokens query:cursor is gone",
        "GET /tokens query:fields is gone",
    }
    assert breaking(DOCUMENT, fewer) == set()


def test_a_schema_of_another_name_does_not_break() -> None:
    text = json.dumps(DOCUMENT)
    renamed = json.loads(text.replace("TrainingFailure", "WhyItFailed"))

    assert breaking(renamed) == set()


@pytest.mark.parametrize(
    ("old", "new", "may"),
    [
        ("0.1.0", "0.1.9", False),
        ("0.1.0", "0.2.0", True),
        ("0.9.0", "1.0.0", True),
        ("1.2.0", "1.3.0", False),
        ("1.2.0", "2.0.0", True),
    ],
)
def test_a_version_says_whether_clients_may_break(old: str, new: str, may: bool) -> None:
    assert may_break(old, new) is may


def test_a_break_that_the_version_does_not_announce_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = changed(*field("Health", "gone"), to={"type": "string"})
    release = tmp_path / "openapi-0.1.0.yaml"
    release.write_text(json.dumps(old))  # JSON is YAML, and quicker
    monkeypatch.setattr("sys.argv", ["difference", "--against", str(release)])

    with pytest.raises(SystemExit) as ended:
        difference.main()

    assert ended.value.code == 1
    assert "BREAKS GET /health 200.gone is gone" in capsys.readouterr().out


def test_the_newest_release_is_compared_with(tmp_path: Path) -> None:
    assert last_release(tmp_path) is None
    for version in ("0.9.0", "0.10.0", "0.2.0"):
        (tmp_path / f"openapi-{version}.yaml").touch()

    newest = last_release(tmp_path)

    assert newest is not None
    assert newest.name == "openapi-0.10.0.yaml"


def test_every_release_that_is_kept_is_followed_without_an_unannounced_break() -> None:
    newest = last_release()
    if newest is None:
        assert not list(difference.RELEASES.glob("*.yaml"))
        return
    old = read_yaml(newest)

    announced = may_break(old["info"]["version"], DOCUMENT["info"]["version"])
    assert announced or breaking(DOCUMENT, old) == set()
