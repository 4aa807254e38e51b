"""What the receiver of a webhook is sent stands in the contract: each type, typed and signed."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from contract.reading import read_yaml
from lambdas.core.notices import EventType
from lambdas.notifier.signing import signature_headers

ROOT = Path(__file__).parents[2]
CONTRACT: dict[str, Any] = read_yaml(ROOT / "openapi.yaml")
SCHEMAS: dict[str, Any] = CONTRACT["components"]["schemas"]
TYPES = {*get_args(EventType), "webhook.test"}


def test_the_types_are_those_of_the_code() -> None:
    union = SCHEMAS["Notice"]

    assert set(CONTRACT["webhooks"]) == TYPES
    assert set(union["discriminator"]["mapping"]) == TYPES
    told = [SCHEMAS[one["$ref"].rpartition("/")[2]] for one in union["oneOf"]]
    assert sorted(kind for one in told for kind in one["properties"]["type"]["enum"]) == sorted(
        TYPES
    )


def test_the_guide_has_every_type() -> None:
    guide = (ROOT / "docs/guides/webhooks.md").read_text(encoding="utf-8")

    told = set(re.findall(r"`((?:training|dataset|model|webhook)\.\w+)`", guide))
    assert told - {"data.status"} == TYPES


def test_a_notice_comes_with_the_headers_that_are_sent() -> None:
    sent = signature_headers(["whsec_bm8="], "evt_1", 1, "{}")
    parameters = CONTRACT["components"]["parameters"].values()

    assert {one["name"] for one in parameters if one["in"] == "header"} == set(sent)


@pytest.mark.parametrize("event_type", sorted(TYPES))
def test_an_entry_says_when_it_comes_what_it_is_and_what_to_answer(event_type: str) -> None:
    entry = CONTRACT["webhooks"][event_type]["post"]
    schema = entry["requestBody"]["content"]["application/json"]["schema"]

    assert entry["description"].startswith(entry["summary"])
    assert len(entry["description"]) > len(entry["summary"]) + 50
    assert entry["security"] == []
    assert len(entry["parameters"]) == 3
    assert {"2XX", "410", "default"} == set(entry["responses"])
    assert schema["allOf"][1]["properties"]["type"] == {"const": event_type}


def test_nothing_large_and_no_url_is_typed() -> None:
    training = SCHEMAS["TrainingInNotice"]["properties"]

    assert "config_params" not in training
    assert training["steps"]["$ref"].endswith("/TrainingStepsInNotice")
    assert "buckets" not in SCHEMAS["TrainingStepsInNotice"]["properties"]
    assert "options" not in SCHEMAS["DatasetUsedInNotice"]["properties"]
    assert "download" not in SCHEMAS["ModelInNotice"]["properties"]
    assert set(training) == set(SCHEMAS["TrainingInNotice"]["required"])
