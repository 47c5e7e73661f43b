"""What an X.509 certificate says of itself, read from its DER bytes.

The ssl module tells it only of certificates that passed verification; a probe must know it of the others above all.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from config.net.text import clean_bytes

_SEQUENCE = 0x30
_VERSION = 0xA0
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_COMMON_NAME = bytes.fromhex("0603550403")  # OBJECT IDENTIFIER 2.5.4.3
_ORGANIZATION = bytes.fromhex("060355040a")  # 2.5.4.10


@dataclass(frozen=True, slots=True)
class Certificate:
    """Validity in Unix time, and the issuer's common name (else its organization, else "")."""

    not_before: float
    not_after: float
    issuer: str


@lru_cache(maxsize=32)
def read_certificate(der: bytes) -> Certificate:
    """Read a certificate (RFC 5280 section 4.1). Raises ValueError when the bytes are not one."""
    try:
        fields = _children(_children(_only(der))[0])
        first = 1 if fields[0][0] == _VERSION else 0  # the version is left out for version 1
        issuer, validity = fields[first + 2], fields[first + 3]
        begin, end = _children(validity)
        return Certificate(_time(begin), _time(end), _issuer(issuer))
    except (IndexError, ValueError) as error:
        raise ValueError(f"not an X.509 certificate: {error}") from None


_Element = tuple[int, bytes]  # tag, content


def _element(data: bytes, at: int) -> tuple[_Element, int]:
    """The element that starts at `at`, and where the next one starts."""
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:  # the long form: so many bytes of length follow
        size = length & 0x7F
        if not 1 <= size <= 4:
            raise ValueError("a length of no sensible size")
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if start + length > len(data):
        raise ValueError("cut short")
    return (tag, data[start : start + length]), start + length


def _only(data: bytes) -> _Element:
    return _element(data, 0)[0]


def _children(element: _Element) -> list[_Element]:
    _, content = element
    found, at = [], 0
    while at < len(content):
        child, at = _element(content, at)
        found.append(child)
    return found


def _time(element: _Element) -> float:
    tag, content = element
    text = content.decode("ascii")
    if tag == _UTC_TIME:  # two digits of year, 1950 to 2049
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("a time of an unknown kind")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _issuer(name: _Element) -> str:
    for wanted in (_COMMON_NAME, _ORGANIZATION):
        for part in _children(name):
            for attribute in _children(part):
                if attribute[1].startswith(wanted):
                    _, value = _element(attribute[1], len(wanted))[0]
                    return clean_bytes(value, 64)
    return ""
