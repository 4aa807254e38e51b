"""What changed between two schemas, and whether a client that knows the old one breaks.

What a client sends may only grow wider, what it is answered only narrower or with fields besides.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]

_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


@dataclass(frozen=True, order=True)
class Change:
    """One difference: where it is, in words, and whether it breaks a client."""

    where: str
    what: str
    breaking: bool


@dataclass
class Comparison:
    """Compares the schemas of two documents; `sent` says that a client sends them."""

    old: Mapping[str, Any]
    new: Mapping[str, Any]
    sent: bool
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def changes(self, where: str, old: Schema, new: Schema) -> Iterator[Change]:
        """Yield the differences between two schemas, those of the ones they hold included."""
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair):
            if pair in self._seen:
                return
            self._seen.add(pair)
        old, new = _resolved(self.old, old), _resolved(self.new, new)
        if _is_union(old) or _is_union(new):
            yield from self._union(where, old, new)
            return
        yield from self._values(where, old, new)
        yield from self._limits(where, old, new)
        yield from self._fields(where, old, new)
        for key in ("items", "additionalProperties"):
            if isinstance(old.get(key), Mapping) and isinstance(new.get(key), Mapping):
                yield from self.changes(f"{where}[]", old[key], new[key])

    def _union(self, where: str, old: Schema, new: Schema) -> Iterator[Change]:
        before, after = _members(old), _members(new)
        gone, come = before.keys() - after.keys(), after.keys() - before.keys()
        if len(gone) == len(come) == 1:  # another name, or another form of it
            yield from self.changes(where, before[gone.pop()], after[come.pop()])
        for key in gone:
            yield Change(where, f"is {key} no longer", self.sent)
        for key in come:
            yield Change(where, f"may be {key}", not self.sent)
        for key in before.keys() & after.keys():
            yield from self.changes(where, before[key], after[key])

    def _values(self, where: str, old: Schema, new: Schema) -> Iterator[Change]:
        if _kind(old) != _kind(new):
            yield Change(where, f"was {_kind(old)} and is {_kind(new)}", True)
        before, after = _enumerated(old), _enumerated(new)
        if before is None or after is None:
            if (before is None) != (after is None):
                narrower = after is not None
                told = "only certain values" if narrower else "any value"
                yield Change(where, f"takes {told}", narrower == self.sent)
            return
        for value in sorted(before - after):
            yield Change(where, f"has the value {value} no longer", self.sent)
        for value in sorted(after - before):
            yield Change(where, f"has a new value, {value}", not self.sent)

    def _limits(self, where: str, old: Schema, new: Schema) -> Iterator[Change]:
        for key in (*_LEAST, *_MOST, "pattern", "format"):
            before, after = old.get(key), new.get(key)
            if before != after:
                narrower = _is_narrower(key, before, after)
                breaking = narrower is None or (narrower == self.sent and self.sent)
                yield Change(where, f"{key} was {before} and is {after}", breaking)

    def _fields(self, where: str, old: Schema, new: Schema) -> Iterator[Change]:
        before, after = old.get("properties", {}), new.get("properties", {})
        required, now_required = set(old.get("required", [])), set(new.get("required", []))
        for name in sorted(before.keys() - after.keys()):
            refused = new.get("additionalProperties") is False
            yield Change(f"{where}.{name}", "is gone", refused or not self.sent)
        for name in sorted(after.keys() - before.keys()):
            must = name in now_required and self.sent
            yield Change(f"{where}.{name}", "is new" + (" and required" if must else ""), must)
        for name in sorted(before.keys() & after.keys()):
            inner = f"{where}.{name}"
            if (name in required) != (name in now_required):
                must = name in now_required
                yield Change(inner, "is required" if must else "may be absent", must == self.sent)
            yield from self.changes(inner, before[name], after[name])


def _resolved(document: Mapping[str, Any], schema: Schema) -> Schema:
    while "$ref" in schema:
        target: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        schema = target
    return schema


def _is_union(schema: Schema) -> bool:
    return "anyOf" in schema or "oneOf" in schema or isinstance(schema.get("type"), list)


def _members(schema: Schema) -> dict[str, Schema]:
    forms = schema.get("anyOf") or schema.get("oneOf")
    if forms is None and isinstance(schema.get("type"), list):
        forms = [{**schema, "type": one} for one in schema["type"]]
    found: dict[str, Schema] = {}
    for form in forms or [schema]:
        nested = _members(form) if "anyOf" in form or "oneOf" in form else {_key(form): form}
        found |= nested
    return found


def _key(schema: Schema) -> str:
    return str(schema.get("$ref", "").rpartition("/")[2] or _kind(schema))


def _kind(schema: Schema) -> str:
    value = schema.get("type")
    return "any" if value is None else str(value)


def _enumerated(schema: Schema) -> set[str] | None:
    if "const" in schema:
        return {str(schema["const"])}
    return {str(one) for one in schema["enum"]} if "enum" in schema else None


def _is_narrower(key: str, before: Any, after: Any) -> bool | None:
    """Say whether a limit became narrower; None: that can't be known."""
    if key not in (*_LEAST, *_MOST) and before is not None and after is not None:
        return None
    if before is None or after is None:
        return before is None
    return bool(after > before) if key in _LEAST else bool(after < before)
