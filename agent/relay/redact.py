"""Pure: values of attributes that must not leave, replaced wherever they stand; nothing else of a body changes.

Most bodies mention no such key, and that is a search for bytes. Only messages that do mention one are opened, layer by
layer: a span without it is copied as it is.
"""

import re
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Final

from agent.relay.attributes import LIST, PAIR, VALUE
from agent.relay.thin import Node

MASK: Final = "[redacted]"
_MASKED: Final = b"\x0a" + bytes([len(MASK)]) + MASK.encode()  # an AnyValue with that string
_LARGE = 64 * 1024  # bytes of a list in an attribute: if it mentions a key, all of it is replaced


class Redactor:
    """`keys` are exact, or have a `*` at the beginning or the end for any rest."""

    def __init__(self, keys: Sequence[str]) -> None:
        parts = [key.removeprefix("*").removesuffix("*").encode() for key in keys]
        self._within = tuple(part for key, part in zip(keys, parts, strict=True) if key[:1] == "*" == key[-1:])
        self._starts = tuple(part for key, part in zip(keys, parts, strict=True) if key[:1] != "*" == key[-1:])
        self._ends = tuple(part for key, part in zip(keys, parts, strict=True) if key[:1] == "*" != key[-1:])
        self._exact = frozenset(key.encode() for key in keys if "*" not in {key[:1], key[-1:]})
        self.needles = tuple(dict.fromkeys(parts))  #: whatever is to be replaced stands beside one of these
        self.clean: Callable[[str], str] = _cleaner(keys) if keys else str  #: masks `key=value` in a text for people

    def mentioned(self, body: bytes) -> bool:
        """Whether there may be such a key in it; False is certain."""
        return bool(self._present(body, self.needles))

    def piece(self, node: Node, body: bytes, first: bool) -> Generator[None, None, bytes]:
        """For rewrite.py: a run of fields of any message."""
        yield from ()  # a piece is little work
        found = self._present(body, self.needles)
        return self._message(node, body, found) if found else body

    def end(self, node: Node) -> bytes:
        """For rewrite.py: every message stays."""
        return b""

    def _present(self, body: bytes, needles: Sequence[bytes]) -> Sequence[bytes]:
        return [needle for needle in needles if needle in body]

    def _message(self, node: Node, body: bytes, needles: Sequence[bytes]) -> bytes:
        """The same object when nothing is to be replaced, here and below."""
        message = node.kind.FromString(body)
        changed = False
        for name in node.pairs:
            changed |= _replace(getattr(message, name), needles, self._pair)
        for name in node.values:
            changed |= _replace(getattr(message, name), needles, self._value)
        for name, inner in node.messages:
            changed |= _replace(getattr(message, name), needles, partial(self._message, inner))
        return bytes(message.SerializeToString()) if changed else body

    def _pair(self, body: bytes, needles: Sequence[bytes]) -> bytes:
        pair = PAIR.FromString(body)
        if not (value := pair.value):
            return body  # it hides nothing
        new = _MASKED if self._denied(pair.key) else self._value(value, needles)
        if new is value:
            return body
        pair.value = new
        return bytes(pair.SerializeToString())

    def _value(self, body: bytes, needles: Sequence[bytes]) -> bytes:
        """A value that may mention a key: text stays, arrays and lists of pairs are gone through."""
        value = VALUE.FromString(body)
        if not value.arrays and not value.lists:
            return body
        if len(body) > _LARGE:
            return _MASKED
        changed = False
        for parts, step in ((value.arrays, self._value), (value.lists, self._pair)):
            for place, part in enumerate(parts):
                inner = LIST.FromString(part)
                if _replace(inner.items, needles, step):
                    parts[place] = inner.SerializeToString()
                    changed = True
        return bytes(value.SerializeToString()) if changed else body

    def _denied(self, key: bytes) -> bool:
        """Whether the value of that key must not leave."""
        return (
            key in self._exact
            or key.startswith(self._starts)
            or key.endswith(self._ends)
            or any(part in key for part in self._within)
        )


def _replace(parts: Any, needles: Sequence[bytes], step: Callable[[bytes, Sequence[bytes]], bytes]) -> bool:
    """Do the step with the parts that mention a needle; whether one of them changed."""
    if not parts:
        return False
    mentions = {place for needle in needles for place, part in enumerate(parts) if needle in part}
    changed = False
    for place in mentions:
        part = parts[place]
        new = step(part, needles)
        if new is not part:
            parts[place] = new
            changed = True
    return changed


def _cleaner(keys: Sequence[str]) -> Callable[[str], str]:
    """Masks `key=value`, `key: value` and `"key": "value"`. The time is linear in the text."""
    names = []
    for key in keys:
        name = re.escape(key.removeprefix("*").removesuffix("*"))
        # Where any rest may stand in front, it need not be matched; behind, it is bounded.
        names.append(("" if key[:1] == "*" else r"(?<!\w)") + name + (r"[\w.\-]{0,64}" if key[-1:] == "*" else ""))
    quoted = r"(?P<quote>\\*[\"'])(?:(?!(?P=quote))(?:\\.|.))*"
    plain = rf"{re.escape(MASK)}|(?:(?:Bearer|Basic|Digest|Token)[ ]+)?[^\s,;&)}}\]\"']+"
    pattern = re.compile(
        rf"(?P<head>(?:{'|'.join(names)})\\*[\"']?\s{{0,8}}[=:]\s{{0,8}})(?:{quoted}|{plain})",
        re.DOTALL | re.IGNORECASE,
    )

    def clean(text: str) -> str:
        return pattern.sub(lambda match: f"{match['head']}{match['quote'] or ''}{MASK}", text)

    return clean
