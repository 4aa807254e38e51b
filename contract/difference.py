"""`make openapi-diff`: what changed in the contract since the last release.

Ends with 1 where a client of that release would break and the version does not say so: a new major
one, or a new minor one while it is 0.x. `--release` keeps the document as that of a release.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contract.reading import parse, read_yaml
from contract.schema_difference import Change, Comparison
from contract.schemas import never_null
from contract.source import ROOT

Document = Mapping[str, Any]
RELEASES = ROOT / "docs" / "releases"


def changes(old: Document, new: Document) -> list[Change]:
    """Return all differences, the breaking ones first."""
    found = [*_operations(old, new), *_notices(old, new)]
    return sorted(set(found), key=lambda one: (not one.breaking, one))


def may_break(old: str, new: str) -> bool:
    """Say whether a version announces a break: the first number that counts is a new one."""
    before, after = version_of(old), version_of(new)
    counts = 1 if before[0] else 2
    return after[:counts] > before[:counts]


def version_of(text: str) -> tuple[int, ...]:
    """Return a version as numbers, to compare."""
    return tuple(int(part) for part in text.split("."))


def last_release(folder: Path = RELEASES) -> Path | None:
    """Return the document of the newest release, None before the first."""
    kept = folder.glob("openapi-*.yaml")
    return max(kept, key=lambda path: version_of(path.stem.removeprefix("openapi-")), default=None)


def _operations(old: Document, new: Document) -> Iterator[Change]:
    before, after = _by_route(old), _by_route(new)
    for route in before.keys() - after.keys():
        yield Change(route, "is gone", True)
    for route in after.keys() - before.keys():
        yield Change(route, "is new", False)
    for route in before.keys() & after.keys():
        yield from _operation(route, old, new, before[route], after[route])


def _notices(old: Document, new: Document) -> Iterator[Change]:
    """Compare what receivers of webhooks are sent: to them it is an answer."""
    before, after = old.get("webhooks", {}), new.get("webhooks", {})
    for event_type in before.keys() - after.keys():
        yield Change(event_type, "is gone", True)
    for event_type in after.keys() - before.keys():
        yield Change(event_type, "is new", False)
    for event_type in before.keys() & after.keys():
        told = [_told_of(event_type, document) for document in (old, new)]
        yield from Comparison(old, new, sent=False).changes(event_type, *told)


def _told_of(event_type: str, document: Document) -> Document:
    schemas = document["components"]["schemas"]
    name = schemas["Notice"]["discriminator"]["mapping"][event_type].rpartition("/")[2]
    found: Document = schemas[name]["properties"]["data"]
    return found


def _by_route(document: Document) -> dict[str, Document]:
    return {
        f"{method.upper()} {path}": operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def _operation(
    route: str, old: Document, new: Document, before: Document, after: Document
) -> Iterator[Change]:
    if before["operationId"] != after["operationId"]:
        yield Change(route, f"is called {after['operationId']}", True)
    if before.get("security") == [] and after.get("security") != []:
        yield Change(route, "needs a token", True)
    yield from _parameters(route, old, new, before, after)
    yield from _request(route, old, new, before, after)
    yield from _responses(route, old, new, before, after)


def _parameters(
    route: str, old: Document, new: Document, before: Document, after: Document
) -> Iterator[Change]:
    known, now = _by_name(before), _by_name(after)
    for name in known.keys() - now.keys():
        yield Change(f"{route} {name}", "is gone", True)
    for name in now.keys() - known.keys():
        yield Change(f"{route} {name}", "is new", bool(now[name].get("required")))
    for name in known.keys() & now.keys():
        if now[name].get("required") and not known[name].get("required"):
            yield Change(f"{route} {name}", "is required", True)
        compared = Comparison(old, new, sent=True)
        forms = [never_null(one[name]["schema"]) for one in (known, now)]
        yield from compared.changes(f"{route} {name}", *forms)


def _by_name(operation: Document) -> dict[str, Document]:
    return {f"{one['in']}:{one['name'].lower()}": one for one in operation.get("parameters", [])}


def _request(
    route: str, old: Document, new: Document, before: Document, after: Document
) -> Iterator[Change]:
    body, now = before.get("requestBody"), after.get("requestBody")
    if body is None or now is None:
        if body is not now:
            told = "is gone" if now is None else "is new"
            yield Change(f"{route} body", told, now is None or bool(now.get("required")))
        return
    if now.get("required") and not body.get("required"):
        yield Change(f"{route} body", "is required", True)
    yield from _contents(f"{route} body", Comparison(old, new, sent=True), body, now)


def _responses(
    route: str, old: Document, new: Document, before: Document, after: Document
) -> Iterator[Change]:
    known, now = before["responses"], after["responses"]
    for status in known.keys() - now.keys():
        yield Change(f"{route} {status}", "is answered no longer", status < "400")
    for status in now.keys() - known.keys():
        yield Change(f"{route} {status}", "is answered", status < "400")
    for status in known.keys() & now.keys():
        where = f"{route} {status}"
        responses = _response(old, known[status]), _response(new, now[status])
        headers = [set(one.get("headers", {})) for one in responses]
        for name in headers[0] - headers[1]:
            yield Change(f"{where} {name}", "is gone", True)
        for name in headers[1] - headers[0]:
            yield Change(f"{where} {name}", "is new", False)
        codes = [set(one.get("x-problem-codes", [])) for one in responses]
        for code in codes[0] ^ codes[1]:
            told = "answers" if code in codes[1] else "answers no longer"
            yield Change(where, f"{told} {code}", False)
        yield from _contents(where, Comparison(old, new, sent=False), *responses)


def _response(document: Document, response: Document) -> Document:
    name = response.get("$ref", "").rpartition("/")[2]
    found: Document = document["components"]["responses"][name] if name else response
    return found


def _contents(
    where: str, compared: Comparison, before: Document, after: Document
) -> Iterator[Change]:
    known, now = before.get("content", {}), after.get("content", {})
    for kind in known.keys() - now.keys():
        yield Change(where, f"is {kind} no longer", True)
    for kind in known.keys() & now.keys():
        yield from compared.changes(where, known[kind]["schema"], now[kind]["schema"])


def main() -> None:
    """Print what changed, and end with 1 where it breaks a client unannounced."""
    parser = argparse.ArgumentParser(prog="contract.difference", description=__doc__)
    parser.add_argument("--against", type=Path, help="a document; else that of the last release")
    parser.add_argument("--release", action="store_true", help="keep the document as a release's")
    arguments = parser.parse_args()
    text = (ROOT / "openapi.yaml").read_text(encoding="utf-8")
    new = parse(text)
    against = arguments.against or last_release()
    told = _told(against, new) if against else "No release is kept in docs/releases/ yet."
    print(told)
    if told.endswith(_UNANNOUNCED):
        sys.exit(1)
    if arguments.release:
        RELEASES.mkdir(exist_ok=True)
        (RELEASES / f"openapi-{new['info']['version']}.yaml").write_text(text, encoding="utf-8")


_UNANNOUNCED = (
    "Clients break, and the version does not say so: raise VERSION in contract/document.py to a "
    "new major one, or a new minor one while it is 0.x."
)


def _told(path: Path, new: Document) -> str:
    old = read_yaml(path)
    versions = old["info"]["version"], new["info"]["version"]
    found = changes(old, new)
    lines = [f"{path.name} {versions[0]} -> openapi.yaml {versions[1]}: {len(found)} changes"]
    lines += [f"{'BREAKS' if one.breaking else '      '} {one.where} {one.what}" for one in found]
    if any(one.breaking for one in found) and not may_break(*versions):
        lines.append(_UNANNOUNCED)
    return "\n".join(lines)


if __name__ == "__main__":
    main()
