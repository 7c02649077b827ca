"""JSON Schemas of tools in the form that servers turn into a grammar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["bounded_schema"]

MAX_DEPTH = 12
MAX_ITEMS = 6
MAX_CHARS = 120
MAX_ENUM = 200
_KEPT = ("type", "enum", "const", "description", "required", "minItems", "minLength")
_RANGES = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def bounded_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without references, and with an end to every list and text.

    A grammar writes out every repetition, so that long bounds make it larger than servers take (llama.cpp,
    ``grammars/README.md``). What is left out here is checked when the tool is called.

    Args:
        schema: of an object, as pydantic writes it.
    """
    definitions = schema.get("$defs")
    return _Bounding(definitions if isinstance(definitions, Mapping) else {}).of(schema, 0)


class _Bounding:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    def of(self, schema: Any, depth: int) -> dict[str, Any]:
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
            return {}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            named = self.of(self._definitions.get(reference.rpartition("/")[2]), depth + 1)
            return named | ({"description": schema["description"]} if "description" in schema else {})
        found: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
        if "enum" in found:
            found["enum"] = list(found["enum"])[:MAX_ENUM]
        if schema.get("type") == "integer":
            found |= {key: schema[key] for key in _RANGES if key in schema}
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list | tuple):
                found["anyOf"] = [self.of(one, depth + 1) for one in schema[key]]
        if schema.get("type") == "object" or "properties" in schema:
            parts = schema.get("properties") or {}
            found["properties"] = {name: self.of(part, depth + 1) for name, part in parts.items()}
            found["additionalProperties"] = False
        elif schema.get("type") == "array":
            found["items"] = self.of(schema.get("items"), depth + 1) or {"type": "string", "maxLength": MAX_CHARS}
            found["maxItems"] = min(schema.get("maxItems", MAX_ITEMS), MAX_ITEMS)
        elif schema.get("type") == "string" and "enum" not in found and "const" not in found:
            found["maxLength"] = min(schema.get("maxLength", MAX_CHARS), MAX_CHARS)
        return found
