"""Strict, bounded decompression of HTTP bodies: gzip and deflate.

aiohttp's own decoding accepts a truncated body, passes what it does not know, and stalls the loop on a bomb; so
whoever reads a body from outside turns it off and uses this.
"""

import zlib
from collections.abc import Iterator
from typing import Literal

Encoding = Literal["gzip", "deflate"]

SLICE = 64 * 1024  #: bytes put out at most between two yields: well under a millisecond of work
_STEP = 16 * 1024  # bytes taken in at once: zlib copies what it has not used yet on every call
_MAX_MEMBERS = 1000  # gzip members in one body; each costs a fresh window, an empty one only 20 bytes to send

_GZIP = 31  # zlib's window bits: 15, plus 16 for a gzip wrapper
_ZLIB = 15
_RAW = -15


class InflateError(ValueError):
    """The body cannot be taken as it is."""


class TooLarge(InflateError):  # noqa: N818 - reads as what is wrong with the body
    """It would become larger than the limit."""


class Malformed(InflateError):  # noqa: N818 - reads as what is wrong with the body
    """It is not valid in its encoding, is cut short, or has junk after its end."""


def encoding_of(header: str) -> Encoding | None:
    """The encoding that a Content-Encoding header names, None for identity. Raises LookupError for any other."""
    name = header.strip().lower()
    if name in ("", "identity"):
        return None
    if name in ("gzip", "x-gzip"):
        return "gzip"
    if name == "deflate":
        return "deflate"
    raise LookupError(f"the content encoding {name[:40]!r} is not known; gzip, deflate and identity are")


class Inflater:
    """Inflates one body, piece by piece.

    `deflate` means a zlib stream (RFC 9110 section 8.4.1.2); the raw streams that some servers send are understood
    too. A gzip body may have several members (RFC 1952). `produced` counts the bytes put out, never more than `limit`.
    """

    def __init__(self, encoding: Encoding, limit: int) -> None:
        self.encoding = encoding
        self.limit = limit
        self.produced = 0
        self._members = 1
        self._started = False
        # A deflate body shows by its first two bytes whether it has the zlib wrapper, so that one waits for them.
        self._stream = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
        self._head = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Inflate the next piece of the body, in slices of at most SLICE bytes. Raises TooLarge or Malformed.

        The caller may let the loop turn between two slices. All of the iterator must be used.
        """
        if self._stream is None:
            piece = self._head + piece
            if len(piece) < 2:
                self._head = piece
                return
            self._stream = zlib.decompressobj(_ZLIB if _has_zlib_header(piece) else _RAW)
        for start in range(0, len(piece), _STEP):
            yield from self._inflate(piece[start : start + _STEP])

    def finish(self) -> None:
        """Say that the body has ended. Raises Malformed when it ended too early."""
        if self._stream is None or not self._started or not self._stream.eof:
            raise Malformed(f"the {self.encoding} body is cut short")

    def _inflate(self, step: bytes) -> Iterator[bytes]:
        assert self._stream is not None  # noqa: S101 - for the type checker: feed has made it
        more = True
        while more:
            if self._stream.eof:
                self._stream = self._next_member()
            self._started = True
            # One byte more than is allowed tells "exactly the limit" from "more".
            room = min(SLICE, self.limit - self.produced + 1)
            try:
                out = self._stream.decompress(step, room)
            except zlib.error as error:
                raise Malformed(f"the body is not valid {self.encoding}: {_plain(error)}") from error
            self.produced += len(out)
            if self.produced > self.limit:
                self.produced = self.limit
                raise TooLarge(f"the {self.encoding} body inflates to more than {self.limit} bytes")
            step = self._stream.unconsumed_tail or self._stream.unused_data
            # A full slice may leave output inside zlib with no input left over.
            more = bool(step) or (len(out) == room and not self._stream.eof)
            if out:
                yield out

    def _next_member(self) -> "zlib._Decompress":
        if self.encoding != "gzip":
            raise Malformed("the deflate body has bytes after its end")
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise Malformed(f"the gzip body has more than {_MAX_MEMBERS} members")
        return zlib.decompressobj(_GZIP)


def inflate(body: bytes, encoding: Encoding | None, limit: int) -> bytes:
    """A whole body at once (None: as it is). Raises TooLarge or Malformed.

    Blocks for about 2 ms per MiB put out: where `limit` is larger than a few MiB, use Inflater.
    """
    if encoding is None:
        if len(body) > limit:
            raise TooLarge(f"the body has more than {limit} bytes")
        return body
    inflater = Inflater(encoding, limit)
    out = b"".join(inflater.feed(body))
    inflater.finish()
    return out


def _has_zlib_header(head: bytes) -> bool:
    """RFC 1950: method 8 and a check that makes the first two bytes a multiple of 31."""
    return head[0] & 0x0F == 8 and (head[0] << 8 | head[1]) % 31 == 0


def _plain(error: zlib.error) -> str:
    """`Error -3 while decompressing data: incorrect header check` -> `incorrect header check`."""
    return str(error).rpartition(": ")[2]
