"""The published contract: generated from the routes, whole, and free of loose ends."""

from pathlib import Path
from typing import Any

import pytest

from contract import document
from contract.reading import read_yaml

FILE = Path(__file__).parents[2] / "openapi.yaml"
CONTRACT: dict[str, Any] = read_yaml(FILE)
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in CONTRACT["paths"].items()
    for method, operation in operations.items()
}
FIRST_ROUTES = {
    *("POST /datasets", "GET /datasets", "GET /datasets/{dataset_id}"),
    *("POST /datasets/{dataset_id}/uploads", "POST /datasets/{dataset_id}/complete"),
    *("POST /models", "GET /models", "GET /models/{model_id}"),
    *("POST /models/{model_id}/uploads", "POST /models/{model_id}/complete"),
    *("POST /trainings/validate", "POST /trainings", "GET /trainings"),
    *("GET /trainings/{training_id}", "POST /trainings/{training_id}/cancel"),
    *("GET /trainings/{training_id}/events", "GET /trainings/{training_id}/metrics"),
    *("POST /tokens", "GET /tokens", "DELETE /tokens/{token_id}", "GET /health"),
}


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        here = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return here.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_the_file_is_what_the_routes_make() -> None:
    assert document.contract() == CONTRACT, "run `make openapi` and commit openapi.yaml"


def test_the_first_routes_are_there() -> None:
    assert set(OPERATIONS) >= FIRST_ROUTES


def test_answers_have_all_their_fields_and_are_open_to_more() -> None:
    training = CONTRACT["components"]["schemas"]["Training"]

    assert set(training["required"]) == set(training["properties"])
    assert "additionalProperties" not in CONTRACT["components"]["schemas"]["Caption"]


def test_requests_have_no_default_that_a_client_would_send_as_text() -> None:
    schemas = CONTRACT["components"]["schemas"]

    assert "default" not in schemas["NewTraining"]["properties"]["config_params"]
    assert schemas["NewTraining"]["properties"]["tags"]["additionalProperties"]["type"] == "string"


def leads_somewhere(reference: str) -> bool:
    node: Any = CONTRACT
    for step in reference.removeprefix("#/").split("/"):
        node = node.get(step, {})
    return bool(node)


def test_every_reference_leads_somewhere() -> None:
    found = references(CONTRACT)

    assert found
    assert {one for one in found if not leads_somewhere(one)} == set()


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    names += [entry["post"]["operationId"] for entry in CONTRACT["webhooks"].values()]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("route", OPERATIONS)
def test_an_operation_says_what_it_does_who_serves_it_and_how_it_fails(route: str) -> None:
    operation = OPERATIONS[route]

    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    assert operation["x-lorastack-function"] in document._ROOMS
    assert any(status.startswith("2") for status in operation["responses"])
    assert "500" in operation["responses"]
    if operation.get("security") != []:
        assert "401" in operation["responses"]


@pytest.mark.parametrize(
    "route",
    [
        route
        for route in OPERATIONS
        if route.startswith("POST") and "201" in OPERATIONS[route]["responses"]
    ],
)
def test_what_makes_something_takes_an_idempotency_key(route: str) -> None:
    names = {one["name"].lower() for one in OPERATIONS[route]["parameters"]}

    assert "idempotency-key" in names
