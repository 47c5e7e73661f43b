"""Alerts on what a probe reads: the text says what burns in its own words and numbers."""

import pytest

from agent.alerting.engine import AlertEngine
from agent.events import Observation, Outcome
from agent.slo.counters import Counters, Histogram
from agent.slo.engine import SloEngine
from agent.slo.sli import Limit
from config.sections.alerts import Route
from config.types import Bound
from probes.base import Buckets, Kind, Measurement, Reading
from tests.agent.slo.stream import BASE, page_only


def seen(number):
    """One attempt each 10 s: after an hour everything is bad, before it nothing."""
    t, bad = 10.0 * number, max(0, number - 360)
    readings = (
        Reading("lag", 11.0 if bad else 1.0, "seconds"),
        Reading("errors", 20.0 * bad, kind=Kind.COUNTER),
        Reading("requests", 20.0 * number, kind=Kind.COUNTER),
    )
    buckets = Buckets((0.3, float("inf")), (20.0 * (number - bad), 20.0 * number))
    found = Measurement(readings, histograms={"latency": buckets})
    return Observation("db", "x", number, t, t, BASE + t, Outcome.PASS, measurement=found)


@pytest.mark.parametrize(
    ("reads", "says"),
    [
        (
            Limit("lag", Bound(10.0, "seconds")),
            "db.lag was not within 10s for 20.0% of the last 5 minutes and 1.7% of the last hour; ",
        ),
        (
            Counters("errors", "requests"),
            "db.requests: 120 of 600 were counted by errors in the last 5 minutes, and 120 of 7,200 in the last hour; ",
        ),
        (
            Histogram("latency", Bound(0.3, "seconds")),
            "db.latency: 120 of 600 were above 300ms in the last 5 minutes, and 120 of 7,200 in the last hour; ",
        ),
    ],
)
def test_the_message_says_what_burns(reads, says):
    """Bad time in shares, bad events in numbers, and the limit that was missed; told once."""
    slos = SloEngine([page_only(reads=reads, min_bad=3)])
    alerts = AlertEngine(slos, [Route(to=("oncall",))], state_of=lambda _: "up", explained_by=lambda _: "")
    told = []
    for number in range(1, 380):
        slos.observe(seen(number))
        told += [(number, notice.alert) for notice in alerts.tick(BASE + 10 * number)]
    ((number, alert),) = told
    assert number == 366
    assert alert.annotations["description"].startswith(says), alert.annotations
