"""Handing one mail to a server (RFC 6409, 5321): one connection, one deadline for all of it, no threads.

Not smtplib: its deadline is that of one read, so a server that drips holds a thread for ever, and the process with it.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal

from config.net.http import explain
from config.net.resolve import resolve
from config.net.text import clean, clean_bytes
from config.net.tls import TlsFileError, TlsOptions, client_context
from config.types import HostPort, Secret
from config.types.secret import MASK
from exporters.base import Permanent, Retryable
from exporters.notify.smtp_wire import Wire

FAREWELL = 1.0  #: seconds that a server may take to say goodbye; the mail is its by then
#: Replies that mean that the login is at fault: RFC 4954, section 6.
_LOGIN = {530, 534, 535, 538}


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed over, and how. `timeout`: seconds for all of it."""

    place: HostPort
    encryption: Literal["starttls", "implicit", "none"] = "starttls"
    tls: TlsOptions = field(default_factory=TlsOptions)
    user: str = ""
    password: Secret | None = None
    timeout: float = 30.0


Refusals = Mapping[str, Retryable | Permanent]


async def submit(server: Server, sender: str, to: Sequence[str], message: bytes) -> Refusals:
    """Hand over one message; returns who was refused while others were not.

    Raises Retryable or Permanent when nobody of `to` was taken. A 4xx reply is Retryable, a 5xx one Permanent.
    """
    try:
        async with asyncio.timeout(server.timeout):
            wire = await _connect(server)
            try:
                return await _Dialogue(server, wire).hand_over(sender, to, message)
            finally:
                wire.abort()
    except TimeoutError as error:
        raise Retryable("timeout", f"{server.place} was not done within {server.timeout:g} s") from error
    except TlsFileError as error:
        raise Retryable("tls", str(error)) from error
    except ssl.SSLCertVerificationError as error:
        why = f"{server.place} has a certificate that is not trusted: {error.verify_message}"
        raise Retryable("tls", clean(why)) from error
    except OSError as error:
        kind = "tls" if isinstance(error, ssl.SSLError) else "network"
        raise Retryable(kind, clean(f"{server.place} cannot be reached: {explain(error)}")) from error


async def _connect(server: Server) -> Wire:
    """To the first address that answers. Each gets its share of the deadline, so that one dead address is not all."""
    loop, place = asyncio.get_running_loop(), server.place
    secure: dict[str, Any] = {}
    if server.encryption == "implicit":
        secure = {"ssl": client_context(server.tls, alpn=()), "server_hostname": _name(server)}
    addresses = await resolve(place.host, place.port)
    for left, address in reversed(list(enumerate(reversed(addresses)))):
        try:
            async with asyncio.timeout(None if not left else server.timeout / len(addresses)):
                _, wire = await loop.create_connection(Wire, address.host, address.port, **secure)
        except OSError:
            if not left:
                raise
        else:
            return wire
    raise OSError(f"{place.host} has no address")


def _name(server: Server) -> str:
    return server.tls.server_name or server.place.host


class _Dialogue:
    """The commands in their order. Every reply but the one wanted ends it."""

    def __init__(self, server: Server, wire: Wire) -> None:
        self._server, self._wire = server, wire
        self._able: dict[str, str] = {}  # what EHLO told: keyword -> parameters

    async def hand_over(self, sender: str, to: Sequence[str], message: bytes) -> Refusals:
        self._check("connecting", await self._wire.reply(), 220)
        await self._hello()
        if self._server.encryption == "starttls":
            await self._secure()
        if self._server.password is not None:
            await self._login(self._server.user, self._server.password.reveal())
        await self._ask(f"MAIL FROM:<{sender}>", 250)
        refused = await self._recipients(to)
        await self._ask("DATA", 354)
        self._wire.write(re.sub(rb"(?m)^\.", b"..", message) + b".\r\n")
        self._check("the mail", await self._wire.reply(), 250)
        await self._farewell()
        return refused

    async def _hello(self) -> None:
        """By address: it is always valid, and no resolver is asked for a name."""
        own = ip_address(self._wire.own_host)
        lines = await self._ask(f"EHLO [{'IPv6:' if own.version == 6 else ''}{own}]", 250)
        words = [line.replace(b"=", b" ").decode("ascii", "replace").upper().partition(" ") for line in lines[1:]]
        self._able = {keyword: parameters for keyword, _, parameters in words}

    async def _secure(self) -> None:
        """Retryable where it is not offered: somebody on the way may have taken the offer out."""
        if "STARTTLS" not in self._able:
            other = "`encryption: implicit`, or `none` on a network that you trust"
            raise Retryable("tls", f"{self._server.place} offers no STARTTLS; if it never does, write {other}")
        await self._ask("STARTTLS", 220)
        if self._wire.waiting:  # said in the clear, to be taken as if it had come encrypted (CVE-2011-0411)
            raise Retryable("tls", f"{self._server.place} said more before the encryption than it may")
        await self._wire.secure(client_context(self._server.tls, alpn=()), _name(self._server))
        await self._hello()

    async def _login(self, user: str, password: str) -> None:
        ways = self._able.get("AUTH", "").split()
        if "PLAIN" in ways:
            await self._ask(f"AUTH PLAIN {_plain(user, password)}", 235, shown="AUTH PLAIN")
        elif "LOGIN" in ways:
            await self._ask("AUTH LOGIN", 334)
            await self._ask(_base64(user), 334, shown="AUTH LOGIN")
            await self._ask(_base64(password), 235, shown="AUTH LOGIN")
        else:
            offered = f"only {clean(', '.join(ways))}" if ways else "none"
            raise Permanent(
                "auth", f"{self._server.place} offers no login that is known here (PLAIN, LOGIN): {offered}"
            )

    async def _recipients(self, to: Sequence[str]) -> Refusals:
        """Who was refused. Raises when all were, Retryable if one of them may be taken later."""
        refused: dict[str, Retryable | Permanent] = {}
        for address in to:
            try:
                await self._ask(f"RCPT TO:<{address}>", 250, 251, 252)
            except (Retryable, Permanent) as refusal:
                if self._wire.ended:
                    raise
                refused[address] = refusal
        if len(refused) == len(to):
            raise next((each for each in refused.values() if isinstance(each, Retryable)), refused[to[0]])
        return refused

    async def _farewell(self) -> None:
        try:
            async with asyncio.timeout(FAREWELL):
                await self._ask("QUIT", 221)
        except (TimeoutError, OSError, Retryable, Permanent):
            return

    async def _ask(self, command: str, *wanted: int, shown: str = "") -> list[bytes]:
        self._wire.write(f"{command}\r\n".encode("ascii"))
        return self._check(shown or command, await self._wire.reply(), *wanted)

    def _check(self, said: str, reply: tuple[int, list[bytes]], *wanted: int) -> list[bytes]:
        """The lines of a reply that was wanted; otherwise Retryable or Permanent, by its first digit."""
        code, lines = reply
        if code in wanted:
            return lines
        if code == 421:  # it closes the connection, whatever it was asked (RFC 5321, 3.8)
            self._wire.abort()
        detail = clean(f"{said}: it answered {code} {clean_bytes(self._masked(b' '.join(lines)))}", 300)
        if code >= 500:
            raise Permanent("auth" if code in _LOGIN else "refused", detail)
        raise Retryable("server", detail)

    def _masked(self, text: bytes) -> bytes:
        """Without the password, also where the server repeats it, as it is or as one of the two logins had it."""
        password = self._server.password.reveal() if self._server.password else ""
        for form in (_plain(self._server.user, password), _base64(password), password) if password else ():
            text = text.replace(form.encode(), MASK.encode())
        return text


def _plain(user: str, password: str) -> str:
    """What AUTH PLAIN says of both (RFC 4616)."""
    return _base64(f"\0{user}\0{password}")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
