"""How the page tells a schema: its type and limits in words, its fields as a table."""

import json
from collections.abc import Mapping
from html import escape

from reference.markup import element, inline, pretty, prose, table

_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "over {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "under {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
}
_MOST_INLINE = 40  # fields; what has more is linked to


class Schemas:
    """The schemas of a document by name."""

    def __init__(self, schemas: Mapping[str, Mapping]) -> None:
        self._schemas = schemas

    def section(self) -> str:
        """All of them, each under its name."""
        return element("section", element("h2", "Schemas"), *map(self._article, self._schemas))

    def fields(self, schema: Mapping, depth: int = 1) -> str:
        """The fields of a schema; those of the objects in it are folded in, so many levels deep."""
        name, target = self._resolved(schema)
        if len(target.get("properties", {})) > _MOST_INLINE and depth < 2:
            return element("p", self.type_of(schema), class_="type")
        if "properties" not in target:
            told = self.type_of(schema) if name == "" else self._article_link(name)
            return element("p", told, self.limits(target), class_="type")
        required = set(target.get("required", []))
        rows = [
            self._row(field, inner, required, depth)
            for field, inner in target["properties"].items()
        ]
        return table(["Field", "Type", "Description"], rows)

    def of_kind(self, schema: Mapping, field: str, kind: str) -> Mapping:
        """The one of a union's schemas that has this kind, where the schema narrows a union."""
        for part in schema.get("allOf", [schema]):
            _, target = self._resolved(part)
            discriminator = target.get("discriminator", {})
            if discriminator.get("propertyName") == field:
                return {"$ref": discriminator["mapping"][kind]}
        return schema

    def type_of(self, schema: Mapping) -> str:
        """The type in words; a name leads to its schema."""
        if "$ref" in schema:
            return self._article_link(_name(schema["$ref"]))
        for key in ("anyOf", "oneOf", "allOf"):
            if key in schema:
                return " or ".join(dict.fromkeys(self.type_of(one) for one in schema[key]))
        if "const" in schema:
            return element("code", escape(str(schema["const"])))
        if "enum" in schema:
            return " | ".join(element("code", escape(str(one))) for one in schema["enum"])
        kind = schema.get("type", "any")
        if kind == "array":
            return f"array of {self.type_of(schema.get('items', {}))}"
        if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
            return f"map of {self.type_of(schema['additionalProperties'])}"
        kinds = kind if isinstance(kind, list) else [kind]
        return escape(" or ".join(kinds) + (f", {schema['format']}" if "format" in schema else ""))

    def _article(self, name: str) -> str:
        schema = self._schemas[name]
        return element(
            "article",
            element("h3", element("a", escape(name), href=f"#schema-{name}")),
            prose(schema.get("description", "")),
            self.fields(schema, depth=2),
            *map(pretty, schema.get("examples", [])[:1]),
            id=f"schema-{name}",
            class_="schema",
        )

    def _row(self, field: str, schema: Mapping, required: set[str], depth: int) -> list[str]:
        mark = element("b", " required", class_="required") if field in required else ""
        return [
            element("code", escape(field)) + mark,
            self.type_of(schema),
            inline(" ".join(schema.get("description", "").split()))
            + self.limits(schema)
            + self._folded(schema, depth),
        ]

    def limits(self, schema: Mapping) -> str:
        """Least and most, pattern and default in words."""
        forms = [schema, *schema.get("anyOf", [])]
        told = [
            text.format(_short(form[key]))
            for form in forms
            for key, text in _LIMITS.items()
            if key in form
        ]
        default = schema.get("default")
        if default not in (None, "", [], {}):
            told.append(f"default {json.dumps(default)}")
        return element("small", escape("; ".join(dict.fromkeys(told)))) if told else ""

    def _folded(self, schema: Mapping, depth: int) -> str:
        name = _only_reference(schema)
        if depth > 1 or not name or not self._schemas[name].get("properties"):
            return ""
        if len(self._schemas[name]["properties"]) > _MOST_INLINE:
            return ""
        inside = self.fields(self._schemas[name], depth + 1)
        return element("details", element("summary", f"Fields of {escape(name)}"), inside)

    def _resolved(self, schema: Mapping) -> tuple[str, Mapping]:
        name = _name(schema["$ref"]) if "$ref" in schema else ""
        return name, self._schemas[name] if name else schema

    def _article_link(self, name: str) -> str:
        return element("a", escape(name), href=f"#schema-{name}")


def _short(limit: object) -> object:
    """A limit as people write it: 5 for 5.0."""
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def _only_reference(schema: Mapping) -> str:
    """The name of the one object that a field holds, alone, in a list or beside null."""
    if "$ref" in schema:
        return _name(schema["$ref"])
    inner = [schema[key] for key in ("items", "additionalProperties") if key in schema]
    inner += schema.get("anyOf", [])
    found = {_only_reference(one) for one in inner if isinstance(one, Mapping)} - {""}
    return found.pop() if len(found) == 1 else ""


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]
