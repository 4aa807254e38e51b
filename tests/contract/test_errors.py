"""The catalogue of errors is whole: what is raised stands in it, and nothing else."""

import ast
import re
from pathlib import Path

from contract import catalogue, raised, source
from contract.codes import CODES
from contract.document import contract

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "errors.md").read_text(encoding="utf-8")
DOCUMENT = contract()


def codes_of(operation_id: str) -> dict[str, list[str]]:
    (responses,) = (
        operation["responses"]
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        if operation["operationId"] == operation_id
    )
    shared = DOCUMENT["components"]["responses"]
    found = {
        status: shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        for status, response in responses.items()
    }
    return {
        status: response["x-problem-codes"]
        for status, response in found.items()
        if "x-problem-codes" in response
    }


def test_the_guide_is_what_the_sources_make() -> None:
    assert catalogue.guide() == GUIDE, "run `make openapi` and commit docs/guides/errors.md"


def test_every_code_that_is_answered_is_explained_and_no_other() -> None:
    assert {code for _, code in catalogue.answered()} == set(CODES)
    assert set(re.findall(r"^\| `(\w+)`", GUIDE, re.MULTILINE)) == set(CODES)


def test_every_code_that_a_source_gives_an_error_is_one_that_a_route_answers() -> None:
    given = {
        keyword.value.value
        for definition in source.read().definitions.values()
        for call in ast.walk(definition.node)
        if isinstance(call, ast.Call) and raised.is_error(call, definition)
        for keyword in call.keywords
        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
    }

    assert len(given) > 30
    # A server that does not answer is the worker's business, and told in the model.
    assert given - set(CODES) == {"url_unavailable"}


def test_every_meaning_is_in_sentences() -> None:
    for meaning in CODES.values():
        for text in (meaning.when, meaning.remedy):
            assert text[0].isupper() or text[0] == "`"
            assert text.endswith(".")


def test_an_operation_tells_its_own_codes_and_no_others() -> None:
    assert codes_of("deleteDataset") == {
        "401": ["token_expired", "unauthorized"],
        "403": ["role_not_allowed"],
        "404": ["not_found"],
        "409": ["changed_meanwhile", "dataset_in_use"],
        "422": ["validation_failed"],
        "429": ["too_many_requests"],
        "500": ["internal_error"],
        "503": ["unavailable"],
        "504": ["timeout"],
    }
    assert codes_of("listTokens").keys() == {
        *("400", "401", "403", "422", "429", "500", "503", "504")
    }
    assert codes_of("getHealth").keys() == {"422", "429", "500", "504"}
    assert codes_of("createTraining")["429"] == ["too_many_requests", "too_many_trainings"]


def test_only_what_takes_a_body_is_refused_for_its_body() -> None:
    for operations in DOCUMENT["paths"].values():
        for method, operation in operations.items():
            told = codes_of(operation["operationId"])
            assert ("415" in told) == ("413" in told) == (method in {"post", "put", "patch"})
            assert ("invalid_json" in told.get("400", [])) == ("requestBody" in operation)
