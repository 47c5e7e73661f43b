"""Values that must not be shown: secrets, and addresses that may hold one."""

import re
from typing import Self
from urllib.parse import SplitResult, urlsplit

from config.types.base import Unfit

MASK = "***"
_SHAPE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\x00-\x1f\x7f\ud800-\udfff]*")


class Secret:
    """A text that prints as `***`. Only `reveal` gives it away; call it where the text leaves for its target."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself."""
        return self._text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take any text."""
        return cls(text)

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """Any text."""
        return {"description": "a secret, best a reference such as ${file:/run/secrets/token}", "type": "string"}

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and type(other) is type(self) and other.reveal() == self.reveal()

    def __hash__(self) -> int:
        return hash((type(self), self._text))


class Url(Secret):
    """An address `scheme://user:password@host:port/path?query`, printed with user information and query masked."""

    __slots__ = ("_parts", "_ports")

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._parts = _split(text)
        self._ports = _ports(self._parts)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an absolute URL. Several hosts, as libpq allows them, are separated by commas."""
        return cls(text)

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A text with a scheme."""
        return {
            "description": "a URL such as https://host:8080/path",
            "type": "string",
            "pattern": "^[A-Za-z][A-Za-z0-9+.-]*://",
        }

    @property
    def scheme(self) -> str:
        """In lower case, without `://`."""
        return self._parts.scheme

    @property
    def host(self) -> str:
        """The first host, without brackets; "" where there is none (`unix:///path`)."""
        return _host(_places(self._parts)[0])

    @property
    def port(self) -> int | None:
        """The first host's port; None where it is left to the scheme."""
        return self._ports[0]

    @property
    def path(self) -> str:
        """From the first slash on, without the query."""
        return self._parts.path

    def __str__(self) -> str:
        user, at, places = self._parts.netloc.rpartition("@")
        path = self._parts.path
        if not at and ":" in places and "@" in self._parts.path + self._parts.query + self._parts.fragment:
            # A password with a raw "/", "?" or "#" was cut in two: show only what follows it.
            return f"{self.scheme}://{MASK}@{self._text.rpartition('@')[2].partition('?')[0]}"
        query = "&".join(f"{pair.partition('=')[0]}={MASK}" for pair in self._parts.query.split("&") if pair)
        shown = f"{self.scheme}://{_masked_user(user) if at else ''}{at}{places}{path}"
        return shown + (f"?{query}" if query else "") + (f"#{MASK}" if self._parts.fragment else "")


class SecretUrl(Url):
    """A URL whose path is a password: whoever knows it may post. Printed as scheme, host and port."""

    __slots__ = ()

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A URL."""
        return Url.json_schema() | {"description": "a URL that is a secret as a whole, best a reference such as ${VAR}"}

    def __str__(self) -> str:
        place = _places(self._parts)[0]
        return f"{self.scheme}://{place}/{MASK}"


def _masked_user(user: str) -> str:
    """The name stays; a name without a password is often a token, so it goes."""
    name, _, password = user.partition(":")
    return f"{name}:{MASK}" if password else MASK


def _split(text: str) -> SplitResult:
    if not _SHAPE.fullmatch(text):
        raise Unfit("is not a URL; write one such as https://host:8080/path")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise Unfit("has a host that cannot be read; write an IPv6 address in brackets: http://[::1]:8080") from None
    if parts.scheme in {"http", "https"} and not _host(_places(parts)[0]):
        raise Unfit("names no host; write one such as https://host:8080/path")
    return parts


def _places(parts: SplitResult) -> list[str]:
    return parts.netloc.rpartition("@")[2].split(",")


def _host(place: str) -> str:
    if place.startswith("["):
        return place[1:].partition("]")[0].lower()
    return place.partition(":")[0].lower()


def _ports(parts: SplitResult) -> list[int | None]:
    found: list[int | None] = []
    for place in _places(parts):
        port = place.rpartition("]")[2].partition(":")[2]
        if not port:
            found.append(None)
        elif port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536:
            found.append(int(port))
        else:
            raise Unfit("has a port that is not a number from 1 to 65535; write / ? # @ : in a password as %2F %3F ...")
    return found
