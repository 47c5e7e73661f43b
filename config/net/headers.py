"""HTTP header fields that a person writes: what is wrong with them, told before anything is sent; and kept secret."""

import re
from collections.abc import Collection, Iterator, Mapping

from config.types import Secret

#: Set by whoever sends a body; two of them that differ are how requests are smuggled.
FRAMING = frozenset({"connection", "content-encoding", "content-length", "content-type", "transfer-encoding"})

_SHORTEST = 6  # bytes of what can be a secret; to hide a "1" wherever it stands would hide much else

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\ud7ff\ue000-\U0010ffff]*")


def header_problems(headers: Mapping[str, Secret], ours: Collection[str] = FRAMING) -> Iterator[tuple[str, str]]:
    """Pairs (key, what is wrong; what would be right) for an option `headers`; `ours` are names in lower case."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            yield "headers", "has a name that no header can have; use letters, digits and dashes"
        elif name.lower() in ours:
            yield f"headers.{name}", "is set by Outrider itself; leave it out"
        elif not _VALUE.fullmatch(value.reveal()):
            yield f"headers.{name}", "has a line break or control character in its value; one line is allowed"


def secrets_of(headers: Mapping[str, Secret]) -> tuple[bytes, ...]:
    """What `hidden` hides of them: each value, and its last word, as what follows `Bearer`. The longest first."""
    values = [value.reveal().encode("utf-8", "surrogateescape") for value in headers.values()]
    found = {part for value in values for part in (value, value.rpartition(b" ")[2]) if len(part) >= _SHORTEST}
    return tuple(sorted(found, key=len, reverse=True))


def hidden(said: bytes, secrets: Collection[bytes]) -> bytes:
    """What a server said, which may repeat what it was sent, with stars for secrets: as long as it was, and parsed."""
    for secret in secrets:
        said = said.replace(secret, b"*" * len(secret))
    return said
