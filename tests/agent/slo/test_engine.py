"""The engine as the rest of the agent sees it: metrics, API view, reload, clock steps."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from agent.slo.engine import SloEngine
from agent.slo.objective import Objective
from config.sections.probes import ProbeEntry
from config.sections.sli import Sli
from config.sections.slos import Slo
from config.types import Duration, Ratio
from config.yaml import Mapping
from exporters.contract import METRICS
from tests.agent.slo.stream import BASE, attempt, conditions, objective, page_only, play


def burnt(**options):
    """An engine after an hour of which the last ten minutes were bad."""
    engine = SloEngine([objective(runbook_url="https://runbooks.example/db", **options)])
    for _ in play(engine, 10, -3600, 0, lambda t: "bad" if t > -600 else "good"):
        pass
    return engine


def test_samples_follow_the_metric_table():
    """Every family is in the contract, with as many label values as labels, and the numbers are right."""
    families = {name: list(samples) for name, samples in burnt().samples()}
    for name, samples in families.items():
        assert all(len(sample.labels) == len(METRICS[name].labels) for sample in samples)
    only = {name: samples[0].value for name, samples in families.items() if len(samples) == 1}
    assert only["outrider_slo_events_total"] == 360
    assert only["outrider_slo_bad_events_total"] == 59
    assert only["outrider_slo_unknown_events_total"] == 0
    assert only["outrider_slo_objective_ratio"] == 0.999
    factors = {sample.labels[2]: sample.value for sample in families["outrider_slo_alert_factor"]}
    assert factors == {"page-quick": 14.4, "page-slow": 6, "ticket-quick": 3, "ticket-slow": 1}
    assert only["outrider_slo_error_budget_remaining_ratio"] == pytest.approx(1 - 60 / 259.2)
    assert {sample.labels[2]: sample.value for sample in families["outrider_slo_burn_rate"]} == {
        "5m": 1000,
        "30m": pytest.approx(1000 * 60 / 180),
        "1h": pytest.approx(1000 * 60 / 360),
        "2h": pytest.approx(1000 * 60 / 720),
        "6h": pytest.approx(1000 * 60 / 2160),
        "1d": pytest.approx(1000 * 60 / 8640),
        "3d": pytest.approx(1000 * 60 / 25920),
    }
    coverage = {sample.labels[2]: sample.value for sample in families["outrider_slo_coverage_ratio"]}
    assert (coverage["5m"], coverage["1h"], coverage["2h"]) == (1, 1, 361 / 720)  # the open slot too
    left = 1 - 60 / 259.2
    lasts = left * 30 * 86400 / (1000 * 60 / 360)
    assert only["outrider_slo_time_to_exhaustion_seconds"] == pytest.approx(lasts)
    assert families["outrider_slo_info"][0].labels == ("shop", "db", "30d", "https://runbooks.example/db")


def test_families_are_whole_before_the_first_attempt():
    """Counters start at 0, so that a rate never misses the first failure."""
    values = {name: samples[0].value for name, samples in SloEngine([objective()]).samples()}
    assert values["outrider_slo_bad_events_total"] == 0
    assert values["outrider_slo_error_budget_remaining_ratio"] == 1
    assert values["outrider_slo_time_to_exhaustion_seconds"] == float("inf")
    assert values["outrider_slo_coverage_ratio"] == 0


def test_view_is_plain_json():
    """The API shows numbers; what cannot be told yet is null, not Infinity."""
    shown = json.loads(json.dumps(burnt().view(), allow_nan=False))[0]
    assert shown["burn_rate"]["5m"] == 1000
    assert (shown["bad_events"], shown["events"], shown["condition"]) == (60, 361, True)
    assert shown["seconds_to_exhaustion"] == pytest.approx((1 - 60 / 259.2) * 30 * 86400 / (1000 / 6))
    assert SloEngine([objective()]).view()[0]["seconds_to_exhaustion"] is None


def test_attempts_of_other_probes_do_not_count():
    """An objective listens to its own probe alone."""
    engine = SloEngine([objective(probe="cache")])
    engine.observe(attempt(0, "bad"))
    assert engine.evaluations()[0].windows[300].known == 0


def test_reload_keeps_counts_where_the_measure_is_the_same():
    """Another objective keeps the history; another probe or slot starts anew; one that is gone is gone."""
    engine = burnt()
    engine.configure([objective("99"), objective(name="other", probe="cache")])
    assert [row.windows[3600].bad for row in engine.evaluations()] == [60, 0]
    engine.configure([objective("99", slot_seconds=30)])
    assert engine.evaluations()[0].windows[3600].bad == 0
    engine.configure([])
    assert engine.view() == []
    assert list(engine.samples()) == []


def test_other_alert_windows_keep_the_counts():
    """Pairs of one's own begin with what the ones before remember, and the budget goes on."""
    engine = burnt()
    spent, bad = engine.evaluations()[0].remaining, engine.evaluations()[0].windows[300].bad
    engine.configure([page_only()])
    (row,) = engine.evaluations()
    assert (sorted(row.windows), row.windows[300].bad, row.remaining) == ([300, 3600], bad, spent)
    assert dict(engine.samples())["outrider_slo_bad_events_total"][0].value == 59


def test_reload_takes_over_a_new_staleness():
    """How long an attempt speaks for follows the file at once."""
    engine = burnt()
    engine.configure([objective(stale_after=0.0)])
    engine.tick(BASE + 50)
    assert engine.view()[0]["unknown_events"] == 4


def test_a_clock_set_back_does_not_blind_the_alert():
    """The clock goes back a day while the probe fails: the failures still count, one slot after the other."""
    engine = SloEngine([objective()])
    for _ in play(engine, 10, -3600, 0, lambda t: "good"):
        pass
    day_before = [condition for _, condition in play(engine, 10, -86400, -86400 + 60, lambda t: "bad")]
    assert day_before[-1] is True


def test_one_failure_and_a_stall_do_not_page():
    """An agent that stalls for a minute after one failure has seen one failure, not three."""
    seen = conditions(
        objective("99.95", slot_seconds=30, stale_after=90, min_bad=3), 90, lambda t: "bad" if t == 0 else None
    )
    assert not any(condition for _, condition in seen)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": Decimal(1)}, "100% leaves no budget"),
        ({"target": Decimal(0)}, "0% leaves no budget"),
        ({"window_seconds": 3600}, "1h cannot be kept"),
        ({"window_seconds": 91 * 86400}, "91d cannot be kept"),
        ({"window_seconds": 86400 + 7}, "cannot be kept"),
        ({"slot_seconds": 45}, "45 s does not divide"),
    ],
)
def test_impossible_objectives_are_refused(options, said):
    """Each says what is wrong before anything runs."""
    with pytest.raises(ValueError, match=said):
        replace(objective(), **options)


def test_from_the_file():
    """The file's words become the engine's numbers; the ratio stays exact."""
    probe = ProbeEntry(type="http", interval=Duration(15), rest=Mapping({}, None, {}))
    slo = Slo(objective=Ratio.parse("99.95%"), sli=Sli(probe="db"), runbook_url="https://r.example")
    made = Objective.of("front", "shop", slo, probe)
    assert (made.target, made.percent, made.window) == (Decimal("0.9995"), "99.95%", "30d")
    assert (made.slot_seconds, made.stale_after, made.probe) == (15, 63.0, "db")
    assert (made.min_bad, made.keep_firing_seconds, made.for_seconds) == (3, None, 0)
