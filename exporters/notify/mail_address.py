"""What a person writes of mail: the server's address, and who sends and receives."""

import re
from dataclasses import dataclass
from typing import Self

from config.types import HostPort
from config.types.base import Unfit

LONGEST = 254  #: characters of an address, RFC 5321 4.5.3.1.3

# ASCII: anything else needs SMTPUTF8 at every server on the way. No quoted local parts either: nobody has one.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?!-)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_WRITTEN = re.compile(r"(?P<name>[^<>]*)<(?P<within>[^<>]*)>|(?P<bare>[^<>]*)")
_WRONG = "is no mail address; write name@example.org or Name <name@example.org>"


@dataclass(frozen=True, slots=True)
class MailHost:
    """The server that takes mail: `host`, or `host:port`; `port` is 0 where it is left to the encryption."""

    host: str
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it. Raises Unfit."""
        if ":" in text.rpartition("]")[2]:
            place = HostPort.parse(text)
            return cls(place.host, place.port)
        return cls(HostPort.parse(f"{text}:1").host)

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A text."""
        return {"description": "a mail server such as smtp.example.org or smtp.example.org:587", "type": "string"}

    def __str__(self) -> str:
        place = str(HostPort(self.host, self.port or 1))
        return place if self.port else place.removesuffix(":1")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Who: `name@example.org`, or `Name <name@example.org>`."""

    address: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it. Raises Unfit."""
        match = _WRITTEN.fullmatch(text) if text.isprintable() else None
        if match is None:
            raise Unfit(_WRONG)
        name, address = (match["name"] or "").strip().strip('"'), (match["within"] or match["bare"] or "").strip()
        if not address.isascii():
            raise Unfit("has an address beyond ASCII; write a domain as xn--..., and a local part in ASCII")
        if len(address) > LONGEST or not _ADDRESS.fullmatch(address):
            raise Unfit(_WRONG)
        return cls(address, name)

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A text with an @."""
        return {"description": "a mail address such as oncall@example.org", "type": "string", "pattern": "@"}

    @property
    def domain(self) -> str:
        """What follows the @."""
        return self.address.rpartition("@")[2]

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address
