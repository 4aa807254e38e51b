"""What the receiver of a webhook is sent: an entry for each event type, typed as it is written.

The fields of a notice's data are those of the resource but what `lambdas/notifier/payload.py`
leaves out, so a field that is new there is new here.
"""

import copy
from typing import Any, get_args

from contract import examples
from lambdas.core.notices import EventType
from lambdas.notifier.delivering import FAILING_MOST, RETRY_SECONDS
from lambdas.notifier.payload import LEFT_OUT
from lambdas.notifier.sending import ANSWER_SECONDS
from lambdas.webhooks.schema import TEST_TYPE

TAG = "Notices"
_HERE = "#/components/schemas/"
_WHEN = {
    "training.started": "A training trains: told once, and again after each interruption",
    "training.interrupted": "A training's spot machine was taken away; it goes on by itself",
    "training.succeeded": "A training has succeeded; `lora_id` names its LoRA",
    "training.failed": "A training has failed; `failure` says of what and what to do",
    "training.canceled": "A training was canceled",
    "dataset.ready": "A dataset was checked and can be trained with",
    "dataset.invalid": "A dataset was checked and has errors; its report says which",
    "model.ready": "A model can be used: uploaded, imported, or the LoRA of a training",
    "model.invalid": "A model will not do; `invalid_reason` says why",
    TEST_TYPE: "A test was asked for with `POST /webhooks/{webhook_id}/test`",
}
_HOW = (
    "Posted to every webhook of the workspace that wants this type, at least once and in no order: "
    "`webhook-id` is the same at each attempt. `data` is the {kind} as it stands when the notice "
    "is first sent, without what is large and without URLs; read those by its id."
)
_HOW_A_TEST = "Posted to that webhook alone, whatever its event types. `data` has its id."
_PARAMETERS = {
    "WebhookId": (
        "webhook-id",
        "`evt_` and a ULID: the same at each attempt, so keep those that you have seen.",
        {"type": "string"},
    ),
    "WebhookTimestamp": (
        "webhook-timestamp",
        "Seconds since 1970 of this attempt. Refuse what is older than five minutes.",
        {"type": "integer"},
    ),
    "WebhookSignature": (
        "webhook-signature",
        "`v1,` and the base64 of HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>` with "
        "the webhook's secret; several with blanks between for a day after a new secret was made. "
        "See https://www.standardwebhooks.com.",
        {"type": "string"},
    ),
}


def event_types() -> tuple[str, ...]:
    """Return all types that a notice can have, the test's last."""
    return (*get_args(EventType), TEST_TYPE)


def add(document: dict[str, Any]) -> None:
    """Give a document its webhooks, and the components that they are made of."""
    components = document["components"]
    schemas = components["schemas"]
    for kind in LEFT_OUT:
        _without(schemas, kind.capitalize(), LEFT_OUT[kind])
    schemas["ResourceReference"] = _object("A resource by its id alone.", id=_ID)
    schemas |= {_schema_of(kind): _notice(kind) for kind in _kinds()}
    schemas["Notice"] = _any_notice()
    components["schemas"] = dict(sorted(schemas.items()))
    components["parameters"] = {
        name: {"name": header, "in": "header", "required": True, "description": text, "schema": of}
        for name, (header, text, of) in _PARAMETERS.items()
    }
    components["responses"] |= _responses()
    document["webhooks"] = {one: {"post": _entry(one)} for one in event_types()}


_ID = {"type": "string", "description": "The id of what it is about."}


def _entry(event_type: str) -> dict[str, Any]:
    kind = _kind(event_type)
    schema = {
        "allOf": [
            {"$ref": _HERE + "Notice"},
            {"type": "object", "properties": {"type": {"const": event_type}}, "required": ["type"]},
        ]
    }
    entry = {
        "operationId": "on" + "".join(part.capitalize() for part in event_type.split(".")),
        "tags": [TAG],
        "summary": _WHEN[event_type].partition(":")[0].partition(";")[0],
        "description": f"{_WHEN[event_type]}.\n\n"
        + (_HOW_A_TEST if event_type == TEST_TYPE else _HOW.format(kind=kind)),
        "security": [],
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "2XX": {"$ref": "#/components/responses/NoticeTaken"},
            "410": {"$ref": "#/components/responses/NoticeUnwanted"},
            "default": {"$ref": "#/components/responses/NoticeRefused"},
        },
    }
    examples.give(entry)
    return entry


def _notice(kind: str) -> dict[str, Any]:
    types = [one for one in event_types() if _kind(one) == kind]
    gone = {"$ref": _HERE + "ResourceReference"}
    if kind not in LEFT_OUT:
        data: dict[str, Any] = {"description": "The webhook that is tried.", **gone}
    else:
        whole = {"$ref": f"{_HERE}{kind.capitalize()}InNotice"}
        told = f"The {kind}; of one that was deleted meanwhile its id alone."
        data = {"description": told, "anyOf": [whole, gone]}
    return _object(
        f"What happened to a {kind}.",
        type={"type": "string", "enum": types, "description": "What happened."},
        timestamp={
            "type": "string",
            "format": "date-time",
            "description": "When it happened; the header has when it was sent.",
        },
        data=data,
    )


def _any_notice() -> dict[str, Any]:
    return {
        "description": "What a webhook is sent; `type` says which it is.",
        "oneOf": [{"$ref": _HERE + _schema_of(kind)} for kind in _kinds()],
        "discriminator": {
            "propertyName": "type",
            "mapping": {one: _HERE + _schema_of(_kind(one)) for one in event_types()},
        },
    }


def _responses() -> dict[str, Any]:
    *first, last = map(_spoken, RETRY_SECONDS)
    return {
        "NoticeTaken": {
            "description": f"Taken. Answer within {ANSWER_SECONDS} s and do the work afterwards; "
            "the body of the answer is not read."
        },
        "NoticeUnwanted": {
            "description": "No longer wanted: the webhook is disabled at once, and nothing is "
            "tried again."
        },
        "NoticeRefused": {
            "description": "Whatever else is answered, a redirect too, or nothing in time: tried "
            f"again after {', '.join(first)} and {last} (a test once, after {first[0]}). Where "
            f"every attempt fails for {FAILING_MOST.days} days the webhook is disabled."
        },
    }


def _spoken(seconds: int) -> str:
    unit, size = next(
        (unit, size)
        for unit, size in (("h", 3600), ("min", 60), ("s", 1))
        if seconds % size == 0 and seconds >= size
    )
    return f"{seconds // size} {unit}"


def _without(schemas: dict[str, Any], name: str, left_out: Any) -> str:
    """Add a schema without what is left out of it, down to the schemas in it; return its name."""
    rules = left_out if isinstance(left_out, dict) else dict.fromkeys(left_out, True)
    schema = copy.deepcopy(schemas[name])
    fields = schema["properties"]
    for field, rule in rules.items():
        if rule is True:
            del fields[field.rstrip("_")]  # `import_` is called `import` there
        else:
            _replace(schemas, fields[field], rule)
    kept = [one for one in schema.get("required", []) if one in fields]
    schema |= {"required": kept} if kept else {}
    schema["description"] += " As a notice has it: without what is large."
    schemas[f"{name}InNotice"] = schema
    return f"{name}InNotice"


def _replace(schemas: dict[str, Any], field: dict[str, Any], rule: Any) -> None:
    """Have a field, its entries or one of its forms lead to a schema without what is left out."""
    inner = rule.get("__all__", rule) if isinstance(rule, dict) else rule
    for node in (field, field.get("items", {}), *field.get("anyOf", [])):
        if "$ref" in node:
            node["$ref"] = _HERE + _without(schemas, node["$ref"].removeprefix(_HERE), inner)


def _object(description: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": fields,
        "required": list(fields),
    }


def _kinds() -> list[str]:
    return list(dict.fromkeys(map(_kind, event_types())))


def _kind(event_type: str) -> str:
    return event_type.partition(".")[0]


def _schema_of(kind: str) -> str:
    return "TestNotice" if kind not in LEFT_OUT else f"{kind.capitalize()}Notice"
