"""One alert in words for people: short, bounded, and nothing in it that a receiver takes for markup."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice

from config.net.text import MARK, clean
from exporters.base import Alert

SPOKEN = frozenset({"summary", "description", "runbook_url"})  #: annotations with a place of their own

_SENTENCES = frozenset({"root_cause", "last_deploy", "budget_left"})  # annotations that a description may hold too
_ROWS, _NAME, _VALUE = 20, 100, 1000
_LINES = 50
_LINK = re.compile(r"https?://[^\s<>|\"\\^`{}]{1,800}")


def headline(alert: Alert) -> str:
    """`Firing (page): what burns`, or `Resolved after 12 min: what burned`. One line, never empty."""
    said = clean(alert.annotations.get("summary", ""), _VALUE) or clean(alert.name) or "an alert"
    if alert.resolved_at is None:
        return f"Firing ({alert.severity}): {said}"
    return f"Resolved after {span(alert.resolved_at - alert.started_at)}: {said}"


def span(seconds: float) -> str:
    """A length of time in its two largest units: `45 s`, `12 min`, `1 h 5 min`, `2 d 3 h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    (size, unit), (small, name) = ((3600, "h"), (60, "min")) if whole < 86400 else ((86400, "d"), (3600, "h"))
    rest = whole % size // small
    return f"{whole // size} {unit}" + (f" {rest} {name}" if rest else "")


def link(alert: Alert) -> str:
    """The runbook's address where it is one that may become a link; else ""."""
    url = alert.annotations.get("runbook_url", "")
    return url if _LINK.fullmatch(url) and clean(url, 1000) == url else ""


def details(alert: Alert) -> dict[str, str]:
    """The annotations that have no place of their own, and a runbook that is no link."""
    shown = {"runbook_url"} if not link(alert) else set()
    return {name: text for name, text in alert.annotations.items() if name not in SPOKEN - shown}


def beside(alert: Alert) -> dict[str, str]:
    """The details, but for what the description says already, word for word."""
    said = alert.annotations.get("description", "")
    return {name: text for name, text in details(alert).items() if name not in _SENTENCES or text not in said}


def paragraph(text: str, limit: int) -> str:
    """Like `clean`, but lines stay lines; empty ones go."""
    lines = (clean(line, limit) for line in text[: limit * 4].splitlines()[:_LINES])
    return fit("\n".join(line for line in lines if line) + (MARK if len(text) > limit * 4 else ""), limit)


def rows(texts: Mapping[str, str], limit: int) -> Iterable[tuple[str, str]]:
    """Names with their texts, one line each; at most 20, and together at most `limit` UTF-16 units with two for each.

    Empty ones are left out.
    """
    room = limit
    lines = ((name, line) for name, text in texts.items() if (line := clean(text, _VALUE)))
    for name, line in islice(lines, _ROWS):
        shown = fit(clean(name, _NAME), _NAME)
        room -= units(shown) + 3
        if room < 1:
            return
        value = fit(line, min(_VALUE, room))
        room -= units(value)
        yield shown, value


def fit(text: str, limit: int, escapes: Mapping[str, str] | None = None) -> str:
    """`text` with its characters escaped, cut to `limit` UTF-16 units; no escape is cut in two.

    Units, because receivers written in JavaScript, Java or C# count those; so what fits here fits any count.
    """
    table = escapes or {}
    pieces = [table.get(character, character) for character in text[: limit + 1]]
    if units("".join(pieces)) <= limit:
        return "".join(pieces)
    room, kept = limit - len(MARK), []
    for piece in pieces:
        room -= units(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + MARK


def units(text: str) -> int:
    """The length of a text in UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
