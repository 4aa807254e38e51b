"""The whole page, and the headers under which it and the document are sent."""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from pathlib import Path

from reference.markup import element, inline, prose, table
from reference.operations import Operations, badge
from reference.schemas import Schemas

_HERE = Path(__file__).parent
_STYLE = (_HERE / "style.css").read_text(encoding="utf-8")
_SCRIPT = (_HERE / "script.js").read_text(encoding="utf-8")


def page(document: Mapping) -> str:
    """The document as one HTML page."""
    info = document["info"]
    head = element(
        "head",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        element("title", f"{escape(info['title'])} {escape(info['version'])}"),
        element("style", _STYLE),
    )
    body = element("body", _navigation(document), _main(document), element("script", _SCRIPT))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def content_security_policy() -> str:
    """Only the style and the script that stand in the page, and nothing from anywhere."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_digest(_STYLE)}'",
            f"script-src '{_digest(_SCRIPT)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _navigation(document: Mapping) -> str:
    groups = [
        element("h2", escape(tag["name"]))
        + element("ul", *(_link(*one) for one in _of_tag(document, tag["name"])))
        for tag in document["tags"]
    ]
    schemas = "".join(
        element("li", element("a", escape(name), href=f"#schema-{name}"))
        for name in document["components"]["schemas"]
    )
    folded = element("details", element("summary", "Schemas"), element("ul", schemas))
    search = '<input type="search" placeholder="Filter (press /)" aria-label="Filter operations">'
    title = element("a", escape(document["info"]["title"]), href="#top", class_="home")
    return element("nav", title, search, *groups, folded, aria_label="Operations")


def _link(path: str, method: str, operation: Mapping) -> str:
    told = badge(method) + element("span", inline(operation["summary"]))
    return element("li", element("a", told, href=f"#{operation['operationId']}", title=path))


def _main(document: Mapping) -> str:
    schemas = Schemas(document["components"]["schemas"])
    operations = Operations(document, schemas)
    sections = [
        element(
            "section",
            element("h2", escape(tag["name"])),
            prose(tag["description"]),
            *(_article(document, operations, *one) for one in _of_tag(document, tag["name"])),
            id=f"tag-{tag['name']}",
        )
        for tag in document["tags"]
    ]
    return element("main", _introduction(document), *sections, schemas.section(), id="top")


def _article(
    document: Mapping, operations: Operations, path: str, method: str, operation: Mapping
) -> str:
    if path in document.get("webhooks", {}):
        return operations.notice(path, operation)
    return operations.article(path, method, operation)


def _introduction(document: Mapping) -> str:
    info = document["info"]
    servers = [
        [element("code", escape(server["url"])), inline(_server(server))]
        for server in document["servers"]
    ]
    bearer = document["components"]["securitySchemes"]["bearer"]
    download = element("a", "openapi.json", href="openapi.json")
    return element(
        "header",
        element("h1", f"{escape(info['title'])} {element('small', escape(info['version']))}"),
        prose(info["description"]),
        element("p", f"The document that this page is made of: {download}."),
        element("h2", "Servers"),
        table(["URL", "What it is"], servers),
        element("h2", "Authorization"),
        prose(bearer["description"]),
    )


def _server(server: Mapping) -> str:
    variables = [
        f"`{name}`: {variable['description']}"
        for name, variable in server.get("variables", {}).items()
    ]
    return " ".join([server["description"], *variables])


def _of_tag(document: Mapping, tag: str) -> list[tuple[str, str, Mapping]]:
    everything = {**document["paths"], **document.get("webhooks", {})}
    return [
        (path, method, operation)
        for path, operations in everything.items()
        for method, operation in operations.items()
        if operation["tags"][0] == tag
    ]
