"""OTLP/JSON becomes OTLP: strict protobuf, whatever the JSON was.

protobuf's own json_format is no reader of OTLP/JSON: it takes the hex of ids for base64 and makes other ids of it, and
it takes names of enums and keys in snake case, which OTLP forbids.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from agent.receiver.json_reader import Reader
from agent.receiver.json_shapes import shape_of
from agent.receiver.json_text import SPACE, Broken, expected
from agent.receiver.validate import Invalid, request_type
from agent.relay.entry import Signal

#: Bytes of a body in JSON. Its text may take four times as much, and a hostile one half a second per MiB.
MAX_JSON = 4 * 1024 * 1024
AT_ONCE = 8 * 1024  #: bytes that are read on the loop: 0.4 ms, and 4 ms when they are hostile

_THREAD = ThreadPoolExecutor(1, "otlp-json")  # several would keep the interpreter from the loop in turns
_NAMED = 3  # ignored keys that are told


class Converted(NamedTuple):
    """A request in protobuf, and what to tell its sender about keys that were ignored; mostly nothing."""

    body: bytes
    ignored: str = ""


async def convert(body: bytes, signal: Signal) -> Converted:
    """As `to_protobuf`; a body that takes a while is read in a thread, one at a time, so that the loop turns."""
    if len(body) <= AT_ONCE:
        return to_protobuf(body, signal)
    return await asyncio.get_running_loop().run_in_executor(_THREAD, to_protobuf, body, signal, _breathe)


def _breathe() -> None:
    # Whoever waits for the interpreter gets it after 5 ms; sleeping gives it away at once, for some 60 us.
    time.sleep(1e-6)


def to_protobuf(body: bytes, signal: Signal, pause: Callable[[], None] = lambda: None) -> Converted:
    """Read a request in JSON. Raises Invalid, naming the field: `resourceSpans[0].scopeSpans[0].spans[3].traceId`.

    `pause` is called after every so many characters.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"not UTF-8 at byte {error.start + 1}") from None
    reader = Reader(text, pause)
    at = _after_space(text, 0)
    try:
        request, at = reader.message(at, shape_of(request_type(signal).DESCRIPTOR), 1)
        if _after_space(text, at) < len(text):
            raise expected(text, _after_space(text, at), "the end of the body")
    except Broken as error:
        path = "".join(reversed(error.path)).removeprefix(".")
        raise Invalid(f"{_short(path)}: {error}" if path else str(error)) from None
    return Converted(request, _told(reader.snake))


def _after_space(text: str, at: int) -> int:
    match = SPACE.match(text, at)
    return match.end() if match else at


def _short(path: str) -> str:
    """Where something is, in at most one line: the innermost part matters most."""
    return path if len(path) <= 200 else f"{path[:60]}...{path[-130:]}"


def _told(snake: dict[str, str]) -> str:
    if not snake:
        return ""
    names = ", ".join(f"{name} ({right})" for name, right in list(snake.items())[:_NAMED])
    more = f" and {len(snake) - _NAMED} more" if len(snake) > _NAMED else ""
    return f"snake_case keys ignored, OTLP/JSON has those in brackets: {names}{more}"
