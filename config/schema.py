"""JSON Schema (2020-12) of the file, for editors and for Helm's values."""

import enum
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from config import shapes
from config.kinds import Kinds
from config.options import Options

_PLAIN: Mapping[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string", types.NoneType: "null"}
_KEYWORDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "pattern": "pattern",
    "description": "description",
}
_LENGTHS = {"string": "Length", "array": "Items", "object": "Properties"}
Fields = Mapping[str, msgspec.structs.FieldInfo]
_REFERENCE = {"$ref": "#/$defs/reference"}


def json_schema(type_: type[msgspec.Struct], kinds: Kinds | None = None) -> dict[str, Any]:
    """The schema of a file of this type. An entry whose kinds are not given takes any further key."""
    maker = _Schema(kinds or Kinds())
    root = maker.of(type_)
    reference = {
        "description": "a reference to the environment or to a file",
        "type": "string",
        "pattern": "\\$\\{[^{}]+\\}",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "$defs": {"reference": reference, **maker.definitions},
    }


class _Schema:
    """Schemas of types; structs are defined once and referred to."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self.definitions: dict[str, Any] = {}

    def of(self, type_: Any) -> dict[str, Any]:
        """The schema of one type."""
        origin, args = get_origin(type_), get_args(type_)
        if origin is Annotated:
            return self._annotated(args[0], args[1:])
        if origin in shapes.UNIONS:
            return {"anyOf": [self.of(arg) for arg in args]}
        if origin is Literal:
            return _open({"enum": list(args)})
        if origin in shapes.LISTS or type_ in shapes.LISTS:
            return self._list(type_, args)
        if origin in shapes.DICTS or type_ in shapes.DICTS:
            return self._dict(args)
        if shapes.is_struct(type_):
            return self._defined(type_)
        if shapes.is_word(type_):
            return _open(type_.json_schema())
        if isinstance(type_, type) and issubclass(type_, enum.Enum):
            return _open({"enum": [member.value for member in type_]})
        name = _PLAIN.get(type_)
        if name is None:
            return {}
        return {"type": name} if name in {"string", "null"} else _open({"type": name})

    def _annotated(self, inner: Any, metas: tuple[Any, ...]) -> dict[str, Any]:
        schema = dict(self.of(inner))
        is_word = shapes.is_word(inner)
        limited = schema["anyOf"][0] if "anyOf" in schema and not is_word else schema
        for meta in metas:
            if not isinstance(meta, msgspec.Meta):
                continue
            # The limits of a Word are in base units, and its texts are not.
            names = ("description",) if is_word else tuple(_KEYWORDS)
            limited.update({_KEYWORDS[name]: getattr(meta, name) for name in names if getattr(meta, name) is not None})
            counted = _LENGTHS.get(limited.get("type", ""))
            if counted and meta.min_length is not None:
                limited[f"min{counted}"] = meta.min_length
            if counted and meta.max_length is not None:
                limited[f"max{counted}"] = meta.max_length
        return _open(schema) if "pattern" in schema else schema

    def _list(self, type_: Any, args: tuple[Any, ...]) -> dict[str, Any]:
        if not args:
            return {"type": "array"}
        if (get_origin(type_) or type_) is tuple and args[-1] is not ...:
            return {
                "type": "array",
                "prefixItems": [self.of(arg) for arg in args],
                "minItems": len(args),
                "maxItems": len(args),
            }
        return {"type": "array", "items": self.of(args[0])}

    def _dict(self, args: tuple[Any, ...]) -> dict[str, Any]:
        if not args:
            return {"type": "object"}
        return {"type": "object", "propertyNames": self.of(args[0]), "additionalProperties": self.of(args[1])}

    def _defined(self, type_: type[msgspec.Struct]) -> dict[str, Any]:
        name = f"{type_.__module__}.{type_.__qualname__}"
        if name not in self.definitions:
            self.definitions[name] = {}  # a type that holds itself refers to it
            self.definitions[name] = self._struct(type_)
        return {"$ref": f"#/$defs/{name}"}

    def _struct(self, type_: type[msgspec.Struct]) -> dict[str, Any]:
        known, rest = shapes.fields(type_)
        schema: dict[str, Any] = {
            "type": "object",
            "description": (type_.__doc__ or "").partition("\n")[0],
            "properties": {key: self.of(found.type) for key, found in known.items()},
            "required": [key for key, found in known.items() if found.required],
        }
        kinds = self._kinds.of(type_) if rest else {}
        if not rest:
            schema["additionalProperties"] = False
        elif kinds:
            schema["allOf"] = [self._kind(name, options, known) for name, options in kinds.items()]
        return schema

    def _kind(self, name: str, options: type[Options], common: Fields) -> dict[str, Any]:
        """What the keys of one kind must be, where an entry is of that kind."""
        known, _ = shapes.fields(options)
        is_kind: dict[str, Any] = {"properties": {"type": {"const": name}}}
        if common["type"].required or common["type"].default != name:
            is_kind["required"] = ["type"]
        return {
            "if": is_kind,
            "then": {
                "propertyNames": {"enum": [*common, *known]},
                "properties": {key: self.of(found.type) for key, found in known.items()},
                "required": [key for key, found in known.items() if found.required],
            },
        }


def _open(schema: Mapping[str, object]) -> dict[str, Any]:
    """The schema, or a reference that will be resolved to it."""
    return {"anyOf": [dict(schema), _REFERENCE]}
