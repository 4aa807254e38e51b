"""The responses of an operation: what it really answers, with headers, problems and their codes."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from contract import raised
from contract.codes import CODES
from contract.raised import Raised
from lambdas.core.caller import needed_role

Operation = dict[str, Any]
_WRITES = {"post", "put", "patch"}
_WITHOUT_BODY = {204, 304}
_GATEWAY = (
    Raised(429, "too_many_requests", ("Retry-After", "RateLimit", "RateLimit-Policy")),
    Raised(500, "internal_error"),
    Raised(504, "timeout"),
)
_NO_TOKEN = (Raised(401, "unauthorized"), Raised(401, "token_expired"))
_BODY = (Raised(413, "request_too_large"), Raised(415, "unsupported_media_type"))
_HEADERS = {
    "Location": ("Where the new thing can be read: a path, with the stage.", "string"),
    "ETag": ("How the thing stands now, for `If-Match`, with its quotes.", "string"),
    "Idempotent-Replayed": (
        "`true` where an earlier request with this Idempotency-Key had made the thing.",
        "string",
    ),
    "Retry-After": ("After how many seconds another try is worth while.", "integer"),
    "RateLimit": (
        "What is left of the requests that the deployment takes (`r`), and in how many seconds "
        "there are more (`t`); told when none is left.",
        "string",
    ),
    "RateLimit-Policy": (
        "How many requests (`q`) the deployment takes within so many seconds (`w`), from all.",
        "string",
    ),
    "WWW-Authenticate": ("`Bearer`: which kind of credentials is wanted.", "string"),
}


def headers() -> dict[str, Any]:
    """Return all headers of answers, as components."""
    return {
        name: {"description": text, "schema": {"type": kind}}
        for name, (text, kind) in _HEADERS.items()
    }


def complete(path: str, method: str, operation: Operation, function: str) -> None:
    """Give an operation the headers and problems that its function answers."""
    responses = operation["responses"]
    responses.pop("422", None)  # Powertools' own, which is no problem
    if any(one["name"] == "If-None-Match" for one in operation.get("parameters", [])):
        responses.setdefault("304", {"description": "It is as you have it."})
    names = sorted(raised.success_headers(function))
    for status, response in responses.items():
        if int(status) in _WITHOUT_BODY:
            response.pop("content", None)
        if names:
            response["headers"] = _references(names)
    by_status: dict[int, list[Raised]] = {}
    for one in sorted(_raised(path, method, operation, function)):
        by_status.setdefault(one.status, []).append(one)
    responses |= {str(status): _response(of_status) for status, of_status in by_status.items()}


def _raised(path: str, method: str, operation: Operation, function: str) -> set[Raised]:
    found = {*raised.by(function), *_GATEWAY}
    if not any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", [])):
        found = {one for one in found if one.code != "idempotency_key_reused"}
    if operation.get("security") != []:
        found |= {*_NO_TOKEN}
        if needed_role(method.upper(), path) != "viewer":
            found.add(Raised(403, "role_not_allowed"))
    if method in _WRITES:
        found |= {*_BODY}
    if "requestBody" in operation:
        found.add(Raised(400, "invalid_json"))
    found.add(Raised(422, "validation_failed"))  # of a query parameter that there is not, at least
    return found


def _response(of_status: Iterable[Raised]) -> dict[str, Any]:
    found = list(of_status)
    codes = list(dict.fromkeys(one.code for one in found))
    response: dict[str, Any] = {
        "description": "\n".join(
            [f"{HTTPStatus(found[0].status).phrase}.", ""]
            + [f"- `{code}`: {CODES[code].when}" for code in codes]
        ),
        "x-problem-codes": codes,
        "content": {"application/problem+json": {"schema": _reference("schemas", "Problem")}},
    }
    names = {name for one in found for name in one.headers}
    names |= {"WWW-Authenticate"} if found[0].status == HTTPStatus.UNAUTHORIZED else set()
    return response | ({"headers": _references(sorted(names))} if names else {})


def shared(operations: Iterable[Operation]) -> dict[str, Any]:
    """Replace the problems that several operations answer alike by references to components."""
    counted: dict[str, list[dict[str, Any]]] = {}
    for operation in operations:
        for status, response in operation["responses"].items():
            if "x-problem-codes" in response:
                counted.setdefault(_name(status, response), []).append(operation["responses"])
    components: dict[str, Any] = {}
    for name, places in sorted(counted.items()):
        if len(places) > 1:
            status = name[:3]
            components[name[3:]] = places[0][status]
            for responses in places:
                responses[status] = _reference("responses", name[3:])
    return components


def _name(status: str, response: Mapping[str, Any]) -> str:
    """Return a name for a response: `NotFound`, or with its codes where it has its own."""
    phrase = "".join(word.capitalize() for word in HTTPStatus(int(status)).phrase.split())
    codes = "".join(_camel(code) for code in response["x-problem-codes"])
    return f"{status}{phrase}" if codes == phrase else f"{status}{phrase}_{codes}"


def _camel(code: str) -> str:
    return "".join(part.capitalize() for part in code.split("_"))


def _references(names: Iterable[str]) -> dict[str, Any]:
    return {name: _reference("headers", name) for name in names}


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
