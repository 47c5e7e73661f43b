"""Where to connect to, and where to listen."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Self

from config.types.base import Unfit

_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?")
_UNIX = "unix:"
_LONGEST_PATH = 107  # bytes in a Unix socket's address on Linux, without the closing zero


def is_loopback(host: str) -> bool:
    """Whether a host, as written, is this machine itself: localhost, 127.0.0.0/8 or ::1. Nothing is resolved."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        name = host.rstrip(".").lower()
        return name == "localhost" or name.endswith(".localhost")


def _split(text: str, lowest: int) -> tuple[str, int]:
    """Host without brackets, and port."""
    host, colon, port = text.rpartition(":")
    if not colon:
        raise Unfit("has no port; write host:port, such as 10.0.0.1:8080")
    if not (port.isascii() and port.isdigit() and lowest <= int(port[:6]) < 65536):
        raise Unfit(f"has a port that is not a number from {lowest} to 65535; write host:port, such as 10.0.0.1:8080")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        _check_ipv6(host)
    elif ":" in host:
        raise Unfit("holds an IPv6 address without brackets; write [::1]:8080")
    elif host != "*" and not _NAME.fullmatch(host):
        raise Unfit("names no host that can exist; write host:port, such as 10.0.0.1:8080")
    return host, int(port)


def _check_ipv6(host: str) -> None:
    try:
        IPv6Address(host)
    except ValueError:
        raise Unfit("has brackets around something that is no IPv6 address; write [::1]:8080") from None


@dataclass(frozen=True, slots=True)
class HostPort:
    """A TCP or UDP address. Written `host:port`; an IPv6 address in brackets."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address to connect to."""
        host, port = _split(text, 1)
        if host == "*":
            raise Unfit("does not say which host; write host:port, such as 10.0.0.1:8080")
        return cls(host, port)

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A text that ends in a port."""
        return {"description": "an address such as 10.0.0.1:8080", "type": "string", "pattern": "^.+:[0-9]+$"}

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine, as written."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen: `*:9740` (every address, IPv4 and IPv6), `127.0.0.1:9740` or `unix:/path`.

    `path` is set for a Unix socket only; then `host` is "" and `port` 0. Port 0 lets the system choose.
    """

    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address to listen on."""
        if not text.startswith(_UNIX):
            return cls(*_split(text, 0))
        path = text.removeprefix(_UNIX)
        if not path.startswith("/") or path.endswith("/") or "\0" in path:
            raise Unfit("is not an absolute path of a socket; write unix:/run/outrider.sock")
        if len(path.encode(errors="surrogateescape")) > _LONGEST_PATH:
            raise Unfit(f"is longer than the {_LONGEST_PATH} bytes a socket's path may have; write a shorter one")
        return cls("", 0, path)

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """A text that ends in a port, or a Unix socket's path."""
        return {
            "description": "an address such as 127.0.0.1:9741, *:9740 or unix:/run/outrider.sock",
            "type": "string",
            "pattern": "^(unix:/.+|.+:[0-9]+)$",
        }

    @property
    def local(self) -> bool:
        """Whether only this machine (or pod) can reach it."""
        return bool(self.path) or is_loopback(self.host)

    def __str__(self) -> str:
        return f"{_UNIX}{self.path}" if self.path else str(HostPort(self.host, self.port))
