"""The body of one answer: counted, decompressed and kept, never beyond the limit."""

from config.net.inflate import Encoding, Inflater, Malformed, TooLarge, encoding_of
from probes.base import ProbeFailed
from probes.reason import Reason


class Body:
    """`wire` bytes came, `size` bytes they are after decompression; `content` holds them where they are wanted."""

    def __init__(self, encoding: Encoding | None, limit: int, *, keep: bool) -> None:
        self.wire = 0
        self.size = 0
        self.content = bytearray()
        self._limit = int(limit)  # a Size would be told with its own unit
        self._inflater = Inflater(encoding, self._limit) if encoding is not None else None
        self._keep = keep

    def take(self, piece: bytes) -> None:
        """The next piece off the wire. Raises ProbeFailed."""
        self.wire += len(piece)
        try:
            for part in (piece,) if self._inflater is None else self._inflater.feed(piece):
                self._add(part)
        except TooLarge as error:
            self.size = self._limit
            raise ProbeFailed(Reason.BODY_TOO_LARGE, str(error)) from error
        except Malformed as error:
            raise ProbeFailed(Reason.PROTOCOL, str(error)) from error

    def finish(self) -> None:
        """The body has ended. Raises ProbeFailed when its encoding says that it should not have."""
        if self._inflater is None or not self.wire:
            return
        try:
            self._inflater.finish()
        except Malformed as error:
            raise ProbeFailed(Reason.PROTOCOL, str(error)) from error

    def _add(self, part: bytes) -> None:
        self.size += len(part)
        if self.size > self._limit:
            raise TooLarge(f"the body has more than {self._limit} bytes")
        if self._keep:
            self.content += part


def body_encoding(header: str, asked: str) -> Encoding | None:
    """How to decode a body: as its header says, where that is known. Raises ProbeFailed when something else was asked.

    A body that was sent compressed without being asked is decompressed all the same: rules look at what it says. One
    in an encoding that is not known is taken as it is.
    """
    try:
        encoding = encoding_of(header)
    except LookupError:
        if asked == "none":
            return None
        raise _unasked(header, asked) from None
    if encoding is not None and asked not in ("none", encoding):
        raise _unasked(header, asked)
    return encoding


def _unasked(header: str, asked: str) -> ProbeFailed:
    return ProbeFailed(Reason.PROTOCOL, f"the body is encoded as {header[:40]!r}, and {asked} was asked for")
