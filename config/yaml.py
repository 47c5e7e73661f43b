"""YAML to nodes that know their place. YAML 1.2 scalars, no tags, no duplicate keys, and limits on everything.

PyYAML's scanner gives the events (in C where it was built so); what they mean is decided here, because PyYAML reads
`22:22` as 1342, `012` as 10 and `no` as false, keeps the last of two equal keys, and follows aliases without end.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

import yaml

from config.errors import Position, Problems, quoted

MOST_BYTES = 1 << 20
MOST_NODES = 20_000  #: after aliases are followed
DEEPEST = 64

Kind = Literal["str", "int", "float", "bool", "null", "open", "unresolved"]

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]+|(?<=[0-9])\.|(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = frozenset({"true", "false"})
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_ADVICE = (
    ("mapping values are not allowed", "quote a value that holds ': ', and check the indentation"),
    ("could not find expected ':'", "write `key: value`, with a space after the colon"),
    ("did not find expected key", "check the indentation and the quotes of this line and the one before"),
    ("did not find expected '-'", "check the indentation: the items of a list stand in one column"),
    ("did not find expected ','", "quote a value that holds any of { } [ ] , and close every bracket"),
    ("unexpected end of stream", "close the quote"),
    ("cannot start any token", "quote a value that starts with @ ` % or a tab"),
    ("invalid Unicode character", "write the character itself"),
    ("unknown escape character", "write \\\\ for a backslash, or use single quotes"),
    ("did not find expected <document start>", "one file is one mapping: check the indentation"),
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as it was written. Like all nodes it equals another that says the same elsewhere.

    `kind` is what a plain scalar looks like; a quoted one is "str"; "open" came from a reference, so the type that
    reads it decides; "unresolved" is a reference that failed, noted as a problem already. `origin` is the reference,
    such as `${PORT}`: where it is set, `text` must not be shown.
    """

    text: str = field(repr=False)  # it may be a secret
    kind: Kind
    position: Position = field(compare=False)
    origin: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple["Node", ...]
    position: Position = field(compare=False)


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in the order of the file; `keys` tells where each key stands.

    `beside`: names that somebody else takes from the same place, so that a typing error in one of them is recognised.
    """

    items: dict[str, "Node"]
    position: Position = field(compare=False)
    keys: dict[str, Position] = field(default_factory=dict, compare=False, repr=False)
    beside: tuple[str, ...] = field(default=(), compare=False, repr=False)


Node: TypeAlias = Scalar | Sequence | Mapping


def parse(source: str | bytes, name: str, problems: Problems) -> Node | None:
    """Read one document. What is wrong goes to `problems`; then the answer may be None or incomplete.

    `name` is the source as errors call it where `problems` has no name yet.
    """
    problems.source = problems.source or name
    try:
        text = _decoded(source)
        return _Composer(text, problems).document()
    except _Refused as refused:
        problems.add("", refused.text, refused.position)
    except yaml.MarkedYAMLError as error:
        position = _position(error.problem_mark or error.context_mark)
        problems.add("", _advice(str(error.problem or error.context), text, position), position)
    return None


def kind_of(text: str) -> Kind:
    """What a plain scalar is in the core of YAML 1.2; but 012 and 0x1F stay text, and only true and false are bool."""
    if text in _NULLS:
        return "null"
    if text in _BOOLS:
        return "bool"
    if _INT.fullmatch(text):
        return "int"
    return "float" if _FLOAT.fullmatch(text) else "str"


class _Refused(Exception):  # noqa: N818 - control flow of this file
    def __init__(self, text: str, position: Position | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.position = position


class _Anchored(NamedTuple):
    node: Node
    nodes: int
    depth: int


def _position(mark: Any) -> Position | None:
    return Position(mark.line + 1, mark.column + 1) if mark else None


def _decoded(source: str | bytes) -> str:
    try:
        raw = source.encode() if isinstance(source, str) else source
    except UnicodeEncodeError:
        raise _Refused("is not Unicode text; save it as UTF-8") from None
    if len(raw) > MOST_BYTES:
        raise _Refused(f"is larger than {MOST_BYTES >> 20} MiB; a configuration needs a few kilobytes")
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in {raw[:1], raw[1:2]}:
        raise _Refused("is UTF-16 or UTF-32; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise _Refused("is not UTF-8; save it as UTF-8", Position(line, column)) from None
    found = _FORBIDDEN.search(text)
    if found:
        start = text.rfind("\n", 0, found.start()) + 1
        position = Position(text.count("\n", 0, start) + 1, found.start() - start + 1)
        raise _Refused(f"holds the control character {quoted(found[0])}; remove it", position)
    return text


def _advice(problem: str, text: str, position: Position | None) -> str:
    """The scanner's words, and what would be right."""
    line = text.splitlines()[position.line - 1] if position and position.line <= len(text.splitlines()) else ""
    before = line[: position.column - 1] if position else ""
    if before.endswith("$"):
        return 'a reference inside { } or [ ] must be quoted; write "${NAME}" or "${file:/path}"'
    if line[len(before) : len(before) + 1] == "\t":
        return "a tab stands where YAML wants spaces; indent with spaces"
    for words, right in _ADVICE:
        if words in problem:
            return f"is not valid YAML ({problem}); {right}"
    return f"is not valid YAML ({problem}); see https://yaml.org/spec/1.2.2/"


class _Composer:
    """Turns the events of one document into nodes."""

    def __init__(self, text: str, problems: Problems) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._problems = problems
        self._anchors: dict[str, _Anchored | None] = {}  # None while it is still being read
        self._nodes = 0
        self._deepest = 0

    def document(self) -> Node | None:
        """The only document; None when there is nothing in it."""
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        node = self._node(next(self._events), 1)
        next(self._events)
        extra = next(self._events)
        if not isinstance(extra, yaml.StreamEndEvent):
            raise _Refused("holds a second document; keep one, without a `---` line", _position(extra.start_mark))
        return node

    def _node(self, event: Any, depth: int) -> Node:
        position = Position(event.start_mark.line + 1, event.start_mark.column + 1)
        self._deepest = max(self._deepest, depth)
        if depth > DEEPEST:
            raise _Refused(f"is nested deeper than {DEEPEST} levels; flatten it", position)
        self._count(1, position)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), depth, position)
        if event.anchor is None:
            return self._content(event, depth, position)
        self._anchors[event.anchor] = None
        nodes, deepest, self._deepest = self._nodes, self._deepest, depth
        node = self._content(event, depth, position)
        self._anchors[event.anchor] = _Anchored(node, self._nodes - nodes, self._deepest - depth)
        self._deepest = max(deepest, self._deepest)
        return node

    def _count(self, nodes: int, position: Position) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise _Refused(f"holds more than {MOST_NODES} values, aliases followed; make it smaller", position)

    def _alias(self, name: str, depth: int, position: Position) -> Node:
        if name not in self._anchors:
            raise _Refused(f"`*{name}` names an anchor that is not above; write `&{name}` at the value first", position)
        target = self._anchors[name]
        if target is None:
            raise _Refused(f"`*{name}` stands inside `&{name}` itself; a value cannot hold itself", position)
        if depth + target.depth > DEEPEST:
            raise _Refused(f"is nested deeper than {DEEPEST} levels; flatten it", position)
        self._deepest = max(self._deepest, depth + target.depth)
        self._count(target.nodes, position)
        return target.node

    def _content(self, event: Any, depth: int, position: Position) -> Node:
        if event.tag not in {None, "!", "tag:yaml.org,2002:str"}:
            raise _Refused(f"has the tag {quoted(event.tag)}; write the value without a tag", position)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, position)
        if event.tag is not None:
            raise _Refused("has a tag on a list or a mapping; write it without a tag", position)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(event, depth + 1))
            return Sequence(tuple(items), position)
        return self._mapping(depth, position)

    def _scalar(self, event: Any, position: Position) -> Scalar:
        if _FORBIDDEN.search(event.value):
            raise _Refused("holds an escaped control character; remove it", position)
        plain = event.tag is None and event.implicit[0]
        return Scalar(event.value, kind_of(event.value) if plain else "str", position)

    def _mapping(self, depth: int, position: Position) -> Mapping:
        found = Mapping({}, position)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            place = Position(event.start_mark.line + 1, event.start_mark.column + 1)
            if not isinstance(key, Scalar) or key.kind == "null":
                raise _Refused("has a key that is not a name; write `name: value`", place)
            if key.text == "<<" and key.kind == "str":
                raise _Refused("merge keys (<<) are not part of YAML 1.2; write the keys out", place)
            value = self._node(next(self._events), depth + 1)
            if key.text in found.items:
                first = found.keys[key.text].line
                self._problems.add("", f"the key {quoted(key.text)} stands here again; keep one (line {first})", place)
                continue
            found.items[key.text] = value
            found.keys[key.text] = place
        return found
