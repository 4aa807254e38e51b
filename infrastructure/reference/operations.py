"""How the page tells an operation: what it takes, what it answers, how it fails."""

import json
import shlex
from collections.abc import Mapping
from html import escape
from http import HTTPStatus

from reference.markup import element, inline, pretty, prose, table
from reference.schemas import Schemas


class Operations:
    """The operations of a document."""

    def __init__(self, document: Mapping, schemas: Schemas) -> None:
        self._document, self._schemas = document, schemas

    def article(self, path: str, method: str, operation: Mapping) -> str:
        """One operation under its id."""
        name = operation["operationId"]
        open_to_all = operation.get("security") == []
        return element(
            "article",
            element("h3", element("a", inline(operation["summary"]), href=f"#{name}")),
            element("p", badge(method), element("code", escape(path)), class_="route"),
            prose(operation["description"]),
            element("p", "Needs no token.", class_="note") if open_to_all else "",
            self._parameters(operation),
            self._request(operation),
            self._curl(path, method, operation),
            *self._successes(operation),
            self._problems(operation),
            id=name,
            class_="operation",
        )

    def notice(self, event_type: str, operation: Mapping) -> str:
        """What a receiver is sent of one event type, and what it answers, under its id."""
        name = operation["operationId"]
        content = operation["requestBody"]["content"]["application/json"]
        rows = [
            [status, inline(self._response(response)["description"])]
            for status, response in operation["responses"].items()
        ]
        return element(
            "article",
            element("h3", element("a", inline(operation["summary"]), href=f"#{name}")),
            element("p", badge("post"), element("code", escape(event_type)), class_="route"),
            prose(operation["description"]),
            self._parameters(operation),
            element("h4", "What is sent"),
            self._schemas.fields(self._schemas.of_kind(content["schema"], "type", event_type)),
            _example(content),
            element("h4", "What to answer"),
            table(["Status", "What it means"], rows),
            id=name,
            class_="operation",
        )

    def _parameters(self, operation: Mapping) -> str:
        given = [self._component("parameters", one) for one in operation.get("parameters", [])]
        rows = [self._parameter(one) for one in given]
        if not rows:
            return ""
        return element("h4", "Parameters") + table(["Name", "In", "Type", "Description"], rows)

    def _parameter(self, parameter: Mapping) -> list[str]:
        schema = parameter["schema"]
        mark = element("b", " required", class_="required") if parameter.get("required") else ""
        return [
            element("code", escape(parameter["name"])) + mark,
            parameter["in"],
            self._schemas.type_of(schema),
            inline(parameter.get("description", "")) + self._schemas.limits(schema),
        ]

    def _request(self, operation: Mapping) -> str:
        if "requestBody" not in operation:
            return ""
        content = operation["requestBody"]["content"]["application/json"]
        needed = "" if operation["requestBody"].get("required") else " (may be left out)"
        return element("h4", f"Request body{needed}") + self._content(content)

    def _content(self, content: Mapping) -> str:
        return self._schemas.fields(content["schema"]) + _example(content)

    def _curl(self, path: str, method: str, operation: Mapping) -> str:
        words = [f"curl -X {method.upper()}", f'"$API{path}"']
        if operation.get("security") != []:
            words.append('-H "Authorization: Bearer $TOKEN"')
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        sent = _first_example(content)
        if sent is not None:
            words.append("-H 'Content-Type: application/json'")
            words.append(f"-d {shlex.quote(json.dumps(sent, ensure_ascii=False))}")
        command = " \\\n  ".join(words)
        inside = element("pre", element("code", escape(command)))
        return element("details", element("summary", "curl"), inside)

    def _successes(self, operation: Mapping) -> list[str]:
        return [
            self._success(status, self._response(response))
            for status, response in operation["responses"].items()
            if status < "400"
        ]

    def _success(self, status: str, response: Mapping) -> str:
        told = [element("h4", f"{status} {HTTPStatus(int(status)).phrase}")]
        rows = [
            [element("code", escape(name)), inline(self._header(header)["description"])]
            for name, header in response.get("headers", {}).items()
        ]
        told += [table(["Header", "Description"], rows)] if rows else []
        told += [
            element("p", escape(media_type), class_="note") + self._content(content)
            for media_type, content in response.get("content", {}).items()
        ]
        return "".join(told)

    def _problems(self, operation: Mapping) -> str:
        rows = [
            [status, prose(response["description"].partition("\n\n")[2]), self._names(response)]
            for status, response in self._failures(operation)
        ]
        link = element("a", "Problem", href="#schema-Problem")
        return element("h4", f"Errors ({link})") + table(["Status", "Codes", "Headers"], rows)

    def _failures(self, operation: Mapping) -> list[tuple[str, Mapping]]:
        return [
            (status, self._response(response))
            for status, response in sorted(operation["responses"].items())
            if status >= "400"
        ]

    def _names(self, response: Mapping) -> str:
        return "<br>".join(element("code", escape(name)) for name in response.get("headers", {}))

    def _response(self, response: Mapping) -> Mapping:
        return self._component("responses", response)

    def _header(self, header: Mapping) -> Mapping:
        return self._component("headers", header)

    def _component(self, kind: str, node: Mapping) -> Mapping:
        if "$ref" not in node:
            return node
        return self._document["components"][kind][node["$ref"].rpartition("/")[2]]


def badge(method: str) -> str:
    """The method, coloured."""
    return element("span", method.upper(), class_=f"method {method}")


def _first_example(content: Mapping) -> object:
    examples = content.get("examples", {})
    return next((one["value"] for one in examples.values()), content.get("example"))


def _example(content: Mapping) -> str:
    found = _first_example(content)
    if found is None:
        return ""
    return element("details", element("summary", "Example"), pretty(found), open="")
