"""What a person may write for a `redis` probe."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Meta

from config.net.tls import TlsOptions
from config.options import Options
from config.types import Duration, Url

_PLAIN = ("redis", "valkey")
_SECURE = ("rediss", "valkeys")
_PORT = 6379


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL points, taken apart. With a `path` it is a Unix socket."""

    host: str
    port: int
    path: str
    secure: bool
    username: str
    password: str = field(repr=False)
    database: int


class WriteCheck(Options, frozen=True):
    """Write a key, read it back and compare."""

    key: Annotated[str, Meta(description="the key; by default one of this replica's own")] = ""
    ttl: Annotated[Duration, Meta(description="the server forgets the key after this time, at least 1s")] = Duration(60)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules that the types do not hold."""
        if self.ttl < 1:
            yield "ttl", f"{self.ttl} is too short to be read back; write 1s or more"


class RedisOptions(Options, frozen=True):
    """Options of the `redis` probe."""

    url: Annotated[
        Url,
        Meta(description="redis://user:password@host:6379/0, rediss:// for TLS, unix:///path/to/socket?db=0"),
    ]
    role: Annotated[Literal["any", "master", "replica"], Meta(description="the role the service needs")] = "any"
    write_check: Annotated[
        bool | WriteCheck,
        Meta(description="true, or `{key, ttl}`: also write a key, read it back and compare"),
    ] = False
    tls: Annotated[TlsOptions, Meta(description="for rediss://: roots, client certificate, name")] = TlsOptions()

    def place(self) -> Place:
        """The parts of the URL. Raises ValueError, which says what is wrong, and never the URL."""
        parts = urlsplit(self.url.reveal())
        query = parse_qs(parts.query)
        socket = parts.path if self.url.scheme == "unix" else ""
        number = query["db"][-1] if "db" in query else "" if socket else parts.path.strip("/")
        if number and not (number.isascii() and number.isdigit()):
            raise ValueError("names a database that is not a number; write redis://host:6379/0")
        return Place(
            host=self.url.host or "localhost",
            port=self.url.port or _PORT,
            path=socket,
            secure=self.url.scheme in _SECURE,
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=int(number or 0),
        )

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules that the types do not hold."""
        if self.url.scheme not in (*_PLAIN, *_SECURE, "unix"):
            yield "url", f"`{self.url.scheme}://` is not Redis; write redis://, rediss:// or unix://"
            return
        if self.url.scheme == "unix" and not self.url.path:
            yield "url", "names no socket; write unix:///path/to/socket"
        try:
            self.place()
        except ValueError as error:
            yield "url", str(error)
        if self.tls != TlsOptions() and self.url.scheme not in _SECURE:
            yield "tls", f"`{self.url.scheme}://` speaks no TLS; write rediss://, or leave `tls` out"
