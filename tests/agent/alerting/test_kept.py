"""Alerts over a restart: told once, ended once, whenever it happens."""

import json

import msgspec
import pytest

from agent.alerting.engine import AlertEngine
from agent.alerting.kept import KeptAlert
from agent.slo.engine import SloEngine
from config.sections.alerts import Route
from tests.agent.slo.stream import BASE, H, attempt, objective

TO_ALL = (Route(to=("fleet", "hook")),)
FAULTS = {
    "V02": lambda t: t >= 0,
    "V09": lambda t: 0 <= t < 600,
    "V10": lambda t: 0 <= t < 180,
    "V11": lambda t: t == 0,
    "V12": lambda t: t in {0, 3000},
    "V24": lambda t: t >= 0 and t % 600 == 0,
}


def born(**options):
    """An agent's two engines."""
    slos = SloEngine([objective(slot_seconds=30, **options)])
    return slos, AlertEngine(slos, TO_ALL, {"team": "payments"})


def reborn(slos, alerts, *, counts=True, **options):
    """Those of the next process; what is kept of alerts goes through JSON."""
    kept = msgspec.json.decode(msgspec.json.encode(alerts.dump()), type=list[KeptAlert])
    new_slos, new_alerts = born(**options)
    if counts:
        assert new_slos.restore(slos.dump()) == ()
    new_alerts.restore(kept)
    return new_slos, new_alerts


def live(slos, alerts, start, end, what):
    """[(t, alert)] of what is told, one attempt and one judgement each 30 s."""
    told = []
    for t in range(start, end, 30):
        verdict = what(t)
        if verdict:
            slos.observe(attempt(t, verdict))
        told += [(t, notice) for notice in alerts.tick(BASE + t)]
    return told


@pytest.mark.parametrize("cut", [15, 45, 300, 615, 1200, 2385, 2550, 5000])
@pytest.mark.parametrize("vector", [pytest.param(each, marks=pytest.mark.case(each)) for each in FAULTS])
def test_a_restart_in_the_middle_of_a_vector_changes_nothing(vector, cut):
    """Cut anywhere: the same notices at the same times, with the same identity, texts and receivers."""

    def what(t):
        return "bad" if FAULTS[vector](t) else "good"

    whole, parted = born(), born()
    live(*whole, -H, 0, what)
    live(*parted, -H, 0, what)
    middle = -(-cut // 30) * 30
    expected = live(*whole, 0, 7200, what)
    found = live(*parted, 0, middle, what)
    assert found + live(*reborn(*parted), middle, 7200, what) == expected


@pytest.mark.case("L06")
def test_an_outage_over_a_restart_is_one_episode():
    """Killed at 300, back at 420 in the outage: no second notice, it began at 30, and its end is told."""

    def what(t):
        return "bad" if 0 <= t < 600 else "good"

    before = born(stale_after=30, keep_firing_seconds=0)
    live(*before, -6 * H, 0, what)
    ((at, told),) = live(*before, 0, 301, what)
    assert (at, told.alert.started_at) == (30, BASE + 30)
    slos, alerts = reborn(*before, stale_after=30, keep_firing_seconds=0)
    assert live(slos, alerts, 420, 450, what) == []
    (row,) = slos.evaluations()
    assert (row.windows[300].bad, row.windows[300].known) == (7, 7)
    assert (row.windows[3600].bad, row.windows[3600].known) == (12, 117)
    assert alerts.view()[0]["started_at"] == BASE + 30
    (_, ended), *_ = live(slos, alerts, 450, 4000, what)
    assert (ended.alert.key, ended.alert.firing, ended.alert.started_at) == (told.alert.key, False, BASE + 30)


@pytest.mark.case("L07")
def test_counts_that_were_lost_call_no_second_time():
    """Only the alerts were kept: the next outage attempts belong to the same episode."""
    before = born()
    live(*before, -H, 0, lambda t: "good")
    assert len(live(*before, 0, 300, lambda t: "bad")) == 1
    after = reborn(*before, counts=False)
    assert live(*after, 420, 900, lambda t: "bad") == []
    (_, notice), *_ = live(*after, 900, 7200, lambda t: "good")
    assert notice.alert.firing is False


@pytest.mark.case("L08")
def test_the_first_word_after_a_restart_ends_nothing():
    """Without counts the condition is false at once: the alert is held for keep_firing_for all the same."""
    before = born()
    live(*before, -H, 0, lambda t: "good")
    live(*before, 0, 300, lambda t: "bad")
    after = reborn(*before, counts=False)
    ((at, notice), *_) = live(*after, 600, 2000, lambda t: "good")
    assert (at, notice.alert.firing) == (600 + 300, False)


def test_blindness_after_a_restart_holds():
    """Nothing is known after it: neither an end nor a second notice, and stale in time."""
    before = born()
    live(*before, -H, 0, lambda t: "good")
    live(*before, 0, 300, lambda t: "bad")
    after = reborn(*before)
    assert live(*after, 900, 9000, lambda t: None) == []
    assert [row["state"] for row in after[1].view() if row["severity"] == "page"] == ["stale"]


def test_an_objective_that_is_gone_is_taken_back():
    """The file lost it while the agent was down: whoever was told hears the end."""
    before = born()
    live(*before, -H, 0, lambda t: "good")
    live(*before, 0, 900, lambda t: "bad")
    slos = SloEngine([objective(name="other")])
    alerts = AlertEngine(slos, TO_ALL)
    alerts.restore(before[1].dump())
    (notice,) = alerts.tick(BASE + 960)
    assert (notice.alert.firing, notice.alert.labels["slo"], notice.receivers) == (False, "db", ("fleet", "hook"))
    assert alerts.dump() == []


def test_what_is_kept_is_plain_and_only_what_is_not_inactive():
    """Nothing in peace; in an episode, what a next process needs, as JSON."""
    slos, alerts = born(for_seconds=60)
    live(slos, alerts, -H, 0, lambda t: "good")
    assert alerts.dump() == []
    live(slos, alerts, 0, 60, lambda t: "bad")
    (pending,) = json.loads(msgspec.json.encode(alerts.dump()))
    assert (pending["state"], pending["severity"], pending["told"]) == ("pending", "page", None)
    live(slos, alerts, 60, 180, lambda t: "bad")
    firing = json.loads(msgspec.json.encode(alerts.dump()))[0]
    assert (firing["pair"], firing["fired_at"], firing["told"]["started_at"]) == ("page-quick", BASE + 90, BASE + 90)
