"""Pure: a body is taken apart, changed piece by piece, and put together with new lengths.

Only a message that is larger than a piece may be is opened; the others lie whole in the pieces of what holds them. So
the work between two turns of the loop is bounded, whatever the body.
"""

from collections.abc import Generator
from typing import NamedTuple, Protocol

from agent.relay.thin import Node
from agent.relay.wire import header, read_tag, read_varint, skip

_FIELDS_AT_ONCE = 4096  # in one piece: 2 ms of work, however small they are
_BYTES = 2  # the wire type of messages


class Editor(Protocol):
    """What is done with each piece, and with each message that was opened."""

    def piece(self, node: Node, body: bytes, first: bool) -> Generator[None, None, bytes]:
        """A run of whole fields, changed. `first`: its message begins here; every opened one has such a piece.

        It yields within long work, where the loop may turn.
        """

    def end(self, node: Node) -> bytes | None:
        """The opened message is through. What to put in front of its fields; None: leave the whole of it out."""


class _Piece(NamedTuple):
    node: Node
    body: bytes
    depth: int
    tag: int  # of the message in what holds it
    first: bool


def rewrite(body: bytes, node: Node, limit: int, editor: Editor) -> Generator[None, None, list[bytes]]:
    """The parts of the new body; yields where the loop may turn. Raises WireError for what is not valid."""
    parts: list[bytes] = []
    opened: list[tuple[_Piece, int]] = []  # and where in `parts` its header goes

    def close(depth: int) -> None:
        while opened and opened[-1][0].depth >= depth:
            piece, place = opened.pop()
            front = editor.end(piece.node)
            if front is None:
                del parts[place:]
            elif piece.depth:
                parts[place] = header(piece.tag, len(front) + sum(map(len, parts[place + 1 :]))) + front

    for piece in _cut(body, node, limit, 0, 0, len(body), 0):
        if parts:
            yield
        close(piece.depth if piece.first else piece.depth + 1)
        if piece.first:
            opened.append((piece, len(parts)))
            parts.append(b"")
        parts.append((yield from editor.piece(piece.node, piece.body, piece.first)))
    close(0)
    return parts


def _cut(body: bytes, node: Node, limit: int, tag: int, at: int, end: int, depth: int) -> Generator[_Piece, None, None]:
    if node.kind is None:  # nothing inside is ours
        for start in range(at, max(end, at + 1), limit):
            yield _Piece(node, body[start : min(end, start + limit)], depth, tag, start == at)
        return
    start, first, fields = at, True, 0  # of the piece in the making
    while at < end:
        field = at
        fields += 1
        at = _next(body, at, end)
        if at - field > limit and (inner := node.inside.get((found := read_tag(body, field, end))[0])):
            if first or start < field:
                yield _Piece(node, body[start:field], depth, tag, first)
            _, inside = read_varint(body, found[1], at, 5)
            yield from _cut(body, inner, limit, found[0], inside, at, depth + 1)
            start, first, fields = at, False, 0
        elif at - start >= limit or fields >= _FIELDS_AT_ONCE:
            yield _Piece(node, body[start:at], depth, tag, first)
            start, first, fields = at, False, 0
    if first or start < end:
        yield _Piece(node, body[start:end], depth, tag, first)


def _next(body: bytes, at: int, end: int) -> int:
    """Where the field ends that begins at `at`: at once for a message of up to 16 KiB in a field of a small number."""
    if at + 2 < end and body[at] & 0x87 == _BYTES:
        size = body[at + 1]
        if size < 0x80:
            after = at + 2 + size
        elif (high := body[at + 2]) < 0x80:
            after = at + 3 + (size & 0x7F | high << 7)
        else:
            after = end + 1
        if after <= end:
            return after
    return skip(body, *read_tag(body, at, end), end)
