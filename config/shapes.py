"""What the types of options look like: their keys, which nodes they can hold, and how errors call them."""

import enum
import types
from collections import abc
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from config.types import Word
from config.yaml import Mapping, Node, Scalar, Sequence


class _Rest(enum.Enum):
    REST = enum.auto()


#: A field of this type takes the keys that the struct does not know, for somebody else to read.
Rest: TypeAlias = Annotated[Mapping, _Rest.REST]

NODES = (Scalar, Sequence, Mapping)
LISTS = (list, tuple, abc.Sequence)
DICTS = (dict, abc.Mapping)
UNIONS = (Union, types.UnionType)

_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
#: What takes few texts is tried before what takes all of them.
_BREADTH = {bool: 0, int: 1, float: 2, str: 9}


@cache
def fields(type_: type[msgspec.Struct]) -> tuple[dict[str, msgspec.structs.FieldInfo], str | None]:
    """A struct's fields by the key a person writes, and the name of the field that takes the rest."""
    known = {field.encode_name: field for field in msgspec.structs.fields(type_)}
    rest = next((key for key, field in known.items() if _Rest.REST in get_args(field.type)), None)
    if rest:
        known.pop(rest)
    return known, rest


def is_struct(type_: Any) -> bool:
    """Whether the type is a group of keys."""
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)


def is_word(type_: Any) -> bool:
    """Whether the type reads itself from a text."""
    return isinstance(type_, type) and issubclass(type_, Word)


def bare(type_: Any) -> Any:
    """A type without its annotations."""
    return get_args(type_)[0] if get_origin(type_) is Annotated else type_


def described(type_: Any) -> str:
    """The description in a type's annotations, "" where there is none."""
    metas = get_args(type_)[1:] if get_origin(type_) is Annotated else ()
    return next((meta.description for meta in metas if isinstance(meta, msgspec.Meta) and meta.description), "")


def wanted(type_: Any) -> str:
    """What would be right for a type: the words after "write" in an error."""
    origin, args = get_origin(type_), get_args(type_)
    if origin is Annotated:
        return described(type_) or wanted(args[0])
    if origin is Literal:
        return choice_words(args)
    if origin in UNIONS:
        return " or ".join(dict.fromkeys(wanted(arg) for arg in args if arg is not types.NoneType))
    if origin in LISTS or type_ in LISTS:
        return "a list"
    if origin in DICTS or type_ in DICTS:
        return "names and values"
    if is_word(type_):
        return str(type_.json_schema().get("description", f"a {type_.__name__}"))
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return choice_words([member.value for member in type_])
    return "keys and values" if is_struct(type_) else _NAMES.get(type_, "another value")


def choice_words(choices: abc.Iterable[object]) -> str:
    """A closed set in words."""
    words = [str(choice) for choice in choices]
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def can_hold(type_: Any, node: Node) -> bool:
    """Whether a node of this shape could be of this type at all."""
    type_ = bare(type_)
    base = get_origin(type_) or type_
    if base in NODES:
        return isinstance(node, base)
    if isinstance(node, Sequence):
        return base in LISTS or hasattr(base, "SEPARATOR")
    if isinstance(node, Mapping):
        return base in DICTS or is_struct(base)
    return not (base is types.NoneType or is_struct(base) or base in LISTS or base in DICTS)


def breadth(type_: Any) -> int:
    """The order in which the members of a union are tried."""
    return _BREADTH.get(bare(type_), 5)
