"""The agent, and Prometheus over what the agent exports, find the same pages at the same time.

Tickets are left to the hand-checked tests of the rules: their windows are made of increases that Prometheus takes every
five minutes, and promtool takes every rule at each step.
"""

import re
from itertools import pairwise

import pytest
import yaml

from agent.alerting.engine import AlertEngine
from agent.alerting.lifecycle import AlertState, Lifecycle
from agent.generate.alerts import BURN
from agent.generate.rules import rules
from agent.slo.engine import SloEngine
from exporters.contract import METRICS
from tests.agent.generate.tools import judged, needs
from tests.agent.slo.stream import BASE, H, attempt, objective, page_only

pytestmark = needs("promtool")

STEP = 30  #: seconds between two attempts, two scrapes and two evaluations
ASKED = {
    "outrider_slo_events_total",
    "outrider_slo_bad_events_total",
    "outrider_slo_objective_ratio",
    "outrider_slo_alert_factor",
}
PAGES = f'ALERTS{{alertname="{BURN}",severity="page",alertstate="firing"}}'
#: `for` and `keep_firing_for` in seconds: the names of the vectors.
TIMERS = {"L01": (120, 0), "L02": (0, 300), "L03": (60, 300)}


def case(id_, *values):
    """One row, under the id that it has in the vectors."""
    return pytest.param(*values, id=id_, marks=pytest.mark.case(id_))


def history(target, clean, end, bad, restart=None):
    """[(t, does the page fire, samples)] of an agent over a fault: a clean past, the attempts, a scrape at each.

    At `restart` it is killed, and goes on from what it kept; its counters start again at 0, as any process' do.
    """
    slos = SloEngine([target])
    alerts = AlertEngine(slos)
    for t in range(-clean, end + 1, STEP):
        if t == restart:
            counts, calls = slos.dump(), alerts.dump()
            slos = SloEngine([target])
            slos.restore(counts)
            alerts = AlertEngine(slos)
            alerts.restore(calls)
        slos.observe(attempt(t, "bad" if bad(t) else "good"))
        alerts.tick(BASE + t)
        states = {sample.labels[-1]: sample.value for sample in dict(alerts.samples())["outrider_alert_state"]}
        yield t, states["page"] == AlertState.FIRING, list(slos.samples())


def series(samples):
    """What was scraped, as promtool reads it."""
    found: dict[str, list[str]] = {}
    for families in samples:
        for name, rows in families:
            for row in rows if name in ASKED else ():
                labels = ",".join(
                    f'{label}="{value}"' for label, value in zip(METRICS[name].labels, row.labels, strict=True)
                )
                found.setdefault(f"{name}{{{labels}}}", []).append(f"{row.value:.10g}")
    return [{"series": name, "values": " ".join(values)} for name, values in found.items()]


def edges(fires):
    """When it began or ended, in turn."""
    return [t for (_, before), (t, after) in pairwise(fires) if before != after]


def wanted(expr, fires, tolerance):
    """What Prometheus must find at each step: the same, but that each edge may come so much earlier or later."""
    (start, _), *_ = fires
    return [
        {
            "expr": f"count({expr})",
            "eval_time": f"{t - start}s",
            "exp_samples": [{"labels": "{}", "value": 1}] if firing else [],
        }
        for t, firing in fires
        if not any(-tolerance <= t - edge < tolerance for edge in edges(fires))
    ]


def agree(folder, seen, text=None):
    """When the page began and ended at the agent; AssertionError where it did not in Prometheus, within a step."""
    seen = list(seen)
    fires = [(t, firing) for t, firing, _ in seen]
    scraped = series(samples for *_, samples in seen)
    test = {"interval": f"{STEP}s", "input_series": scraped, "promql_expr_test": wanted(PAGES, fires, STEP)}
    code, said = judged(folder, test, text=text)
    assert code == 0, said[:3000]
    return edges(fires)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("bad", "restart", "end", "expected"),
    [
        case("V02", lambda t: t >= 0, None, 900, [60]),
        case("V09", lambda t: 0 <= t < 600, None, 3600, [60, 2370 + 300]),
        case("V09", lambda t: 0 <= t < 600, 300, 3600, [60, 2370 + 300]),
        case("V24", lambda t: t % 600 == 0 and 0 <= t < 2 * H, 5000, 9600, [1200, 8400 + 300]),
    ],
)
def test_prometheus_pages_when_the_agent_does(bad, restart, end, expected, tmp_path):
    """Both pairs of the page, from the third failure on, held for 5 min: within one interval, also over a restart."""
    target = objective(slot_seconds=STEP, min_bad=3)
    assert agree(tmp_path, history(target, 6 * H, end, bad, restart)) == expected


@pytest.mark.case("V24")
def test_prometheus_does_not_flap_where_the_agent_does_not(tmp_path):
    """The quick pair alone, true for half of the time: one page in either."""
    target = page_only(slot_seconds=STEP, min_bad=3)
    seen = history(target, H, 8000, lambda t: t % 600 == 0 and 0 <= t < 2 * H)
    assert agree(tmp_path, seen) == [1200, 6900 + 300]


@pytest.mark.parametrize(("for_", "keep"), [case(name, *each) for name, each in TIMERS.items()])
def test_prometheus_waits_and_keeps_as_the_agent_does(for_, keep, tmp_path):
    """The quick pair over ten minutes of outage, with `for` and `keep_firing_for`: within one interval."""
    target = page_only(slot_seconds=STEP, min_bad=3, for_seconds=for_, keep_firing_seconds=keep)
    text = re.sub("keep_firing_for: 5m", f"for: {for_}s\n        keep_firing_for: {keep}s", rules())
    seen = history(target, H, 1500, lambda t: 0 <= t < 600)
    assert agree(tmp_path, seen, text) == [60 + for_, 870 + keep]


@pytest.mark.parametrize(("for_", "keep"), [case(name, *each) for name, each in TIMERS.items()])
def test_timers_are_those_of_prometheus(for_, keep, tmp_path):
    """A condition that is true from 600 to 1200: to the second."""
    life, fires = Lifecycle(for_, keep), []
    for t in range(0, 1801, STEP):
        life.step(600 <= t <= 1200, t)
        fires.append((t, life.firing))
    rule = {"alert": "Burning", "expr": "burning == 1", "for": f"{for_}s", "keep_firing_for": f"{keep}s"}
    test = {
        "interval": f"{STEP}s",
        "input_series": [{"series": "burning", "values": "0x19 1x20 0x60"}],
        "promql_expr_test": wanted('ALERTS{alertstate="firing"}', fires, 0),
    }
    code, said = judged(tmp_path, test, text=yaml.safe_dump({"groups": [{"name": "one", "rules": [rule]}]}))
    assert code == 0, said
