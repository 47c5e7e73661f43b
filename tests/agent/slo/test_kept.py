"""Counts over a restart: what goes on, what starts anew, and that nobody is called for it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.slo.engine import SloEngine
from agent.slo.objective import Requests
from agent.slo.rings import CountRing
from tests.agent.slo.stream import BASE, attempt, objective, play, quick

DAY = 86400


def requests(percent="99.9", **options):
    """An objective on all server spans."""
    return objective(percent, **({"name": "web", "probe": "", "requests": Requests()} | options))


def lived(*objectives):
    """An engine after an hour, whose last ten minutes were bad for the probe and half bad for requests."""
    engine = SloEngine(objectives or [objective(), requests()])
    for t in range(-3600, 1, 10):
        engine.observe(attempt(t, "bad" if t > -600 else "good"))
        engine.count("web", 5, 5 if t > -600 else 0, BASE + t)
        engine.tick(BASE + t)
    return engine


def reborn(before, *objectives):
    """The engine of the next process."""
    engine = SloEngine(objectives or [objective(), requests()])
    assert engine.restore(before.dump()) == ()
    return engine


@pytest.mark.case("G9")
def test_a_restart_at_once_changes_nothing():
    """Windows, period and condition are those of the process before; counters of the process start at 0."""
    before = lived()
    after = reborn(before)
    kept = [(row.judgements, row.period) for row in before.evaluations()]
    assert [(row.judgements, row.period) for row in after.tick(BASE)[1]] == kept
    counted = dict(after.samples())
    assert [sample.value for sample in counted["outrider_slo_events_total"]] == [0, 0]
    assert [sample.value for sample in counted["outrider_slo_bad_events_total"]] == [0, 0]


@pytest.mark.case("G9")
def test_the_time_between_is_unknown():
    """Two minutes down: twelve slots of which nothing is known, though the last attempt would have spoken for some."""
    after = reborn(lived(objective(stale_after=600.0), requests()), objective(stale_after=600.0), requests())
    after.tick(BASE + 120)
    probe, web = after.evaluations()
    assert (probe.windows[300].known, probe.windows[300].bad) == (19, 19)
    assert (web.windows[300].watched, web.windows[300].bad) == (19, 18 * 5)


@pytest.mark.case("G9")
def test_a_restart_is_no_reason_to_call():
    """With clean counts behind it, a failed first attempt or three failed first requests fire nothing."""
    before = SloEngine([objective(min_bad=3), requests(min_bad=3)])
    for t in range(-3600, 1, 10):
        before.observe(attempt(t))
        before.count("web", 10, 0, BASE + t)
    after = reborn(before, objective(min_bad=3), requests(min_bad=3))
    after.observe(attempt(60, "bad"))
    after.count("web", 2, 3, BASE + 60)
    assert [quick(row) for row in after.tick(BASE + 60)[1]] == [False, False]


def test_the_budget_of_the_period_goes_on():
    """What was spent ten days ago is still spent; after 31 days it is not."""
    before = lived()
    spent = [row.remaining for row in before.evaluations()]
    after = reborn(before)
    after.tick(BASE + 10 * DAY)
    assert [row.period.bad for row in after.evaluations()] == [row.period.bad for row in before.evaluations()]
    assert spent[0] == after.evaluations()[0].remaining < 1
    later = reborn(before)
    later.tick(BASE + 31 * DAY)
    assert [row.period.bad for row in later.evaluations()] == [0, 0]


def test_only_the_same_measure_goes_on():
    """Another target, text or threshold keeps the counts; another interval, window, route or limit starts anew."""
    kept = lived().dump()
    for same in (objective("99"), objective(min_bad=9, description="x"), requests("95")):
        engine = SloEngine([same])
        engine.restore(kept)
        assert engine.evaluations()[0].period.bad > 0
    for other in (
        objective(slot_seconds=30),
        objective(window_seconds=7 * DAY),
        objective(probe="cache"),
        requests(requests=Requests(route="/x")),
        requests(requests=Requests(within=0.3)),
        requests(name="db"),
    ):
        engine = SloEngine([other])
        assert engine.restore(kept) == ()
        assert engine.evaluations()[0].period.known == 0


@pytest.mark.parametrize("damage", [b"", b"\xfa" * 361, b"\x01" * 3241, b"\x01\x02\x03"])
def test_damaged_bytes_start_anew_and_are_named(damage):
    """Whatever stands there, nothing is believed of it and nothing is raised."""
    kept = lived().dump()
    recent = {name: one._replace(recent=damage) for name, one in kept.items()}
    days = {name: one._replace(days=dict.fromkeys(one.days, damage)) for name, one in kept.items()}
    for wrong in (recent, days):
        engine = SloEngine([objective(), requests()])
        for name in engine.restore(wrong):
            row = next(row for row in engine.evaluations() if row.objective.name == name)
            assert (row.period.bad, row.windows[3600].bad) == (0, 0)
        engine.tick(BASE)
    assert engine.restore(days) == ("db", "web")


@pytest.mark.parametrize("step", [-200, -7200, -40 * 365 * DAY])
def test_a_clock_set_back_meanwhile_loses_nothing(step):
    """The next process starts hours or years before the one it follows: time goes on from where it stood."""
    before = lived()
    after = reborn(before)
    after.tick(BASE + step)
    assert [row.windows[3600].bad for row in after.evaluations()] == [
        row.windows[3600].bad for row in before.evaluations()
    ]
    for _ in play(after, 10, step + 10, step + 400, lambda t: "good"):
        pass
    assert after.evaluations()[0].windows[3600].known > 360 - 1 - 20


def test_a_machine_without_a_clock_keeps_its_history():
    """It boots in 1970, hears the time a minute later, and knows the hour before the restart."""
    after = reborn(lived())
    for t in range(0, 60, 10):
        after.tick(100 + t)
    after.tick(BASE + 90)
    assert after.evaluations()[0].windows[3600].bad == 60


def test_only_days_that_changed_are_given_again():
    """A save after midnight brings yesterday's end and today; empty days are left out."""
    engine = SloEngine([objective(), requests()])
    for t in (10, DAY + 10, 5 * DAY + 10, 6 * DAY + 10):
        engine.observe(attempt(t))
        engine.count("web", 1, 0, BASE + t)
    engine.tick(BASE + 6 * DAY + 20)
    today = BASE // DAY + 6
    for one in engine.dump().values():
        assert sorted(one.days) == [today - 6, today - 5, today - 1, today]
    for one in engine.dump(today - 1).values():
        assert sorted(one.days) == [today - 1, today]
        assert sum(map(len, one.days.values())) + len(one.recent) < 30_000


def test_there_is_nothing_to_keep_before_anything_happened():
    """An engine that never saw the time gives nothing, and takes what there was."""
    assert SloEngine([objective()]).dump() == {}


STEPS = st.lists(st.tuples(st.sampled_from([0, 1, 2, 7, 50, 1000]), st.integers(0, 9), st.integers(0, 9)), max_size=40)


@settings(deadline=None)
@given(STEPS, st.integers(0, 300))
def test_a_ring_read_and_written_back_is_the_same(steps, ahead):
    """For any history: the sums equal a plain count, and a ring restored elsewhere in time gives the same sums."""
    ring, told = CountRing("IB", [50, 7, 1]), {}
    entry = 5000
    ring.move(entry)
    for step, one, two in steps:
        entry += step
        ring.move(entry)
        ring.add(one, two)
        before = told.get(entry, (0, 0))
        told[entry] = (before[0] + one, before[1] + two)
    for window in (50, 7, 1):
        inside = [counts for place, counts in told.items() if place > entry - window]
        assert list(ring.sums(window)) == [sum(each[0] for each in inside), sum(each[1] for each in inside)]
    other = CountRing("IB", [50, 7, 1])
    other.move(entry)
    other.write(entry - 60, ring.read(entry - 60, 70))
    other.recount()
    ring.move(entry + ahead)
    other.move(entry + ahead)
    for window in (50, 7, 1):
        assert other.sums(window) == ring.sums(window)
