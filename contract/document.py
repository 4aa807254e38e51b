"""The contract as an OpenAPI 3.1 document, made from the routes of all rooms."""

import importlib
import inspect
import json
import os
from typing import Any

from contract import answered, answers, examples, notices, reads, schemas
from lambdas.core.problems import Problem

VERSION = "0.1.0"
_ROOMS = ("datasets", "models", "trainings", "access", "webhooks")
_TITLE = "LoRAStack"
_DESCRIPTION = """\
LoRA training for Stable Diffusion 1.5 and SDXL: upload a base model and captioned images, start a
training, follow it, use the LoRA.

- Every request but those for the service itself carries `Authorization: Bearer lsk_...`.
- JSON in and out, names in snake_case, times in ISO 8601 and UTC, sizes in bytes.
- Lists are pages, newest first: give `next_cursor` as `cursor` to read on.
- What goes wrong is told as a problem (RFC 9457) with a stable `code`; all faults of a request are
  told at once.
- Send an `Idempotency-Key` with what makes something, and a repeat makes no second one.
- Fields may be added to answers, and codes to problems: a client passes over what it does not know.
"""
_TAGS = {
    "Datasets": "Captioned images to train with: uploaded or imported, checked, cropped, exported.",
    "Captions": "The texts beside the images: read, written, changed as a whole, proposed.",
    "Models": "Base models and LoRAs: uploaded or imported, inspected, downloaded.",
    "Trainings": "Jobs that train a LoRA: checked, started, followed, canceled.",
    "Webhooks": "Being told what happens, at an address of one's own.",
    notices.TAG: "What the receiver of a webhook is sent, by event type.",
    "Access": "A workspace: its tokens, its use and limits, and who did what.",
    "Service": "The service itself; these routes need no token.",
}
_IN_PATHS = {
    "dataset_id": "The dataset's id, `ds_...`.",
    "image_id": "The image's id, `img_...`, as `GET /datasets/{dataset_id}/images` tells it.",
    "model_id": "The model's id, `mdl_...`.",
    "webhook_id": "The webhook's id, `whk_...`.",
    "token_id": "The token's id, `tok_...`; not its secret.",
    "training_id": "The training's id, `trn_...`.",
}


def contract() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of all rooms."""
    for name in ("TABLE_NAME", "BUCKET_NAME", "DEPLOYMENT"):
        os.environ.setdefault(name, "none")
    document = _head()
    paths, components = document["paths"], document["components"]
    for room in _ROOMS:
        part = _part(room)
        for path, operations in part["paths"].items():
            paths.setdefault(path, {}).update(operations)
        _add_schemas(components["schemas"], part.get("components", {}).get("schemas", {}))
    document["paths"] = {path: paths[path] for path in sorted(paths)}
    components["responses"] = answers.shared(
        operation for path in document["paths"].values() for operation in path.values()
    )
    schemas.type_options(components["schemas"])
    schemas.published(document)
    notices.add(document)
    answered.require_all(document)
    return document


def _add_schemas(known: dict[str, Any], more: dict[str, Any]) -> None:
    for name, schema in more.items():
        if known.setdefault(name, schema) != schema:
            raise ValueError(f"two rooms have a model called {name}: rename one of them")


def _head() -> dict[str, Any]:
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": _TITLE,
            "version": VERSION,
            "summary": "LoRA training for Stable Diffusion as a REST API in your own AWS account.",
            "description": _DESCRIPTION,
            "contact": {"name": "Whoever runs your deployment"},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": _servers(),
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": {},
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of a workspace, `lsk_` and 43 characters: an admin "
                    "makes one with `POST /tokens`, the first is made with the deployment. It has "
                    "a role (viewer, trainer, admin) and an expiry; one that is revoked may work "
                    "for 60 s more.",
                }
            },
            "headers": answers.headers(),
            "schemas": {**problem.pop("$defs"), "Problem": problem},
        },
    }


def _servers() -> list[dict[str, Any]]:
    variables = {
        "api": {
            "default": "api-id",
            "description": "The id of the API: the output ApiUrl of the stack has it.",
        },
        "region": {"default": "us-east-1", "description": "The AWS region of the deployment."},
    }
    deployed = "https://{api}.execute-api.{region}.amazonaws.com/v1"
    return [
        {"url": deployed, "description": "Your deployment.", "variables": variables},
        {"url": "http://127.0.0.1:8080/v1", "description": "Local mode (`make run`)."},
    ]


def _part(room: str) -> dict[str, Any]:
    app = importlib.import_module(f"lambdas.{room}.handler").app
    part: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(title=_TITLE, version=VERSION, openapi_version="3.1.0")
    )
    routes = {route.operation_id: route for route in [*app._static_routes, *app._dynamic_routes]}
    for path, operations in part["paths"].items():
        for method, operation in operations.items():
            route = routes[operation["operationId"]]
            operation["x-lorastack-function"] = room
            if route.security == []:
                operation["security"] = []  # Powertools leaves an empty list out
            _describe(operation, inspect.getdoc(route.func) or "")
            reads.describe(operation, method, route.func)
            _tell_parameters(operation)
            answers.complete(
                path, method, operation, f"{route.func.__module__}.{route.func.__name__}"
            )
            examples.give(operation)
    return part


def _describe(operation: dict[str, Any], docstring: str) -> None:
    first, _, rest = docstring.partition("\n")
    operation["summary"] = first.rstrip(".")
    operation["description"] = " ".join(rest.split()) or first


def _tell_parameters(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        parameter["schema"].pop("description", None)  # the parameter has it
        parameter["schema"] = schemas.never_null(parameter["schema"])
        if parameter["in"] == "header":
            parameter["name"] = name.title()  # Powertools writes them in lower case
        if parameter["in"] == "path" and name in _IN_PATHS:
            parameter["description"] = _IN_PATHS[name]
