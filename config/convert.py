"""Nodes to typed values: everything that is wrong is told at once, each with its place and what would be right."""

import difflib
import re
import types
from collections import abc
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec

from config import later, scalars, shapes
from config.errors import Position, Problems, quoted
from config.options import Options
from config.types import Unfit
from config.yaml import Mapping, Node, Scalar, Sequence

T = TypeVar("T")


_FAILED: Final[Any] = object()
_SHORT = 2  # characters that are in every sentence, and no secret


def convert(node: Node, type_: type[T], problems: Problems, path: str = "") -> T | None:
    """The value that `node` means, or None after noting in `problems` why there is none.

    `path` is the keys that lead to the node. Types: what Options allows for its fields, and nodes, which are kept.
    """
    value = _Reader(problems).read(node, type_, path)
    return None if value is _FAILED else value


def plain(node: Node) -> Any:
    """Nodes as Python's own values."""
    match node:
        case Scalar():
            return scalars.plain(node)
        case Sequence(items):
            return [plain(item) for item in items]
        case Mapping(items):
            return {key: plain(item) for key, item in items.items()}


def join(path: str, key: str) -> str:
    """The path of a key below `path`; a key that holds dots or spaces is quoted."""
    shown = key if key.replace("-", "").replace("_", "").isalnum() else quoted(key)
    return f"{path}.{shown}" if path else shown


def locate(node: Node, keys: str) -> Position:
    """Where the key stands that `keys` (`routes[0].to`) lead to, or as far as they lead."""
    place = node.position
    for key in re.findall(r"[^.\[\]]+", keys):
        if isinstance(node, Mapping) and key in node.items:
            place, node = node.keys.get(key, node.items[key].position), node.items[key]
        elif isinstance(node, Sequence) and key.isdigit() and int(key) < len(node.items):
            node = node.items[int(key)]
            place = node.position
        else:
            break
    return place


def closest(key: str, known: abc.Iterable[str]) -> str | None:
    """The name that was probably meant."""
    return next(iter(difflib.get_close_matches(key, list(known), n=1, cutoff=0.6)), None)


def suggestion(key: str, known: abc.Collection[str], beside: abc.Collection[str] = ()) -> str:
    """The closest name that exists, also of those `beside`; or all that are `known` when none is close."""
    meant = closest(key, (*known, *beside))
    if meant:
        return f"did you mean `{meant}`?"
    return f"known here: {', '.join(known)}" if known else "none is known here"


class _Reader:
    """One walk over a tree of nodes and the types it should have."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def read(self, node: Node, type_: Any, path: str) -> Any:
        """The value, or _FAILED."""
        if isinstance(node, Scalar) and node.kind == "unresolved":
            return _FAILED
        origin = get_origin(type_)
        if origin is Annotated:
            return self._annotated(node, type_, path)
        if origin in shapes.UNIONS:
            return self._union(node, get_args(type_), path)
        if origin in shapes.LISTS or type_ in shapes.LISTS:
            return self._list(node, type_, path)
        if origin in shapes.DICTS or type_ in shapes.DICTS:
            return self._dict(node, type_, path)
        if type_ in shapes.NODES and isinstance(node, type_):
            return node
        if type_ in {Any, object}:
            return plain(node)
        if shapes.is_struct(type_):
            return self._struct(node, type_, path)
        return self._scalar(node, type_, path)

    def _fail(self, path: str, text: str, position: Position) -> Any:
        self._problems.add(path, text, position)
        return _FAILED

    def _annotated(self, node: Node, type_: Any, path: str) -> Any:
        inner, *metas = get_args(type_)
        value = self.read(node, inner, path)
        if value is _FAILED:
            return value
        for meta in metas:
            if isinstance(meta, msgspec.Meta):
                try:
                    scalars.check(value, meta)
                except Unfit as unfit:
                    who = scalars.subject(node, inner) + " " if isinstance(node, Scalar) else ""
                    return self._fail(path, f"{who}{unfit}", node.position)
        return value

    def _scalar(self, node: Node, type_: Any, path: str) -> Any:
        separator = getattr(type_, "SEPARATOR", None)
        if separator and isinstance(node, Sequence) and all(isinstance(item, Scalar) for item in node.items):
            node = _joined(node, separator)
        choices = {str(choice): choice for choice in get_args(type_)} if get_origin(type_) is Literal else None
        if not isinstance(node, Scalar):
            kind = "a list" if isinstance(node, Sequence) else "a mapping"
            return self._fail(path, f"is {kind}; write {shapes.wanted(type_)}", node.position)
        try:
            return scalars.one_of(node, choices) if choices else scalars.read(node, type_)
        except Unfit as unfit:
            return self._fail(path, f"{scalars.subject(node, type_)} {unfit}", node.position)

    def _list(self, node: Node, type_: Any, path: str) -> Any:
        args = get_args(type_) or (Any, ...)
        if isinstance(node, Scalar) and node.kind == "null" and not node.origin:
            node = Sequence((), node.position)
        if not isinstance(node, Sequence):
            return self._fail(path, "is one value; write a list: [first, second]", node.position)
        if get_origin(type_) is tuple and args[-1] is not ...:
            if len(node.items) != len(args):
                text = f"has {len(node.items)} entries; write exactly {len(args)}"
                return self._fail(path, text, node.position)
            wants: abc.Iterable[Any] = args
        else:
            wants = [args[0]] * len(node.items)
        pairs = zip(node.items, wants, strict=True)
        values = [self.read(item, want, f"{path}[{n}]") for n, (item, want) in enumerate(pairs)]
        if any(value is _FAILED for value in values):
            return _FAILED
        return values if get_origin(type_) is list or type_ is list else tuple(values)

    def _dict(self, node: Node, type_: Any, path: str) -> Any:
        of_key, of_value = get_args(type_) or (str, Any)
        node = _filled(node)
        if not isinstance(node, Mapping):
            return self._fail(path, "stands where names belong; write `name: value` lines", node.position)
        found = {}
        for key, item in node.items.items():
            below = join(path, key)
            place = node.keys.get(key, item.position)
            name = self.read(Scalar(key, "str", place), of_key, below)
            found[key if name is _FAILED else name] = _FAILED if name is _FAILED else self.read(item, of_value, below)
        return _FAILED if any(value is _FAILED for value in found.values()) else found

    def _struct(self, node: Node, type_: type[msgspec.Struct], path: str) -> Any:
        known, rest = shapes.fields(type_)
        node = _filled(node)
        if not isinstance(node, Mapping):
            return self._fail(path, f"stands where keys belong; {suggestion('', known)}", node.position)
        values: dict[str, Any] = {}
        others = Mapping({}, node.position, {}, tuple(known))
        for key, item in node.items.items():
            below, place = join(path, key), node.keys.get(key, item.position)
            if key in known:
                values[known[key].name] = self.read(item, known[key].type, below)
            elif later.is_later_key(below):
                values[key] = self._fail(below, "is not in this version of Outrider; leave it out", place)
            elif rest:
                others.items[key], others.keys[key] = item, place
            else:
                values[key] = self._fail(below, f"unknown key; {suggestion(key, known, node.beside)}", place)
        told = any(later.is_later_key(join(path, key)) for key in node.items)  # it stands where the missing key would
        meant = {closest(key, known) for key in node.items if key not in known and not rest}
        for key, field in known.items():
            if field.required and key not in node.items and key not in meant and not told:
                values[field.name] = self._fail(
                    path, f"needs the key `{key}`: {shapes.wanted(field.type)}", node.position
                )
        if told or any(value is _FAILED for value in values.values()):
            return _FAILED
        return self._ruled(type_(**values, **({rest: others} if rest else {})), node, path)

    def _ruled(self, value: Any, node: Mapping, path: str) -> Any:
        """The value, if it passes its own rules over several keys."""
        hidden = None
        good = True
        for key, text in value.problems() if isinstance(value, Options) else ():
            hidden = _origins(node) if hidden is None else hidden
            shown = text
            for secret, name in hidden.items():
                shown = shown.replace(secret, name)
            below = f"{path}.{key}" if path and key else path or key
            self._problems.add(below, shown, locate(node, key))
            good = False
        return value if good else _FAILED

    def _union(self, node: Node, choices: tuple[Any, ...], path: str) -> Any:
        is_null = isinstance(node, Scalar) and node.kind == "null"
        if is_null and types.NoneType in choices:
            return None
        possible = [choice for choice in choices if choice is not types.NoneType]
        fitting = [choice for choice in possible if shapes.can_hold(choice, node)]
        if len(fitting) == 1 or len(possible) == 1:
            return self.read(node, (fitting or possible)[0], path)
        for choice in sorted(fitting, key=shapes.breadth):
            value = _Reader(Problems()).read(node, choice, path)
            if value is not _FAILED:
                return value
        structs = [choice for choice in fitting if shapes.is_struct(choice)]
        if structs and isinstance(node, Mapping):
            keys = node.items.keys()
            return self.read(node, max(structs, key=lambda struct: len(keys & shapes.fields(struct)[0].keys())), path)
        right = " or ".join(dict.fromkeys(shapes.wanted(choice) for choice in choices if choice is not types.NoneType))
        who = (
            scalars.subject(node, next((c for c in choices if c in fitting), None)) if isinstance(node, Scalar) else ""
        )
        return self._fail(path, f"{who} does not fit; write {right}".lstrip(), node.position)


def _filled(node: Node) -> Node:
    """A key with nothing below it (all lines commented out) is an empty mapping."""
    empty = isinstance(node, Scalar) and node.kind == "null" and not node.origin
    return Mapping({}, node.position) if empty else node


def _joined(node: Sequence, separator: str) -> Scalar:
    parts = [item for item in node.items if isinstance(item, Scalar)]
    origin = " ".join(part.origin for part in parts if part.origin)
    return Scalar(separator.join(part.text for part in parts), "str", node.position, origin)


def _origins(node: Node) -> dict[str, str]:
    """Every text below that came from a reference, and the reference."""
    if isinstance(node, Scalar):
        return {node.text: f"the value of {node.origin}"} if node.origin and len(node.text) > _SHORT else {}
    below = node.items.values() if isinstance(node, Mapping) else node.items
    return {text: origin for item in below for text, origin in _origins(item).items()}
