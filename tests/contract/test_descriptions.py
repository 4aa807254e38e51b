"""Whoever reads the contract is told what each thing is, once."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.reading import read_yaml

CONTRACT: dict[str, Any] = read_yaml(Path(__file__).parents[2] / "openapi.yaml")
SCHEMAS: dict[str, Any] = CONTRACT["components"]["schemas"]
OPERATIONS = [
    operation for operations in CONTRACT["paths"].values() for operation in operations.values()
]
# Of numbers whose name says that they measure something.
MEASURES = re.compile(r"(size|bytes|width|height|memory|usd|resolution)$")
UNITS = re.compile(
    r"byte|pixel|images|As width|GiB|MiB|KiB|dollar|second|minute|percent|days|USD|GPU|demand",
    re.IGNORECASE,
)


def fields() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in SCHEMAS.items():
        for field, inner in schema.get("properties", {}).items():
            yield f"{name}.{field}", inner


def test_every_field_has_a_description() -> None:
    assert len(dict(fields())) > 500
    assert [name for name, field in fields() if not field.get("description")] == []


def test_every_schema_has_a_description() -> None:
    assert [name for name, schema in SCHEMAS.items() if not schema.get("description")] == []


def test_what_is_measured_says_in_what() -> None:
    kinds = {"integer", "number"}
    told = {
        name: field["description"]
        for name, field in fields()
        if MEASURES.search(name) and {field.get("type"), *_of_forms(field)} & kinds
    }

    assert len(told) > 10
    assert {name: text for name, text in told.items() if not UNITS.search(text)} == {}


def _of_forms(field: dict[str, Any]) -> list[str]:
    return [form.get("type", "") for form in field.get("anyOf", [])]


def test_a_description_says_more_than_the_summary() -> None:
    for operation in OPERATIONS:
        assert operation["description"].rstrip(".") != operation["summary"], operation["summary"]


def test_a_parameter_is_described_once() -> None:
    for operation in OPERATIONS:
        for parameter in operation.get("parameters", []):
            assert parameter["description"]
            assert "description" not in parameter["schema"]


def test_what_is_only_answered_is_there_as_a_whole() -> None:
    for name in ("Dataset", "Training", "Problem", "DatasetPage", "TokenWithSecret"):
        assert set(SCHEMAS[name]["required"]) == set(SCHEMAS[name]["properties"]), name
    assert "description" not in SCHEMAS["NewDataset"]["required"]


def test_headers_are_spelt_as_http_spells_them() -> None:
    spelt = {
        parameter["name"]
        for operation in OPERATIONS
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "header"
    }

    assert spelt == {"Idempotency-Key", "If-Match", "If-None-Match"}


def test_tags_servers_and_their_variables_are_described() -> None:
    notices = [entry["post"] for entry in CONTRACT["webhooks"].values()]
    used = {tag for operation in (*OPERATIONS, *notices) for tag in operation["tags"]}

    assert {tag["name"] for tag in CONTRACT["tags"]} == used
    for told in (*CONTRACT["tags"], *CONTRACT["servers"]):
        assert told["description"]
    for variable in CONTRACT["servers"][0]["variables"].values():
        assert variable["description"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_has_a_name_that_reads_well_in_a_client(name: str) -> None:
    assert re.fullmatch(r"([A-Z][a-z0-9]+)+", name)
    assert "title" not in SCHEMAS[name]
