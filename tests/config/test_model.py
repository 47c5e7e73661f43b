"""The whole file: what each section takes, refuses, and leaves for later."""

import pytest

from config.errors import ConfigError
from config.later import KEYS
from config.load import load
from config.types import Duration, ListenAddress, Ratio


def read(text):
    """The configuration of a text."""
    return load(text.encode(), {}).config


def faults(text):
    """The problems of a text, without the name of the source."""
    with pytest.raises(ConfigError) as refused:
        load(text.encode(), {})
    return [line.removeprefix("environment:") for line in str(refused.value).splitlines()]


def test_the_smallest_file():
    """A service's name is enough, and every default is the one the documentation names."""
    config = read("service: checkout")
    assert config.service == "checkout"
    assert config.probes == {}
    assert str(config.listen.public) == "*:9740"
    assert str(config.listen.admin) == "127.0.0.1:9741"
    assert (config.log.level, config.log.format) == ("info", "json")
    assert config.metrics.blackbox_names is False
    assert (config.readiness.fail_on_degraded, config.readiness.shared, config.readiness.drain) == (False, "auto", 15)
    assert (config.traces, config.state_dir, config.objectives) == (None, None, {})


@pytest.mark.parametrize(
    ("written", "timeout", "fast", "slow"),
    [
        ("", 3, 2, 30),
        ("interval: 5s", 2.5, 2, 30),
        ("interval: 1s", 0.5, 1, 30),
        ("interval: 2m", 3, 2, 120),
        ("interval: 2m, timeout: 10s, fast_interval: 5s, slow_interval: 10m", 10, 5, 600),
    ],
)
def test_intervals_that_are_left_out_follow_the_interval(written, timeout, fast, slow):
    """Timeout min(3s, interval/2), fast_interval min(2s, interval), slow_interval max(30s, interval)."""
    entry = read(f"service: s\nprobes: {{p: {{type: http, {written}}}}}").probes["p"]
    assert (entry.timeout, entry.fast_interval, entry.slow_interval) == (timeout, fast, slow)


def test_every_probe_takes_over_the_defaults_it_does_not_write():
    """`defaults` fill what an entry leaves out, and nothing else; derived values follow the result."""
    config = read(
        "service: s\n"
        "defaults: {interval: 4s, failure_threshold: 5, shared: true, when_down: ignore}\n"
        "probes:\n  a: {type: http, url: x}\n  b: {type: http, interval: 20s, shared: false}\n"
    )
    a, b = config.probes["a"], config.probes["b"]
    assert (a.interval, a.timeout, a.failure_threshold, a.shared, a.when_down) == (4, 2, 5, True, "ignore")
    assert (b.interval, b.timeout, b.failure_threshold, b.shared) == (20, 3, 5, False)
    assert list(a.rest.items) == ["url"]
    assert list(b.rest.items) == []


def test_a_moved_probe_is_the_same_probe():
    """Entries are equal when they say the same, so that a reload leaves them running."""
    first = read("service: s\nprobes: {p: {type: http, url: 'http://h/', interval: 5s}}").probes["p"]
    moved = read("# a comment\nservice: s\nprobes:\n  p:\n    interval: 5000ms\n    type: http\n    url: http://h/\n")
    other = read("service: s\nprobes: {p: {type: http, url: 'http://other/', interval: 5s}}").probes["p"]
    assert first == moved.probes["p"]
    assert first != other


def test_traces_alerts_and_slos():
    """The other sections give what they say, and the keys of each kind stay a node."""
    config = read(
        "service: s\n"
        "probes: {db: {type: postgres, slo: 99.9%, runbook_url: 'https://r/db', description: Orders}}\n"
        "traces: {receive: {http: '*:4000'}, forward: {gw: {endpoint: x}, other: {type: 'my.module:Sender'}}}\n"
        "slos: {fast: {objective: 99%, window: 7d, sli: {probe: db}, alerts: {min_bad: 1, for: 1m}}}\n"
        "alerts:\n"
        "  receivers: {a: {type: log}, b: {type: webhook, url: x}}\n"
        "  routes: [{match: {severity: page}, to: [a, b]}, {to: [a]}]\n"
    )
    assert config.traces.receive.http == ListenAddress("*", 4000)
    assert config.traces.forward["gw"].type == "otlp_http"
    assert config.traces.forward["other"].type == "my.module:Sender"
    assert list(config.traces.forward["gw"].rest.items) == ["endpoint"]
    fast, one_line = config.objectives["fast"], config.objectives["db"]
    assert (fast.window, fast.alerts.min_bad, fast.alerts.for_) == (7 * 86400, 1, 60)
    assert (one_line.objective, one_line.sli.probe) == (Ratio.parse("99.9%"), "db")
    assert (one_line.runbook_url, one_line.description) == ("https://r/db", "Orders")
    assert (one_line.window, one_line.alerts.keep_firing_for) == (Duration(30 * 86400), None)
    assert [route.to for route in config.alerts.routes] == [("a", "b"), ("a",)]


def test_receivers_without_routes_get_everything():
    """Whoever names receivers and no route wants alerts to arrive."""
    config = read("service: s\nalerts: {receivers: {a: {type: log}, b: {type: log}}}")
    assert [(route.match, route.to) for route in config.alerts.routes] == [({}, ("a", "b"))]


FAULTS = {
    "no service": ("{}", "1:1: needs the key `service`: the name of the service"),
    "control character": ('service: "a\\tb"', "1:10: service: 'a\\tb' does not fit"),
    "label name": ("service: s\nlabels: {9x: y}", "2:10: labels.9x: '9x' does not fit; write a label name"),
    "own label": ("service: s\nlabels: {severity: y}", "labels.severity: is a label that Outrider sets itself"),
    "relative state_dir": ("service: s\nstate_dir: here", "'here' does not fit; write an absolute path"),
    "open admin": ("service: s\nlisten: {admin: '0.0.0.0:9741'}", "2:10: listen.admin: '0.0.0.0:9741' can be reached"),
    "one port twice": ("service: s\nlisten: {admin: '127.0.0.1:9740'}", "'127.0.0.1:9740' is taken by `public`"),
    "one port twice on all addresses": (
        "service: s\nlisten: {public: '0.0.0.0:9741'}",
        "admin: '127.0.0.1:9741' is taken by `public`",
    ),
    "one socket twice": ("service: s\nlisten: {admin: 'unix:/x', public: 'unix:/x'}", "is taken by `public`"),
    "OTLP on admin": (
        "service: s\ntraces: {receive: {http: '127.0.0.1:9741'}, forward: {a: {endpoint: x}}}",
        "traces.receive.http: '127.0.0.1:9741' is taken by `listen.admin`",
    ),
    "probe name": ("service: s\nprobes: {Db: {type: x}}", "2:10: probes.Db: 'Db' does not fit; write a name"),
    "probe without type": ("service: s\nprobes: {db: }", "2:14: probes.db: needs the key `type`: the kind of probe"),
    "timeout": (
        "service: s\nprobes: {p: {type: x, interval: 2s, timeout: 2s}}",
        "2:37: probes.p.timeout: 2s is not shorter",
    ),
    "fast": ("service: s\nprobes: {p: {type: x, interval: 1s, fast_interval: 2s}}", "is longer than the interval"),
    "slow": ("service: s\nprobes: {p: {type: x, interval: 1m, slow_interval: 30s}}", "is shorter than the interval"),
    "too often": ("service: s\nprobes: {p: {type: x, interval: 1ms}}", "'1ms' is too small; write at least 100ms"),
    "threshold": ("service: s\nprobes: {p: {type: x, failure_threshold: 0}}", "'0' is too small; write at least 1"),
    "n of m": ("service: s\nprobes: {p: {type: x, failures_of: [5, 3]}}", "asks for more failures than attempts"),
    "when_down": ("service: s\nprobes: {p: {type: x, when_down: never}}", "is not one of unready, degraded, ignore"),
    "one-line objective": ("service: s\nprobes: {p: {type: x, slo: 100%}}", "100% is no objective; write one above 0%"),
    "down before degraded": (
        "service: s\nprobes: {p: {type: x, degraded_above: {used: 90%}, down_above: {used: 80%}}}",
        "2:65: probes.p.down_above.used: 80% lies below the degraded threshold 90%",
    ),
    "down above degraded": (
        "service: s\nprobes: {p: {type: x, degraded_below: {free: 10%}, down_below: {free: 20%}}}",
        "20% lies above the degraded threshold 10%",
    ),
    "objective": (
        "service: s\nprobes: {p: {type: x}}\nslos: {a: {objective: 0%, sli: {probe: p}}}",
        "0% is no objective",
    ),
    "window": (
        "service: s\nprobes: {p: {type: x}}\nslos: {a: {objective: 99%, window: 1y, sli: {probe: p}}}",
        "'1y' is not a duration",
    ),
    "short window": (
        "service: s\nprobes: {p: {type: x}}\nslos: {a: {objective: 99%, window: 1h, sli: {probe: p}}}",
        "'1h' is too small; write at least 1d",
    ),
    "runbook": ("service: s\nprobes: {p: {type: x, runbook_url: 'javascript:1'}}", "write a link such as https://"),
    "nowhere to send": ("service: s\ntraces: {forward: {}}", "traces.forward: is empty; write where spans go"),
    "no destinations": ("service: s\ntraces: {receive: {}}", "2:9: traces: needs the key `forward`: where spans go"),
    "severity": (
        "service: s\nalerts: {receivers: {a: {type: log}}, routes: [{match: {severity: pgae}, to: [a]}]}",
        "2:57: alerts.routes[0].match.severity: 'pgae' is no severity; write page or ticket",
    ),
    "plain alert": (
        "service: s\nalerts: {plain: {probe_dwon: {off: true}}}",
        "2:18: alerts.plain.probe_dwon: unknown key; did you mean `probe_down`?",
    ),
    "route to nobody": (
        "service: s\nalerts: {receivers: {a: {type: log}}, routes: [{to: []}]}",
        "is empty; write names of receivers",
    ),
}


@pytest.mark.parametrize(("text", "says"), FAULTS.values(), ids=FAULTS.keys())
def test_impossible_values(text, says):
    """What cannot be is refused with its place and with what could."""
    found = faults(text)
    assert len(found) == 1, found
    assert says in found[0]


@pytest.mark.case("X10")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "service: s\nprobes: {orders: {type: x}}\nslos: {a: {objective: 99%, sli: {probe: order}}}",
            "3:34: slos.a.sli.probe: 'order' names no probe; did you mean `orders`?",
        ),
        (
            "service: s\nalerts:\n  receivers: {oncall: {type: log}}\n  routes: [{to: [fleet]}]",
            "4:13: alerts.routes[0].to: 'fleet' names no receiver; known here: oncall",
        ),
        (
            "service: s\nprobes: {a: {type: x, slo: 99%}}\nslos: {a: {objective: 99%, sli: {probe: a}}}",
            "2:23: probes.a.slo: there is an SLO of this name under `slos`",
        ),
    ],
)
def test_references_lead_somewhere(text, says):
    """A name that nothing has is refused, with the closest one that exists."""
    assert [says in line for line in faults(text)] == [True]


def test_a_fault_in_the_defaults_is_told_once():
    """Ten probes do not repeat what is wrong in `defaults`."""
    probes = "".join(f"  p{number}: {{type: x}}\n" for number in range(10))
    assert faults(f"service: s\ndefaults: {{interval: 5}}\nprobes:\n{probes}") == [
        "2:22: defaults.interval: '5' has no unit; write 10s or 500ms"
    ]


def nested(path, value):
    """A flow mapping that holds `value` under dotted keys."""
    for key in reversed(path.replace("*", "p").split(".")):
        value = f"{{{key}: {value}}}"
    return value


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_a_later_version(key):
    """Each is refused by name: never ignored, never called unknown, never followed by a complaint of something else."""
    top, _, below = key.partition(".")
    inside = nested(below, "x") if below else "x"
    if top == "probes":
        inside = inside.replace("{p: {", "{p: {type: http, ")
    if top == "slos":
        inside = inside.replace("{p: {", "{p: {objective: 99%, ").replace("99%, alerts", "99%, sli: {probe: q}, alerts")
        inside += "\nprobes: {q: {type: x}}"
    if top == "traces":
        inside = inside.replace("{receive", "{forward: {a: {}}, receive")
    found = faults(f"service: s\n{top}: {inside}\n")
    assert [line.split(": ", 1)[1] for line in found] == [
        f"{key.replace('*', 'p')}: is not in this version of Outrider; leave it out"
    ]
