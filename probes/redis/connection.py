"""The little of Redis' protocol (RESP2) that a probe needs, with everything bounded.

A client library would cost 25 MiB and 0.3 s at start, and collects an answer for as long as the server says it is.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence

from probes.dial import dial, dial_unix
from probes.redis.options import Place
from probes.stopwatch import Stopwatch

LIMIT = 1024 * 1024  #: bytes of one answer; INFO of a busy server has some 10 KiB
MANY = 1024  #: texts in one list
CLOSE_SECONDS = 0.05
_LINE_LIMIT = 64 * 1024  # of an answer's first line; beyond twice this asyncio stops reading from the socket


class ServerError(Exception):
    """The server answered `-CODE text`. `code` is its first word, in capitals where the server keeps to the rules."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.code = line.partition(" ")[0]

    @property
    def command_refused(self) -> bool:
        """Whether the command itself is not to be had: not permitted, renamed away, unknown to a proxy."""
        return self.code == "NOPERM" or "command" in str(self)


class ProtocolError(Exception):
    """What came is not an answer in Redis' protocol."""


class Overrun(Exception):  # noqa: N818 - named for what happened
    """The answer is larger than LIMIT."""


Answer = str | int | tuple[str | None, ...] | None | ServerError


class Connection:
    """A connection that is logged in, usable as a probe's kept link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(
        cls,
        place: Place,
        context: ssl.SSLContext | None,
        server_name: str,
        name: str,
        watch: Stopwatch,
        family: int = 0,
    ) -> "Connection":
        """Connect, log in, choose the database and say who we are. Raises OSError or one of this file's errors."""
        dialing = dial_unix(place.path, watch) if place.path else dial(place.host, place.port, watch, family)
        sock = await dialing
        if context is not None:
            watch.enter("tls")
        adopted = False
        try:
            reader, writer = await asyncio.open_connection(
                sock=sock,
                limit=_LINE_LIMIT,
                ssl=context,
                server_hostname=(server_name or place.host) if context is not None else None,
            )
            adopted = True
        finally:
            if not adopted:
                sock.close()
        connection = cls(reader, writer)
        watch.enter("auth")
        greeted = False
        try:
            await connection._greet(place, name)
            greeted = True
        finally:
            watch.stop()
            if not greeted:
                await connection.discard()
        return connection

    async def _greet(self, place: Place, name: str) -> None:
        login = [("AUTH", *filter(None, (place.username,)), place.password)] if place.password else []
        choice = [("SELECT", str(place.database))] if place.database else []
        *answers, named = await self.ask(*login, *choice, ("CLIENT", "SETNAME", name))
        for answer in (*answers, named):
            # The name is for people who look at CLIENT LIST; where it may not be set, or a proxy stands between, we go
            # without. Anything else the server has against us, it says in the first answer, whatever was asked.
            if isinstance(answer, ServerError) and not (answer is named and answer.command_refused):
                raise answer

    async def ask(self, *commands: Sequence[str]) -> list[Answer]:
        """Send the commands at once; their answers in order, errors among them. Raises EOFError when it closes."""
        self._writer.write(b"".join(map(_encoded, commands)))
        await self._writer.drain()
        answers: list[Answer] = []
        for _ in commands:
            try:
                answers.append(await self._answer())
            except (EOFError, ConnectionError):
                refusal = next((answer for answer in answers if isinstance(answer, ServerError)), None)
                if refusal is not None:  # it said why before it closed
                    raise refusal from None
                raise
        return answers

    async def _answer(self) -> Answer:
        kind, text = await self._line()
        if kind == b"+":
            return text
        if kind == b"-":
            return ServerError(text)
        if kind in (b":", b"$"):
            number = _number(text)
            return number if kind == b":" else await self._bulk(number)
        if kind == b"*":
            return await self._texts(_number(text))
        raise ProtocolError(f"the answer begins with {kind + text[:15].encode()!r}")

    async def _line(self) -> tuple[bytes, str]:
        try:
            line = await self._reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError:
            raise ProtocolError("the answer has a line without an end") from None
        return line[:1], line[1:-2].decode("utf-8", "replace")

    async def _texts(self, count: int) -> tuple[str | None, ...]:
        """A flat list, such as TIME and ZRANGE answer; all of it at most LIMIT bytes."""
        if count > MANY:
            raise ProtocolError(f"the answer claims {count} texts, more than {MANY}")
        texts: list[str | None] = []
        room = LIMIT
        for _ in range(count):
            kind, text = await self._line()
            if kind != b"$":
                raise ProtocolError("the answer is a list of something else than texts")
            size = _number(text)
            texts.append(await self._bulk(size, room))
            room -= max(size, 0)
        return tuple(texts)

    async def _bulk(self, size: int, room: int = LIMIT) -> str | None:
        if size == -1:
            return None
        if size < 0:
            raise ProtocolError(f"the answer claims a size of {size}")
        if size > room:
            raise Overrun(f"the answer claims {size} bytes, more than {room}")
        content = await self._reader.readexactly(size + 2)
        if not content.endswith(b"\r\n"):
            raise ProtocolError("the answer does not end where it said")
        return content[:-2].decode("utf-8", "replace")

    @property
    def closed(self) -> bool:
        """Whether the server is known to have closed it."""
        return self._reader.at_eof() or self._writer.is_closing()

    def stale(self, error: Exception) -> bool:
        """Whether the server had closed it while it was idle."""
        return isinstance(error, (EOFError, ConnectionError))

    async def aclose(self) -> None:
        """Close; nothing needs saying to the server. A TLS farewell gets 0.05 s."""
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._writer.wait_closed()
        except OSError:
            pass  # it is closed in any case
        finally:
            self._writer.transport.abort()

    async def discard(self) -> None:
        """Drop it. A command that still runs cannot be taken back in Redis."""
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


def _encoded(command: Sequence[str]) -> bytes:
    parts = [word.encode() for word in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def _number(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        raise ProtocolError("the answer has a number that is none")
    return int(text)
