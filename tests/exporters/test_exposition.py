"""The page: negotiated, golden, parseable whatever the labels say, the same in slices as in one go."""

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporters.base import Histogram, Sample
from exporters.contract import PROBE_BUCKETS
from exporters.exposition import OPENMETRICS, SLICE_LINES, TEXT, compressed, encoded, gzip_accepted, negotiate, page
from exporters.prometheus import snapshot
from tests.exporters.sources import Everything, Told

GOLDEN = Path(__file__).parent / "golden" / "metrics.txt"

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


async def test_golden_page():
    """Every name, label, HELP and number format stays as people's rules know them (REGENERATE=1 rewrites the file)."""
    body, content_type = await page([Everything()])
    if os.environ.get("REGENERATE"):
        GOLDEN.write_bytes(body)
    assert content_type == TEXT
    assert body.decode() == GOLDEN.read_text()


@pytest.mark.parametrize("blackbox_names", [False, True])
async def test_promtool_finds_nothing_to_complain_about(blackbox_names):
    """Prometheus' own linter accepts every name and every line."""
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "promtool must be installed in CI"
        pytest.skip("promtool is not installed")
    body, _ = await page([Everything()], blackbox_names=blackbox_names)
    done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/*", TEXT),
        ("text/plain", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ('Application/OpenMetrics-Text; Version="1.0.0"; charset=utf-8', OPENMETRICS),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.7", TEXT),
        ("application/openmetrics-text;version=2.0.0, text/plain;q=0.1", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=high", TEXT),
        ("application/openmetrics-text;q=nan, text/plain;q=0.9", TEXT),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", TEXT),
        (",;,=;q", TEXT),
    ],
)
def test_the_format_is_negotiated(accept, content_type):
    """The highest q among what we speak wins; what cannot be answered gets the text format, never an error."""
    assert negotiate(accept) == content_type


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("*", True),
        ("gzip;q=0, *", False),
        ("br", False),
    ],
)
def test_gzip_is_negotiated(header, accepted):
    """Only who says so gets a compressed page."""
    assert gzip_accepted(header) is accepted


async def test_openmetrics_page_parses_and_ends_once():
    """The strict parser takes it, and its end mark stands once, at the end, however many slices there were."""
    body, content_type = await page([Everything(), many(3 * SLICE_LINES)], PROMETHEUS_2)
    assert content_type == OPENMETRICS
    assert body.count(b"# EOF") == 1
    assert body.endswith(b"\n# EOF\n")
    assert len(list(parse_openmetrics(body.decode()))) > 40


async def test_an_agent_with_nothing_to_say_still_has_a_page():
    """No source at all is a valid page."""
    body, _ = await page([], PROMETHEUS_2)
    assert [family.name for family in parse_openmetrics(body.decode())] == ["outrider_metrics_left_off"]


def many(count):
    """A source with `count` lines in one family, then a histogram."""
    attempts = [Sample((f"p{number}", "http", "fresh", "", "pass", "ok"), number) for number in range(count)]
    counts = tuple(range(len(PROBE_BUCKETS)))
    durations = [Histogram((f"p{number}", "http"), counts, 0.5) for number in range(40)]
    return Told([("outrider_probe_attempts_total", attempts), ("outrider_probe_duration_seconds", durations)])


@pytest.mark.parametrize("content_type", [TEXT, OPENMETRICS])
@given(lines=st.integers(1, 60), count=st.integers(0, 60))
def test_slices_join_to_the_page_of_one_go(content_type, lines, count):
    """Wherever the cuts fall, HELP and TYPE stand once and no byte differs."""
    now = snapshot([Everything(), many(count)])
    pieces = list(encoded(now, content_type, lines))
    assert b"".join(pieces) == b"".join(encoded(now, content_type, 10**9))
    assert max(piece.count(b"\n") for piece in pieces) <= 4 * (lines + len(PROBE_BUCKETS) + 2)


@given(values=st.lists(st.text() | st.text(st.characters(codec=None, min_codepoint=0xD7FF, max_codepoint=0xE000))))
def test_any_text_as_a_label_gives_a_page_that_parses(values):
    """Quotes, backslashes, newlines, NUL, lone surrogates: every sample is read back, or counted as a double."""
    now = snapshot([Told([("outrider_task_restarts_total", [Sample((value,), 1) for value in values])])])
    for content_type, parse in ((TEXT, parse_text), (OPENMETRICS, parse_openmetrics)):
        body = b"".join(encoded(now, content_type, 3)).decode()
        read = {(one.name, *one.labels.values()): one.value for family in parse(body) for one in family.samples}
        shown = sum(name == "outrider_task_restarts_total" for name, *_ in read)
        assert shown + read["outrider_metrics_left_off", "duplicate"] == len(values)
        assert read["outrider_metrics_left_off", "malformed"] == 0


@given(value=st.floats() | st.integers())
def test_any_number_gives_a_page_that_parses(value):
    """NaN, infinities and integers too large for a float included."""
    now = snapshot([Told([("outrider_ready", [Sample((), value)])])])
    body = b"".join(encoded(now, OPENMETRICS, 3)).decode()
    assert list(parse_openmetrics(body))


async def test_compression_is_lossless_across_slices():
    """What a scraper unpacks is the page."""
    body, _ = await page([many(4000)])
    packed = await compressed(body)
    assert gzip.decompress(packed) == body
    assert len(packed) < len(body) / 5


async def test_the_loop_turns_while_a_page_is_made():
    """Other tasks run between the slices: a scrape never holds the loop for its whole length."""
    import asyncio

    turns = 0

    async def spin():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    spinning = asyncio.create_task(spin())
    await page([many(10 * SLICE_LINES)])
    spinning.cancel()
    assert turns >= 10
