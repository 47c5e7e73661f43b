"""The text of a metrics page (Prometheus 0.0.4 or OpenMetrics 1.0): only the samples that are wanted are read.

A page may have 50,000 series of which five are wanted. Everything else is passed by at one look a line, and the loop
gets its turn between pieces, so that no page holds up a health check.
"""

import asyncio
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from config.net.text import clean_bytes
from probes.base import ProbeFailed
from probes.reason import Reason

PIECE = 24 * 1024  #: bytes looked at in one go: 1 to 3 ms
MAX_LINE = 16 * 1024  #: bytes of a line that is wanted
MAX_SAMPLES = 5_000  #: that are wanted, on one page

_BLOCK = rb'(?:[^"}]++|"(?:[^"\\]++|\\.)*+")*+'
_SAMPLE = re.compile(
    rb"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:[ \t]*\{("
    + _BLOCK
    + rb")\}[ \t]*|[ \t]+)([^ \t_]++)(?:[ \t]+[^ \t#]++)?[ \t]*(?:#.*)?"
)
_TYPE = re.compile(rb"#[ \t]+TYPE[ \t]+([^ \t]+)[ \t]+([a-z]+)[ \t]*")
_TEXT = rb'"((?:[^"\\]++|\\.)*+)"'
_LABEL = re.compile(rb"[ \t]*(?:([a-zA-Z_][a-zA-Z0-9_]*)|" + _TEXT + rb")[ \t]*=[ \t]*" + _TEXT + rb"[ \t]*(?:,|$)")
_QUOTED = re.compile(rb"\{[ \t]*" + _TEXT + rb"[ \t]*[,}]")  # a name that only Prometheus 3 can have
_ESCAPED = re.compile(r'\\([\\"n])')


class Line(NamedTuple):
    """One sample: a key of its series, its labels, and its value."""

    series: int
    labels: Mapping[str, str]
    value: float


@dataclass(slots=True)
class Page:
    """What was wanted of one page: samples by name, and the types that it declares."""

    samples: dict[str, list[Line]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    _seen: set[tuple[str, int]] = field(default_factory=set)

    def add(self, metric: str, line: Line) -> None:
        """One sample; of a series that is there twice the first one counts, as in Prometheus."""
        if (metric, line.series) not in self._seen:
            self._seen.add((metric, line.series))
            self.samples.setdefault(metric, []).append(line)

    def type_of(self, metric: str) -> str:
        """The declared type of a sample's family, "" where there is none; OpenMetrics leaves `_total` off."""
        return self.types.get(metric) or self.types.get(metric.removesuffix("_total"), "")

    def knows(self, metric: str) -> bool:
        """Whether the page has the metric at all, with samples or without."""
        return metric in self.samples or bool(self.type_of(metric) or self.type_of(metric.removesuffix("_bucket")))


async def read(body: bytes, metrics: Collection[str]) -> Page:
    """The samples of these names. Raises ProbeFailed when the page is none, or has too many of them."""
    page, wanted = Page(), frozenset(metrics)
    starts = tuple(name.encode() for name in wanted)
    declared = tuple(b"# TYPE %s " % family for name in starts for family in _families(name))
    budget, first = MAX_SAMPLES, True
    for piece in _pieces(body):
        for line in piece.split(b"\n"):
            if first and line.strip():
                _look_like_a_page(line)
                first = False
            if line.startswith(declared):
                _declare(page, line)
            elif line.startswith(starts) and _take(page, line, wanted):
                budget -= 1
        if budget < 0:
            text = f"more than {MAX_SAMPLES} series are wanted; narrow them with labels, or let the service show fewer"
            raise ProbeFailed(Reason.BODY_TOO_LARGE, text)
        await asyncio.sleep(0)
    return page


def _pieces(body: bytes) -> Iterator[bytes]:
    """The body cut at ends of lines."""
    start = 0
    while start < len(body):
        end = body.rfind(b"\n", start, start + PIECE)
        if end < 0:
            end = body.find(b"\n", start + PIECE)
        end = len(body) if end < 0 else end
        yield body[start:end]
        start = end + 1


def _families(name: bytes) -> set[bytes]:
    """What a TYPE line may call the family of a sample."""
    return {name, name.removesuffix(b"_total"), name.removesuffix(b"_bucket")}


def _look_like_a_page(line: bytes) -> None:
    if line.startswith(b"#") or _QUOTED.match(line):
        return
    if len(line) > MAX_LINE or not _SAMPLE.fullmatch(line.strip()):
        raise ProbeFailed(Reason.PROTOCOL, f"not a page of Prometheus metrics: {clean_bytes(line, 60)!r}")


def _declare(page: Page, line: bytes) -> None:
    if len(line) <= MAX_LINE and (declared := _TYPE.fullmatch(line)):
        page.types[declared[1].decode("utf-8", "replace")] = declared[2].decode()


def _take(page: Page, line: bytes, wanted: Collection[str]) -> bool:
    """Keep a sample whose whole name is wanted, not only the beginning of its name."""
    name = re.split(rb"[ \t{]", line[:MAX_LINE], maxsplit=1)[0].decode("utf-8", "replace")
    if name not in wanted:
        return False
    sample = _SAMPLE.fullmatch(line) if len(line) <= MAX_LINE else None
    if sample is None:
        raise _malformed(line)
    try:
        value = float(sample[3])
    except ValueError:
        raise _malformed(line) from None
    block = (sample[2] or b"").rstrip()
    page.add(name, Line(hash(block), _labels(block), value))
    return True


def _labels(block: bytes) -> dict[str, str]:
    """What stands between the braces."""
    found: dict[str, str] = {}
    at = 0
    while at < len(block):
        label = _LABEL.match(block, at)
        if label is None:
            raise _malformed(block)
        found[_text(label[1] or label[2])] = _text(label[3])
        at = label.end()
    return found


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return _ESCAPED.sub(_unescaped, text) if "\\" in text else text


def _unescaped(escape: re.Match[str]) -> str:
    return "\n" if escape[1] == "n" else escape[1]


def _malformed(line: bytes) -> ProbeFailed:
    return ProbeFailed(Reason.PROTOCOL, f"a line that cannot be read: {clean_bytes(line, 80)!r}")
