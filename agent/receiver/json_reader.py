"""One pass over the text of a JSON object, which writes the bytes of its message as it goes."""

from collections.abc import Callable, Iterable

from agent.receiver.json_shapes import Member, Shape, Take
from agent.receiver.json_text import FIRST, FOLLOWS, NEXT, OPEN, Broken, expected, key, scalar
from config.net.text import clean

#: Objects and arrays in each other. Protobuf's own parser takes 100 messages within the first, and no more.
MAX_DEPTH = 101
MAX_KEYS = 1000  #: of one object; OTLP's have 16, and attributes are arrays
STRIDE = 8 * 1024  #: characters between two pauses: under half a millisecond of work, of 4 when they are hostile
_SHOWN = 64  # characters of a key, in an error

_UNKNOWN = Shape()


class Reader:
    """`snake` collects names in snake case, which are ignored, and the keys that were meant.

    `pause` is called every STRIDE characters: work in a thread lets others run there.
    """

    def __init__(self, text: str, pause: Callable[[], None]) -> None:
        self.text = text
        self.snake: dict[str, str] = {}
        self._pause = pause
        self._next_pause = STRIDE

    def message(self, at: int, shape: Shape, depth: int) -> tuple[bytes, int]:
        """The object at a place: its fields in the order of their numbers, and the place after it. Raises Broken."""
        if depth > MAX_DEPTH:
            raise Broken("nested too deep")
        text, members = self.text, shape.members
        parts: dict[str, bytes] = {}
        last, ordered = 0, True
        match = FIRST.match(text, at)
        while True:
            if match is None:
                name, null, at = key(text, at, first=not parts)
            else:
                (name, null), at = match.groups(), match.end()
                if name is None:
                    break
            if name in parts or len(parts) == MAX_KEYS:
                raise _too_many(name, parts)
            member = members.get(name) or self._unknown(name, shape)
            try:
                part, at = (b"", at) if null else member.take(self, at, depth + 1)
            except Broken as error:
                error.path.append(f".{clean(name, _SHOWN)}")
                raise
            if part:
                ordered, last = ordered and member.number > last, member.number
            parts[name] = part
            match = NEXT.match(text, at)
        if shape.groups and len(parts) > 1:
            _check_groups(parts, members)
        return b"".join(parts.values() if ordered else _in_order(parts, members)), at

    def array(self, at: int, element: Take, depth: int, tag: bytes = b"") -> tuple[bytearray, int]:
        """The elements of an array, each behind the tag, and the place after it. Raises Broken."""
        text, joined, number = self.text, bytearray(), 0
        match = OPEN.match(text, at)
        if match is None:
            raise expected(text, at, "an array")
        more, at = match[1] is None, match.end()
        while more:
            try:
                value, at = element(self, at, depth)
            except Broken as error:
                error.path.append(f"[{number}]")
                raise
            joined += tag
            joined += value
            number += 1
            match = FOLLOWS.match(text, at)
            if match is None:
                raise expected(text, at, "',' or ']'")
            more, at = match[1] == ",", match.end()
            if at >= self._next_pause:
                self._next_pause = at + STRIDE
                self._pause()
        return joined, at

    def _unknown(self, name: str, shape: Shape) -> Member:
        if name in shape.snake:
            self.snake[name] = shape.snake[name]
        return _IGNORED


def _ignored(reader: Reader, at: int, depth: int) -> tuple[bytes, int]:
    """Any value: it must be JSON, and becomes nothing."""
    if depth > MAX_DEPTH:
        raise Broken("nested too deep")
    if reader.text.startswith("{", at):
        return reader.message(at, _UNKNOWN, depth)
    if reader.text.startswith("[", at):
        return b"", reader.array(at, lambda reader, at, depth: _ignored(reader, at, depth + 1), depth)[1]
    return b"", scalar(reader.text, at)


_IGNORED = Member(0, _ignored, "")


def _too_many(name: str, parts: dict[str, bytes]) -> Broken:
    if name in parts:
        return Broken(f"the key {clean(name, _SHOWN)!r} comes twice")
    return Broken(f"an object with more than {MAX_KEYS} keys")


def _in_order(parts: dict[str, bytes], members: dict[str, Member]) -> Iterable[bytes]:
    """The parts by the numbers of their fields."""
    written = sorted((members[name].number, part) for name, part in parts.items() if part)
    return (part for _, part in written)


def _check_groups(parts: dict[str, bytes], members: dict[str, Member]) -> None:
    """At most one member of each oneof."""
    chosen: dict[str, str] = {}
    for name, part in parts.items():
        group = members[name].group if part else ""
        if group and chosen.setdefault(group, name) != name:
            raise Broken(f"has {chosen[group]} and {name}, of which only one may be there")
