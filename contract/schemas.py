"""The schemas as they are published: names that read well in a client, no words said twice."""

import copy
import re
from collections.abc import Callable
from typing import Any

Schemas = dict[str, Any]

# Names that are short in their room and say too little outside of it.
_RENAMED = {
    "Action": "CaptionAction",
    "Arguments": "ArgumentOffers",
    "BucketOfImages": "ImageBucket",
    "Continued": "ContinuedFrom",
    "Correction": "OptionCorrection",
    "Estimate": "TrainingEstimate",
    "Example": "CaptionChange",
    "Failure": "TrainingFailure",
    "Family": "ModelFamily",
    "File": "NewFile",
    "Finding": "DatasetFinding",
    "Gpu": "GpuUse",
    "Imports": "ImportedDatasets",
    "Limits": "ServiceLimits",
    "Price": "InstancePrice",
    "Progress": "TrainingProgress",
    "Reason": "InvalidReason",
    "Replacement": "CaptionReplacement",
    "Report": "ReportSummary",
    "Sample": "TrainingSample",
    "Samples": "TrainingSamplePage",
    "Skipped": "SkippedCaption",
    "Steps": "TrainingSteps",
    "Validation": "TrainingValidation",
    "Version": "CaptionVersion",
}
_UNUSED = {"HTTPValidationError", "ResponseValidationError", "ValidationError"}
_VALUES = {"default", "examples", "example", "enum", "const"}  # no schemas, whatever they hold
_PAGE = re.compile(r"Page_(\w+)_")
_HERE = "#/components/schemas/"


def type_options(schemas: Schemas) -> None:
    """Give options their schema, which would only slow a function's start down."""
    from lambdas.trainings.option_schema import json_schema, schema_of_datasets

    typed, text = {"$ref": f"{_HERE}ConfigParams"}, {"type": "string"}
    as_pasted = {"type": "object", "additionalProperties": True}
    for name, forms in {
        "NewTraining": [typed, text],
        "TrainingDraft": [typed, as_pasted, text],
    }.items():
        options = schemas[name]["properties"]["config_params"]
        options["anyOf"] = forms
        options.pop("default")  # generators of clients would send it as a text
    schemas["ConfigParams"] = json_schema()
    schemas["DatasetOptions"] = schema_of_datasets()
    of_dataset = {"$ref": f"{_HERE}DatasetOptions"}
    schemas["DatasetDraft"] = copy.deepcopy(schemas["DatasetChoice"]) | {"title": "DatasetDraft"}
    for name, forms in {
        "DatasetChoice": [of_dataset],
        "DatasetDraft": [of_dataset, as_pasted],
    }.items():
        entry = schemas[name]["properties"]["options"]
        schemas[name]["properties"]["options"] = {
            key: value
            for key, value in entry.items()
            # Of several forms a default can't be written down by generators of clients.
            if key not in ("type", "additionalProperties", "default")
        } | {"anyOf": forms}
    draft = {"$ref": f"{_HERE}DatasetDraft"}
    schemas["TrainingDraft"]["properties"]["datasets"]["items"] = draft


def published(document: dict[str, Any]) -> None:
    """Rename the schemas and their references, sort them, and take needless titles away."""
    schemas = document["components"]["schemas"]
    named = {name: _name(name) for name in schemas if name not in _UNUSED}
    if len(set(named.values())) != len(named):
        raise ValueError("two schemas would have one name: see contract/schemas.py")
    _tell_kinds(schemas)
    document["components"]["schemas"] = {
        named[name]: _described(name, _untitled(schemas[name]))
        for name in sorted(named, key=named.__getitem__)
    }
    document["paths"] = _untitled(document["paths"])
    _walk(document, lambda node: _refer(node, named))
    _walk(document["components"]["schemas"], _unwrap)
    _walk(document["components"]["schemas"], _rule_names)


def _described(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with a description; pydantic gives pages of something none."""
    if _PAGE.fullmatch(name):
        return {"description": "One page of a list, newest first.", **schema}
    return schema


def never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter, which is left out and never null."""
    forms = [form for form in schema.get("anyOf", []) if form != {"type": "null"}]
    if len(forms) != 1:
        return schema
    kept = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**kept, **forms[0]}


def _name(name: str) -> str:
    page = _PAGE.fullmatch(name)
    return f"{_name(page[1])}Page" if page else _RENAMED.get(name, name)


def _refer(node: dict[str, Any], named: dict[str, str]) -> None:
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith(_HERE):
        node["$ref"] = _HERE + named[reference.removeprefix(_HERE)]
    if "discriminator" in node:
        mapping = node["discriminator"]["mapping"]
        for kind, reference in mapping.items():
            mapping[kind] = _HERE + named[reference.removeprefix(_HERE)]


def _untitled(schema: Any) -> Any:
    """Return a schema without the titles that pydantic makes of the names of fields."""
    if isinstance(schema, list):
        return [_untitled(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _untitled(field) for name, field in value.items()}
        if key in ("properties", "$defs")
        else value
        if key in _VALUES
        else _untitled(value)
        for key, value in schema.items()
        if key != "title"
    }


def _tell_kinds(schemas: Schemas) -> None:
    """Say that what tells the members of a union apart is always there."""

    def require(node: dict[str, Any]) -> None:
        if "discriminator" in node:
            for reference in node["discriminator"]["mapping"].values():
                member = schemas[reference.removeprefix(_HERE)]
                name = node["discriminator"]["propertyName"]
                member["required"] = sorted({name, *member.get("required", [])})

    _walk(schemas, require)


def _unwrap(node: dict[str, Any]) -> None:
    """Replace a union of one by that one."""
    if len(node.get("anyOf", [])) == 1:
        node |= node.pop("anyOf")[0]


def _rule_names(node: dict[str, Any]) -> None:
    """Say of a mapping what its names are like apart, so that generators see what it maps to."""
    patterns = node.pop("patternProperties", {})
    for pattern, values in patterns.items():
        node["propertyNames"] = node.get("propertyNames", {}) | {"pattern": pattern}
        node["additionalProperties"] = values


def _walk(node: Any, change: Callable[[dict[str, Any]], None]) -> None:
    if isinstance(node, dict):
        change(node)
    if isinstance(node, dict | list):
        for one in list(node.values()) if isinstance(node, dict) else node:
            _walk(one, change)
