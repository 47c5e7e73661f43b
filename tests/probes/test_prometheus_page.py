"""The text of a metrics page: what is read, what is refused, and that nothing stands still meanwhile."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from probes.base import ProbeFailed
from probes.prometheus.page import MAX_SAMPLES, PIECE, read

TEXT = rb"""
# HELP jobs_total Jobs.
# TYPE jobs_total counter
jobs_total{queue="a b",note="say \"hi\" } \\ \n,"} 3 1700000000000
jobs_total {queue="b", } 4e2
jobs_total_extra 9
jobs_totally{x="1"} 9
jobs_total 5
# TYPE depth gauge
depth NaN
load -Inf
"""


async def test_only_what_is_wanted_is_read():
    """Whole names, labels with every escape, timestamps and white space, as the format allows them."""
    page = await read(TEXT, {"jobs_total", "depth"})
    assert [(line.labels, line.value) for line in page.samples["jobs_total"]] == [
        ({"queue": "a b", "note": 'say "hi" } \\ \n,'}, 3.0), ({"queue": "b"}, 400.0), ({}, 5.0),
    ]  # fmt: skip
    assert page.samples.keys() == {"jobs_total", "depth"}
    assert page.types == {"jobs_total": "counter", "depth": "gauge"}


async def test_it_reads_what_the_client_library_reads():
    """The same samples as prometheus_client's own parser, on a page of many pieces."""
    text = "# TYPE requests_total counter\n" + "".join(
        f'requests_total{{path="/orders/{number}",code="200"}} {number}\n' for number in range(4000)
    )
    assert len(text) > 4 * PIECE
    (family,) = text_string_to_metric_families(text)
    page = await read(text.encode(), {"requests_total"})
    ours = [(line.labels, line.value) for line in page.samples["requests_total"]]
    assert ours == [(sample.labels, sample.value) for sample in family.samples]


async def test_openmetrics_is_read_too():
    """Exemplars, timestamps in seconds, `# EOF`, and families named without `_total`."""
    text = b'# TYPE jobs counter\njobs_total{q="a"} 3.0 1700000000.1 # {trace_id="ab#c"} 1.0\njobs_created 1e9\n# EOF\n'
    page = await read(text, {"jobs_total"})
    assert [line.value for line in page.samples["jobs_total"]] == [3.0]
    assert page.type_of("jobs_total") == "counter"


async def test_names_of_labels_may_be_any_text():
    """As Prometheus 3 writes them, in quotes; what has no such names is read as before."""
    text = rb"""{"http.requests","http.route"="/"} 1
jobs_total{"http.\"route"="",q="a","x}"="y"} 3
"""
    (line,) = (await read(text, {"jobs_total"})).samples["jobs_total"]
    assert (line.labels, line.value) == ({'http."route': "", "q": "a", "x}": "y"}, 3.0)


async def test_a_series_that_is_there_twice_counts_once():
    """The first one, as in Prometheus: a sum of both would be nobody's number."""
    page = await read(b'depth{q="a"} 3\ndepth{q="b"} 1\ndepth{q="a"} 5\n', {"depth"})
    assert [line.value for line in page.samples["depth"]] == [3.0, 1.0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"<!DOCTYPE html>\n<p>jobs_total 3", "not a page of Prometheus metrics"),
        (b'{"status": "ok"}', "not a page of Prometheus metrics"),
        (b"a 1\njobs_total", "cannot be read"),
        (b"a 1\njobs_total{", "cannot be read"),
        (b'a 1\njobs_total{q="a} 3', "cannot be read"),
        (b"a 1\njobs_total three", "cannot be read"),
        (b"a 1\njobs_total 1_000", "cannot be read"),
        (b"a 1\njobs_total 3 4 5", "cannot be read"),
        (b"a 1\njobs_total{" + b"x" * 20_000 + b"} 3", "cannot be read"),
    ],
)
async def test_what_is_no_page_is_refused(text, words):
    """A page of something else, or a wanted line that is broken, is told with what stood there, cut and clean."""
    with pytest.raises(ProbeFailed, match=words) as raised:
        await read(text, {"jobs_total"})
    assert raised.value.reason == "protocol"
    assert len(raised.value.detail) < 200


async def test_labels_that_cannot_be_read_are_refused():
    """Braces alone do not make labels."""
    with pytest.raises(ProbeFailed, match="cannot be read"):
        await read(b"jobs_total{q=a} 3", {"jobs_total"})


async def test_an_empty_page_is_one():
    """A service that has counted nothing yet."""
    assert (await read(b"\n\n", {"jobs_total"})).samples == {}
    assert (await read(b"", ())).samples == {}


async def test_too_many_wanted_series_are_refused():
    """The number is bounded, whatever the page holds."""
    text = b"".join(b'jobs_total{n="%d"} 1\n' % number for number in range(MAX_SAMPLES + 1))
    with pytest.raises(ProbeFailed, match="narrow them with labels") as raised:
        await read(text, {"jobs_total"})
    assert raised.value.reason == "body_too_large"


@pytest.mark.parametrize("line", [b"\n", b"# TYPE jobs_total counter\n", b'other{a="b"} 1\n'])
async def test_others_get_their_turn(line):
    """Whatever 4 MiB hold, the loop turns once for each piece."""
    text, turns = b"a 1\n" + line * (4 * 1024 * 1024 // len(line)), 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    await read(text, {"jobs_total"})
    other.cancel()
    assert turns >= len(text) // PIECE
