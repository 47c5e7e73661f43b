"""Text from outside, made fit for a log line, a label or a page; and moments as text."""

import re
from datetime import UTC, datetime

MARK = "…"  #: ends a text that was cut

# Controls (C0, DEL, C1), line and paragraph separators, and the characters that reorder what a reader sees.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\\s]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str, limit: int = 200) -> str:
    """One printable line of at most `limit` characters.

    Runs of white space and control characters become one space (a newline would forge a log line, an escape would
    paint a terminal), lone surrogates become U+FFFD (one of them breaks a whole scrape), and what is cut off ends in
    `MARK`. The cost is bounded by `limit`, not by the text.
    """
    window = text[: limit * 4 + 64]  # enough to fill the limit even when most of it is white space
    line = _SURROGATE.sub("\ufffd", _UNPRINTABLE.sub(" ", window)).strip()
    if len(line) <= limit and len(window) == len(text):
        return line
    return line[: max(0, limit - 1)].rstrip() + MARK


def clean_bytes(raw: bytes, limit: int = 200) -> str:
    """Like `clean`, for bytes that should be UTF-8; what is not becomes U+FFFD."""
    kept = raw[: limit * 8 + 64]
    text = kept.decode("utf-8", "replace")
    return clean(text if len(kept) == len(raw) else text + " " * (limit * 4 + 64), limit)


def rfc3339(at: float) -> str:
    """Unix time as text, in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
