"""The page that Prometheus reads: negotiated, encoded by prometheus_client, in slices that never hold the loop long."""

import asyncio
import zlib
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import exposition as text
from prometheus_client.openmetrics import exposition as openmetrics

from config.net.accept import preferences
from exporters.base import SampleSource
from exporters.prometheus import Slice, Snapshot, snapshot

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

SLICE_LINES = 100  #: encoded in one go: about 1 ms on an idle core (bench/exposition.py), and room for a busy one
SLICE_BYTES = 65536  #: compressed in one go: about 1 ms

_EOF = b"# EOF\n"


def negotiate(accept: str) -> str:
    """The content type to answer with: the dearest of those we speak, the text format where nothing fits.

    A scrape that asks for the impossible still gets a page: losing metrics helps nobody.
    """
    best, answer = 0.0, TEXT
    for media, parameters, weight in preferences(accept):
        speaks = media == "application/openmetrics-text" and parameters.get("version", "1.0.0") in {"1.0.0", "0.0.1"}
        if weight > best and (speaks or media in {"text/plain", "text/*", "*/*"}):
            best, answer = weight, OPENMETRICS if speaks else TEXT
    return answer


def gzip_accepted(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` header takes gzip. A header that is not there does not."""
    weights = {coding: weight for coding, _, weight in preferences(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


async def page(sources: Iterable[SampleSource], accept: str = "", *, blackbox_names: bool = False) -> tuple[bytes, str]:
    """The page and its content type. All numbers are of one moment; only the encoding is spread over time."""
    content_type = negotiate(accept)
    now = snapshot(sources, blackbox_names=blackbox_names)
    pieces = []
    for piece in encoded(now, content_type, SLICE_LINES):
        pieces.append(piece)
        await asyncio.sleep(0)
    return b"".join(pieces), content_type


async def compressed(body: bytes) -> bytes:
    """The same bytes under gzip, in slices."""
    packer = zlib.compressobj(wbits=31)
    pieces = []
    for start in range(0, len(body), SLICE_BYTES):
        pieces.append(packer.compress(body[start : start + SLICE_BYTES]))
        await asyncio.sleep(0)
    return b"".join((*pieces, packer.flush()))


def encoded(now: Snapshot, content_type: str, lines: int) -> Iterator[bytes]:
    """The page in pieces of about `lines` lines; joined they are what one go would have given."""
    if content_type == OPENMETRICS:
        for part in now.slices(lines):
            yield _encode(openmetrics.generate_latest, part).removesuffix(_EOF)
        yield _EOF
    else:
        for part in now.slices(lines):
            yield _encode(text.generate_latest, part)


def _encode(encoder: Callable[[Slice], bytes], part: Slice) -> bytes:
    page_ = encoder(part)
    # Only comments start with "#", and those of a family come before its samples.
    while part.continued and page_.startswith(b"# "):
        page_ = page_[page_.index(b"\n") + 1 :]
    return page_
