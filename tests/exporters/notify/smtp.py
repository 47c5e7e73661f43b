"""A real SMTP server on loopback: it does as it is told at each stage, and remembers what it got."""

import asyncio
import base64
import contextlib
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy

HANG, CLOSE = "hang", "close"

REPLIES = {
    "connect": "220 mail.test ESMTP",
    "STARTTLS": "220 go on",
    "AUTH": "235 welcome",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 end with a dot",
    "end": "250 queued",
    "QUIT": "221 bye",
}


@dataclass
class Got:
    """One mail that was taken."""

    sender: str
    to: list
    raw: bytes
    secure: bool
    login: tuple | None

    @property
    def mail(self):
        """It, parsed as a mailer does."""
        return message_from_bytes(self.raw, policy=policy.SMTP)

    def part(self, kind):
        """The text of its part `plain` or `html`."""
        return self.mail.get_body((kind,)).get_content()


@dataclass
class MailServer:
    """`script`: stage -> what it says instead, once each, in order. `ways`: the logins it offers."""

    context: ssl.SSLContext | None = None
    implicit: bool = False
    ways: str = "PLAIN LOGIN"
    script: dict = field(default_factory=dict)
    got: list = field(default_factory=list)
    said: list = field(default_factory=list)  # every command
    connections: int = 0
    port: int = 0

    async def __aenter__(self):
        self.ending, self._sessions = asyncio.Event(), {}
        secure = self.context if self.implicit else None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=secure)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.ending.set()
        for transport in self._sessions.values():
            transport.abort()
        await asyncio.gather(*self._sessions)
        await self._server.wait_closed()

    def answer(self, stage, *replies):
        """Say these at the next times the stage is reached."""
        self.script.setdefault(stage, []).extend(replies)

    async def _serve(self, reader, writer):
        # Under TLS the writer has another transport.
        plain = self._sessions[asyncio.current_task()] = writer.transport
        self.connections += 1
        try:
            await _Session(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            del self._sessions[asyncio.current_task()]
            plain.abort()


class _Session:
    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer
        self.secure, self.login, self.sender, self.to = server.implicit, None, "", []

    async def run(self):
        with contextlib.suppress(StopAsyncIteration):
            await self.say("connect")
            while line := (await self.reader.readline()).decode().rstrip("\r\n"):
                self.server.said.append(line)
                word, _, rest = line.partition(" ")
                await getattr(self, f"on_{word.lower()}")(rest)

    async def say(self, stage, instead=""):
        """The reply of this stage; whether it was a good one."""
        left = self.server.script.get(stage)
        reply = left.pop(0) if left else instead or REPLIES[stage]
        if reply == HANG:
            await self.server.ending.wait()
        if reply in {HANG, CLOSE}:
            raise StopAsyncIteration
        self.writer.write(reply if isinstance(reply, bytes) else f"{reply}\r\n".encode())
        await self.writer.drain()
        return reply[:1] in {"2", "3"}

    async def on_ehlo(self, rest):
        words = ["mail.test", "PIPELINING", *(["STARTTLS"] if self.server.context and not self.secure else [])]
        words += [f"AUTH {self.server.ways}"] if self.server.ways else []
        words.append("8BITMIME")
        await self.say("EHLO", "\r\n".join([*(f"250-{word}" for word in words[:-1]), f"250 {words[-1]}"]))

    async def on_starttls(self, rest):
        if await self.say("STARTTLS"):
            await self._encrypt()

    async def _encrypt(self):
        """As StreamWriter.start_tls, which in Python 3.11 breaks where the client leaves during the handshake."""
        plain = self.writer.transport
        protocol = plain.get_protocol()
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(plain, protocol, self.server.context, server_side=True)
        if transport is None:
            raise ConnectionResetError
        self.writer._transport = transport
        protocol._replace_writer(self.writer)
        self.secure = True

    async def on_auth(self, rest):
        way, _, first = rest.partition(" ")
        if way == "PLAIN":
            words = base64.b64decode(first).decode().split("\0")[1:]
        else:
            words = []
            for prompt in ("VXNlcm5hbWU6", "UGFzc3dvcmQ6"):
                self.writer.write(f"334 {prompt}\r\n".encode())
                words.append(base64.b64decode(await self.reader.readline()).decode())
        if await self.say("AUTH"):
            self.login = tuple(words)

    async def on_mail(self, rest):
        if await self.say("MAIL"):
            self.sender, self.to = rest.removeprefix("FROM:"), []

    async def on_rcpt(self, rest):
        if await self.say("RCPT"):
            self.to.append(rest.removeprefix("TO:<").removesuffix(">"))

    async def on_data(self, rest):
        if not await self.say("DATA"):
            return
        raw = b""
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                return
            raw += line.removeprefix(b".")
        if await self.say("end"):
            self.server.got.append(Got(self.sender, self.to, raw, self.secure, self.login))

    async def on_quit(self, rest):
        await self.say("QUIT")
        raise StopAsyncIteration
