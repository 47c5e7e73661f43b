"""One scalar of the file to one value of a type. What does not fit is told as the rest of a sentence (Unfit)."""

import enum
import math
import operator
import re
from collections.abc import Callable
from typing import Any

import msgspec

from config.errors import quoted
from config.shapes import choice_words, is_word, wanted
from config.types import Secret, Unfit, Word
from config.yaml import Scalar, kind_of

_TRAPS = {
    **dict.fromkeys(("yes", "Yes", "YES", "on", "On", "ON", "True", "TRUE", "y", "1"), "true"),
    **dict.fromkeys(("no", "No", "NO", "off", "Off", "OFF", "False", "FALSE", "n", "0"), "false"),
}
_LONGEST_NUMBER = 40


def subject(node: Scalar, type_: Any = None) -> str:
    """How an error calls a value: as written; by its reference, or not at all, where it must not be shown."""
    if node.origin:
        return f"the value of {node.origin}"
    if isinstance(type_, type) and issubclass(type_, Secret):
        return "the value"
    return "an empty value" if node.kind == "null" and not node.text else quoted(node.text)


def read(node: Scalar, type_: Any) -> Any:
    """The value of a plain type, an enum or a Word. Raises Unfit."""
    if is_word(type_):
        return _word(node, type_)
    if issubclass(type_, enum.Enum):
        return one_of(node, {str(member.value): member for member in type_})
    reader = _READERS.get(type_)
    if reader is None:
        raise TypeError(f"{type_!r} cannot be read from a file")
    return reader(node)


def one_of(node: Scalar, choices: dict[str, Any]) -> Any:
    """The choice that was written. Raises Unfit."""
    if node.text in choices and not (node.kind == "null" and not node.origin):
        return choices[node.text]
    raise Unfit(f"is not {choice_words(choices)}")


def plain(node: Scalar) -> str | int | float | bool | None:
    """What the scalar itself looks like, for keys that take any value; a number without end stays text."""
    kind = kind_of(node.text) if node.kind == "open" else node.kind
    if kind == "null":
        return None
    reader = {"bool": _bool, "int": _int, "float": _float}.get(kind)
    try:
        return reader(node) if reader else node.text
    except Unfit:
        return node.text


def _word(node: Scalar, type_: type[Word]) -> Word:
    if node.kind == "null":
        raise Unfit(f"is not {wanted(type_)}; write one, or leave the key out")
    try:
        return type_.parse(node.text)
    except Unfit:
        raise
    except ValueError as error:
        # A plug-in's own type may repeat the value in its words.
        hidden = node.origin or issubclass(type_, Secret)
        raise Unfit(f"is not {wanted(type_)}" if hidden else f"does not fit: {error}") from None


def _bool(node: Scalar) -> bool:
    if node.kind in {"bool", "open"} and node.text in {"true", "false"}:
        return node.text == "true"
    raise Unfit(f"is not true or false; write {_TRAPS.get(node.text, 'true or false, without quotes')}")


def _int(node: Scalar) -> int:
    if kind_of(node.text) != "int":
        raise Unfit("is not a whole number; write one such as 5")
    if node.kind == "str":
        raise Unfit("is text, not a number; remove the quotes")
    if len(node.text) > _LONGEST_NUMBER:
        raise Unfit("has too many digits; write a smaller number")
    return int(node.text)


def _float(node: Scalar) -> float:
    if kind_of(node.text) not in {"int", "float"}:
        raise Unfit("is not a number; write one such as 0.5")
    if node.kind == "str":
        raise Unfit("is text, not a number; remove the quotes")
    number = float(node.text)
    if not math.isfinite(number):
        raise Unfit("has too many digits; write a smaller number")
    return number


def _str(node: Scalar) -> str:
    if node.kind == "null":
        raise Unfit('is not a text; write one (an empty one is ""), or leave the key out')
    return node.text


def _none(node: Scalar) -> None:
    if node.kind != "null":
        raise Unfit("must be left empty")


_READERS: dict[Any, Callable[[Scalar], Any]] = {bool: _bool, int: _int, float: _float, str: _str, type(None): _none}


_LIMITS: tuple[tuple[str, Callable[[float, float], bool], str], ...] = (
    ("ge", operator.lt, "is too small; write at least"),
    ("gt", operator.le, "is too small; write more than"),
    ("le", operator.gt, "is too large; write at most"),
    ("lt", operator.ge, "is too large; write less than"),
)


def check(value: Any, meta: msgspec.Meta) -> None:
    """Hold a value against the limits of its annotation. Raises Unfit."""
    if isinstance(value, Secret):
        value = value.reveal()
    if isinstance(value, str | list | tuple | dict):
        _check_length(value, meta)
    elif hasattr(value, "__float__") and not isinstance(value, bool):
        for name, beyond, words in _LIMITS:
            limit = getattr(meta, name)
            if limit is not None and beyond(float(value), limit):
                raise Unfit(f"{words} {_like(value, limit)}")


def _like(value: Any, limit: float) -> str:
    """A limit in the words of the value's type: 1 as `1s`."""
    type_ = type(value)
    if not is_word(type_):
        return str(limit)
    return str(type_(limit) if isinstance(value, int | float) else type_.parse(str(limit)))


def _check_length(value: str | list[Any] | tuple[Any, ...] | dict[Any, Any], meta: msgspec.Meta) -> None:
    unit = "characters" if isinstance(value, str) else "entries"
    if meta.min_length is not None and len(value) < meta.min_length:
        short = f"has only {len(value)} {unit}" if value else "is empty"
        raise Unfit(f"{short}; write {meta.description or f'at least {meta.min_length}'}")
    if meta.max_length is not None and len(value) > meta.max_length:
        raise Unfit(f"has {len(value)} {unit}; write at most {meta.max_length}")
    # The schema's `$` is the very end; Python's lets a newline follow.
    if isinstance(value, str) and meta.pattern and not re.search(re.sub(r"\$\Z", r"\\Z", meta.pattern), value):
        raise Unfit(f"does not fit; write {meta.description or f'a text that matches {meta.pattern}'}")
