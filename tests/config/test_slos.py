"""What an objective may count, and what is said where it cannot."""

import pytest

from config.errors import ConfigError
from config.load import load
from config.sections.sli import CounterSli, Sli, SpanSli
from config.types import Bound

TRACES = "service: s\ntraces: {forward: {gw: {endpoint: 'http://up:4318'}}}\nprobes: {db: {type: x}}\n"


def slo(sli, head=TRACES, more=""):
    """A file with one objective over `sli`."""
    return f"{head}slos: {{a: {{objective: 99%, {more}sli: {sli}}}}}\n".encode()


def faults(*args, **options):
    """The problems of such a file."""
    with pytest.raises(ConfigError) as refused:
        load(slo(*args, **options), {})
    return [line.removeprefix("environment:") for line in str(refused.value).splitlines()]


@pytest.mark.parametrize(
    ("text", "spans", "within"),
    [
        ("{spans: {}}", SpanSli(), None),
        ("{spans: {kind: consumer}}", SpanSli(kind="consumer"), None),
        ("{spans: {kind: server, route: /checkout}, within: 300ms}", SpanSli(route="/checkout"), 0.3),
        ("{spans: {route: '/orders/{id}'}}", SpanSli(route="/orders/{id}"), None),
    ],
)
def test_requests_are_counted(text, spans, within):
    """Server spans of all routes unless told, with a limit where one is written."""
    sli = load(slo(text), {}).config.objectives["a"].sli
    assert (sli.probe, sli.spans, sli.within) == (None, spans, within and Bound(within, "seconds"))


@pytest.mark.parametrize(
    ("text", "sli"),
    [
        ("{heartbeat: db}", Sli(heartbeat="db")),
        ("{reading: db.lag, within: 10s}", Sli(reading="db.lag", within=Bound(10, "seconds"))),
        ("{reading: db.phase.connect, within: 10ms}", Sli(reading="db.phase.connect", within=Bound(0.01, "seconds"))),
        ("{reading: db.used, within: 80%}", Sli(reading="db.used", within=Bound(0.8, "ratio"))),
        ("{reading: db.size, within: 64MiB}", Sli(reading="db.size", within=Bound(64 << 20, "bytes"))),
        ("{reading: db.depth, within: 1000}", Sli(reading="db.depth", within=Bound(1000))),
        ("{histogram: db.latency, within: 300ms}", Sli(histogram="db.latency", within=Bound(0.3, "seconds"))),
        ("{counters: {bad: db.a, total: db.b}}", Sli(counters=CounterSli(bad="db.a", total="db.b"))),
    ],
)
def test_what_a_probe_reads_is_counted(text, sli):
    """Readings with a limit in any unit, counters, histograms and heartbeats; each is about one probe."""
    found = load(slo(text), {}).config.objectives["a"].sli
    assert (found, found.on) == (sli, "db")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "4:33: slos.a.sli: counts nothing; write {probe: NAME}, or {spans: {kind: server}}"),
        ("{within: 1s}", "slos.a.sli: counts nothing; write"),
        ("{probe: db, spans: {}}", "slos.a.sli.spans: stands beside `probe`, and one objective counts one thing"),
        (
            "{probe: db, within: 1s}",
            "slos.a.sli.within: is for `reading`, `spans` and `histogram`; leave it out: a slow",
        ),
        ("{counters: {bad: db.a, total: db.b}, within: 1s}", "slos.a.sli.within: is for `reading`, `spans` and"),
        ("{spans: {kind: client}}", "slos.a.sli.spans.kind: 'client' is not one of server, consumer"),
        ("{spans: {path: /x}}", "slos.a.sli.spans.path: unknown key; known here: kind, route"),
        ("{spans: {route: ''}}", "slos.a.sli.spans.route: '' is empty; write a route such as /checkout"),
        ("{spans: {}, within: 300}", "slos.a.sli.within: 300 is no duration; write one such as 300ms"),
        ("{spans: {}, within: 80%}", "slos.a.sli.within: 80% is no duration"),
        ("{spans: {}, within: 0s}", "slos.a.sli.within: 0s is not from 1ms to 1h; write one such as 300ms"),
        ("{spans: {}, within: 2h}", "slos.a.sli.within: 2h is not from 1ms to 1h"),
        ("{spans: {}, within: fast}", "slos.a.sli.within: 'fast' is not a threshold"),
        ("{reading: db.lag}", "slos.a.sli: needs the key `within`: what `reading` is good up to"),
        ("{histogram: db.latency}", "slos.a.sli: needs the key `within`: what `histogram` is good up to"),
        ("{reading: db.lag, within: 5/min}", "slos.a.sli.within: 5/min is a rate; write a limit such as 300ms"),
        ("{reading: lag, within: 5s}", "slos.a.sli.reading: 'lag' does not fit; write a probe and a reading of it"),
        ("{reading: dv.lag, within: 5s}", "4:34: slos.a.sli.reading: 'dv' names no probe; known here: db"),
        ("{histogram: dv.lag, within: 5s}", "slos.a.sli.histogram: 'dv' names no probe; known here: db"),
        ("{heartbeat: dv}", "slos.a.sli.heartbeat: 'dv' names no probe; known here: db"),
        ("{counters: {bad: db.a}}", "slos.a.sli.counters: needs the key `total`"),
        ("{counters: {bad: db.a, total: db.a}}", "slos.a.sli.counters.bad: is the same as `total`"),
        ("{counters: {bad: db.a, total: cache.b}}", "slos.a.sli.counters.bad: is of another probe than `total`"),
        ("{heartbeat: db, reading: db.lag, within: 1s}", "slos.a.sli.reading: stands beside `heartbeat`"),
    ],
)
def test_one_objective_counts_one_thing(text, says):
    """Everything else is one problem, with its place and a way out."""
    found = faults(text)
    assert len(found) == 1, found
    assert says in found[0]


@pytest.mark.parametrize(
    ("traces", "says"),
    [
        ("", "counts requests by their spans, and the file has no `traces`; write that section, or {probe: NAME}"),
        ("metrics: {enabled: false}", "counts requests, which `traces.metrics.enabled: false` leaves uncounted"),
        ("metrics: {kinds: [consumer]}", "counts server spans, and `traces.metrics.kinds` leaves them out; add server"),
    ],
)
def test_requests_need_something_that_counts_them(traces, says):
    """An objective that no span would ever reach is refused."""
    section = f"traces: {{forward: {{gw: {{endpoint: 'http://up:4318'}}}}, {traces}}}\n" if traces else ""
    found = faults("{spans: {}}", head=f"service: s\n{section}")
    assert len(found) == 1, found
    assert f"slos.a.sli.spans: {says}" in found[0]


def test_a_window_is_whole_entries():
    """A period that five minutes do not divide cannot be kept; said with its place."""
    assert faults("{probe: db}", more="window: 25h1m, ") == [
        "4:28: slos.a.window: 1501m is not a whole number of five minutes; write one such as 7d or 30d"
    ]


def test_windows_of_ones_own():
    """A list of pairs; the severity is `page` unless told, the factor any positive number."""
    pairs = "[{long: 60s, short: 5s, factor: 14.4}, {long: 1d, short: 2h, factor: 3, severity: ticket}]"
    found = load(slo("{probe: db}", more=f"alerts: {{windows: {pairs}}}, "), {}).config.objectives["a"].alerts.windows
    assert [(pair.long, pair.short, pair.factor, pair.severity) for pair in found] == [
        (60, 5, 14.4, "page"),
        (86400, 7200, 3.0, "ticket"),
    ]


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("{long: 5m, short: 5m, factor: 1}", "short: 5m is not shorter than the long window of 5m; write a twelfth"),
        ("{long: 1h, short: 7s, factor: 1}", "short: 7s is not a whole number of steps of 5s; write a multiple of 5s"),
        ("{long: 25h1m, short: 1h, factor: 1}", "long: 1501m is not a whole number of steps of 5m; write a multiple"),
        ("{long: 31d, short: 1h, factor: 1}", "long: 31d is longer than the objective's window of 30d"),
        ("{long: 1h, short: 5m, factor: 0}", "factor: '0' is too small"),
        ("{long: 1h, short: 5m, factor: .nan}", "factor: "),
        ("{long: 1h, short: 5m, factor: 1, severity: info}", "severity: 'info' is not one of page, ticket"),
    ],
)
def test_windows_that_cannot_work_are_refused(pair, says):
    """Each with its place and what would be right."""
    found = faults("{probe: db}", more=f"alerts: {{windows: [{pair}]}}, ")
    assert len(found) == 1, found
    assert f"slos.a.alerts.windows[0].{says}" in found[0]
