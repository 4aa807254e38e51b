"""Finding the route for a path, as API Gateway does: what is more exact is tried first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from local.api_body import ANY, Route


@dataclass(frozen=True)
class Match:
    """A route and the path parameters, decoded, or None when the path takes none."""

    route: Route
    parameters: Mapping[str, str] | None


@dataclass
class _Node:
    """One segment of the resource tree."""

    static: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    greedy: "_Node | None" = None
    name: str = ""
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """The resource tree: a static segment beats a parameter, which beats `{proxy+}`."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def match(self, method: str, path: str) -> Match | None:
        """The route for a method and an undecoded path, or None when API Gateway knows none."""
        segments = [segment for segment in path.split("/") if segment]
        found = _find(self._root, segments, {})
        if found is None:
            return None
        node, parameters = found
        route = node.routes.get(method) or node.routes.get(ANY)
        return Match(route, parameters or None) if route else None

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.path.split("/"):
            if segment:
                node = _child(node, segment)
        node.routes[route.method] = route


def _child(node: _Node, segment: str) -> _Node:
    if not segment.startswith("{"):
        return node.static.setdefault(segment, _Node())
    name = segment.strip("{}")
    if name.endswith("+"):
        node.greedy = node.greedy or _Node(name=name[:-1])
        return node.greedy
    node.parameter = node.parameter or _Node(name=name)
    return node.parameter


def _find(
    node: _Node, segments: list[str], parameters: dict[str, str]
) -> tuple[_Node, dict[str, str]] | None:
    if not segments:
        return (node, parameters) if node.routes else None
    head, rest = segments[0], segments[1:]
    if head in node.static and (found := _find(node.static[head], rest, parameters)):
        return found
    if node.parameter:
        taken = {**parameters, node.parameter.name: unquote(head)}
        if found := _find(node.parameter, rest, taken):
            return found
    if node.greedy:
        return node.greedy, {**parameters, node.greedy.name: unquote("/".join(segments))}
    return None
