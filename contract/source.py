"""The sources of the functions as a graph: which function speaks of which other.

Every mention counts as a call, so that a function that is handed on is followed too. A method is
followed by its name, where the module knows its class. So the graph may hold a way that no request
takes.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
_PACKAGE = "lambdas"
_NOT_FOLLOWED = {"asset_worker", "training_status", "openapi"}  # they answer no requests
# What stands around all routes alike.
_BORDERS = {"lambdas.core.http.resolver", "lambdas.core.http.handler_of"}


@dataclass(frozen=True)
class Definition:
    """A function, method, class or constant: its syntax and what its module calls things."""

    name: str
    node: ast.stmt
    names: Mapping[str, str]
    methods: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """All definitions by dotted name, and methods by their last name."""

    definitions: Mapping[str, Definition]
    methods: Mapping[str, tuple[str, ...]]

    def reached(self, start: str) -> Iterator[Definition]:
        """Yield all that can be reached from a function, itself first."""
        seen, ahead = {start}, [start]
        while ahead:
            definition = self.definitions[ahead.pop()]
            yield definition
            found = self.mentioned(definition) - seen
            seen |= found
            ahead += sorted(found)

    def mentioned(self, definition: Definition) -> set[str]:
        """Return the names of the definitions that one speaks of."""
        found: set[str] = set()
        for node in _own_nodes(definition.node):
            named = dotted(node, definition.names)
            if named is not None and named in self.definitions:
                found.add(named)
            elif isinstance(node, ast.Attribute):
                found.update(self._methods(node.attr, definition))
        return found - _BORDERS

    def _methods(self, name: str, definition: Definition) -> list[str]:
        known = set(definition.names.values())
        return [one for one in self.methods.get(name, ()) if one.rpartition(".")[0] in known]


def dotted(node: ast.AST, names: Mapping[str, str]) -> str | None:
    """Return the full name of what an expression names, None where it names nothing."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value, names)
        return None if owner is None else f"{owner}.{node.attr}"
    return None


@cache
def read() -> Source:
    """Read the sources of all functions that answer requests."""
    definitions: dict[str, Definition] = {}
    for path in sorted((ROOT / _PACKAGE).rglob("*.py")):
        if not _NOT_FOLLOWED & {*path.parts, path.stem}:
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            definitions |= {one.name: one for one in _definitions(module, path)}
    methods: dict[str, tuple[str, ...]] = {}
    for definition in definitions.values():
        for name in definition.methods:
            last = name.rpartition(".")[2]
            methods[last] = (*methods.get(last, ()), name)
    return Source(definitions, methods)


def _definitions(module: str, path: Path) -> Iterator[Definition]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = {name: f"{module}.{name}" for node in tree.body for name in _bound(node)}
    names = own | _imported(tree)
    for node in tree.body:
        for name in _bound(node):
            inner = list(_methods(node, own[name]))
            called = tuple(one for one, _ in inner)
            yield Definition(own[name], node, names, called)
            yield from (Definition(one, method, names) for one, method in inner)


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [one.id for one in targets if isinstance(one, ast.Name)]
    return []


def _methods(node: ast.stmt, owner: str) -> Iterator[tuple[str, ast.stmt]]:
    if isinstance(node, ast.ClassDef):
        for one in node.body:
            if isinstance(one, ast.FunctionDef):
                yield f"{owner}.{one.name}", one


def _imported(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return found


def _own_nodes(node: ast.stmt) -> Iterator[ast.AST]:
    """Yield what belongs to a definition; of a class, what runs when one is made."""
    if isinstance(node, ast.FunctionDef):
        # Without decorators: a route's name the resolver, which answers for all.
        for part in (node.args, *node.body):
            yield from ast.walk(part)
        return
    if not isinstance(node, ast.ClassDef):
        yield from ast.walk(node)
        return
    for one in node.body:
        if not isinstance(one, ast.FunctionDef) or one.name in ("__init__", "__post_init__"):
            yield from ast.walk(one)
