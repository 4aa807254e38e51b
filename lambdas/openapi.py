"""The contract, generated: `python -m lambdas.openapi` writes openapi.yaml from the routes.

`--check` writes nothing and says whether the file is what the routes make.
"""

import argparse
import copy
import importlib
import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any

from lambdas import openapi_reads

_ROOMS = ("datasets", "models", "trainings", "access")
_FILE = Path(__file__).parent.parent / "openapi.yaml"
_VERSION = "0.1.0"
_TITLE = "LoRAStack"
_DESCRIPTION = (
    "LoRA training for Stable Diffusion 1.5 and SDXL: upload a base model and captioned images, "
    "start a training, follow it, use the LoRA."
)
_PROBLEMS = {
    "400": "The request can't be read.",
    "401": "The bearer token is missing, unknown, revoked or expired.",
    "403": "The token's role does not allow this.",
    "404": "There is no such thing in this workspace.",
    "409": "A name in use, or a state that does not allow this.",
    "412": "It changed since the ETag that If-Match names.",
    "413": "The body is over 10 MB.",
    "415": "The body is not application/json.",
    "422": "Understood and refused: every fault is named.",
    "428": "If-Match is missing: say which state is replaced.",
    "429": "A limit is reached: wait as long as Retry-After says.",
    "500": "Something broke on our side.",
    "503": "A service behind ours refuses for now.",
    "504": "The answer took too long; a retry with the same Idempotency-Key is safe.",
}


def contract() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of all rooms."""
    for name in ("TABLE_NAME", "BUCKET_NAME", "DEPLOYMENT"):
        os.environ.setdefault(name, "none")
    merged: dict[str, Any] = _head()
    for room in _ROOMS:
        part = _part(room)
        for path, operations in part["paths"].items():
            merged["paths"].setdefault(path, {}).update(operations)
        merged["components"]["schemas"] |= part.get("components", {}).get("schemas", {})
    schemas = merged["components"]["schemas"]
    _type_options(schemas)
    merged["components"]["schemas"] = {
        name: schemas[name] for name in sorted(schemas) if name not in _UNUSED
    }
    merged["paths"] = {path: merged["paths"][path] for path in sorted(merged["paths"])}
    return merged


def _type_options(schemas: dict[str, Any]) -> None:
    """Give options their schema, which would only slow a function's start down."""
    from lambdas.trainings.option_schema import json_schema, schema_of_datasets

    typed, text = {"$ref": "#/components/schemas/ConfigParams"}, {"type": "string"}
    as_pasted = {"type": "object", "additionalProperties": True}
    for name, forms in {
        "NewTraining": [typed, text],
        "TrainingDraft": [typed, as_pasted, text],
    }.items():
        schemas[name]["properties"]["config_params"]["anyOf"] = forms
    schemas["ConfigParams"] = json_schema()
    schemas["DatasetOptions"] = schema_of_datasets()
    of_dataset = {"$ref": "#/components/schemas/DatasetOptions"}
    schemas["DatasetDraft"] = copy.deepcopy(schemas["DatasetChoice"]) | {"title": "DatasetDraft"}
    for name, forms in {
        "DatasetChoice": [of_dataset],
        "DatasetDraft": [of_dataset, as_pasted],
    }.items():
        entry = schemas[name]["properties"]["options"]
        schemas[name]["properties"]["options"] = {
            key: value
            for key, value in entry.items()
            if key not in ("type", "additionalProperties")
        } | {"anyOf": forms}
    draft = {"$ref": "#/components/schemas/DatasetDraft"}
    schemas["TrainingDraft"]["properties"]["datasets"]["items"] = draft


_UNUSED = {"HTTPValidationError", "ResponseValidationError", "ValidationError"}


def _head() -> dict[str, Any]:
    from lambdas.core.problems import Problem

    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": _TITLE,
            "version": _VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {
                "url": "https://{api}.execute-api.{region}.amazonaws.com/v1",
                "variables": {"api": {"default": "api-id"}, "region": {"default": "us-east-1"}},
            },
            {"url": "http://127.0.0.1:8080/v1", "description": "Local mode."},
        ],
        "security": [{"bearer": []}],
        "tags": [
            {"name": name}
            for name in ("Datasets", "Captions", "Models", "Trainings", "Access", "Service")
        ],
        "paths": {},
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {**problem.pop("$defs"), "Problem": problem},
            "responses": {
                status: {
                    "description": text,
                    "content": {
                        "application/problem+json": {
                            "schema": {"$ref": "#/components/schemas/Problem"}
                        }
                    },
                }
                for status, text in _PROBLEMS.items()
            },
        },
    }


def _part(room: str) -> dict[str, Any]:
    app = importlib.import_module(f"lambdas.{room}.handler").app
    part: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(title=_TITLE, version=_VERSION, openapi_version="3.1.0")
    )
    routes = {route.operation_id: route for route in [*app._static_routes, *app._dynamic_routes]}
    for operations in part["paths"].values():
        for method, operation in operations.items():
            operation["x-lorastack-function"] = room
            route = routes[operation["operationId"]]
            _title(operation, inspect.getdoc(route.func) or "")
            if route.security == []:
                operation["security"] = []  # Powertools leaves an empty list out
            _answer_problems(operation)
            openapi_reads.describe(operation, method, route.func)
    return part


def _title(operation: dict[str, Any], docstring: str) -> None:
    first, _, rest = docstring.partition("\n")
    operation["summary"] = first.rstrip(".")
    operation["description"] = " ".join(rest.split()) or first


def _answer_problems(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    open_to_all = operation.get("security") == []
    for status in _PROBLEMS:
        if open_to_all and status not in {"429", "500", "504"}:
            continue
        if status in {"412", "428"} and not _is_conditional(operation):
            continue
        if status in {"413", "415"} and "requestBody" not in operation:
            continue
        responses[status] = {"$ref": f"#/components/responses/{status}"}


def _is_conditional(operation: dict[str, Any]) -> bool:
    return any(one["name"].lower() == "if-match" for one in operation.get("parameters", []))


def main() -> None:
    """Write the contract, or check it."""
    import yaml

    parser = argparse.ArgumentParser(prog="lambdas.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    text = yaml.safe_dump(contract(), sort_keys=False, allow_unicode=True, width=100)
    if not arguments.check:
        _FILE.write_text(text)
    elif _FILE.read_text() != text:
        sys.exit("openapi.yaml is not what the routes make: run `make openapi` and commit it.")


if __name__ == "__main__":
    main()
