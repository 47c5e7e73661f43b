"""A page and a ticket of one objective: two alerts, and one of them at a time calls."""

import pytest

from agent.alerting.engine import AlertEngine
from agent.slo.engine import SloEngine
from config.sections.alerts import Route
from tests.agent.slo.stream import BASE, H, attempt, objective

TO_ALL = (Route(to=("fleet",)),)


class World:
    """All four pairs, a clean past of six hours, one attempt and one judgement each 30 s."""

    def __init__(self, **options):
        self.slos = SloEngine([objective(slot_seconds=30, **options)])
        self.alerts = AlertEngine(self.slos, TO_ALL)
        assert self.go(-6 * H, 0) == []

    def go(self, start, end, bad=lambda t: False):
        """[(t, severity, fires)] of what is told."""
        told = []
        for t in range(start, end, 30):
            self.slos.observe(attempt(t, "bad" if bad(t) else "good"))
            for one in self.alerts.tick(BASE + t):
                told.append((t, one.alert.severity.value, one.alert.firing))
                self.last = one.alert
        return told

    def states(self):
        ((_, samples),) = self.alerts.samples()
        return {sample.labels[2]: sample.value for sample in samples}


@pytest.mark.case("V09")
def test_an_outage_pages_and_its_ticket_follows_the_page():
    """Ten minutes at 30 s: a page from 30 to 2370 and its quick pair's 5 minutes; then the ticket, until it is over."""
    world = World()
    told = world.go(0, 50_000, lambda t: t < 600)
    assert told == [
        (30, "page", True),
        (2670, "page", False),
        (2670, "ticket", True),
        (22170 + 7200, "ticket", False),
    ]


def test_a_ticket_waits_while_its_page_is_out_and_says_so():
    """Both fire; one is told, the other is suppressed by the same objective's page."""
    world = World()
    world.go(0, 900, lambda t: True)
    assert world.states() == {"page": 2, "ticket": 3}
    assert {(row["severity"], row["suppressed_by"]) for row in world.alerts.view()} == {
        ("page", None),
        ("ticket", "db"),
    }


def test_a_slow_leak_is_a_ticket_and_nobody_is_woken():
    """0.5 % of a day: neither page, one ticket, with its own windows in the text and its own identity."""
    world = World()
    told = world.go(0, 20 * H, lambda t: t % 6000 == 0)
    assert [each[1:] for each in told] == [("ticket", True)]
    said = world.last.annotations["description"]
    assert "of the last 2 hours and" in said
    assert "of the last day; the objective is 99.9% over 30d." in said
    assert "over 1d; above 3 somebody should look into it." in said
    assert "at the last day's rate" in said
    assert world.last.labels["severity"] == "ticket"


def test_a_ticket_that_was_told_is_ended_though_its_page_is_out():
    """First the leak, then the outage: the ticket's end is told whatever else fires."""
    world = World(for_seconds=0)
    told = world.go(0, 20 * H, lambda t: t % 6000 == 0)
    told += world.go(20 * H, 21 * H, lambda t: True)
    world.slos.configure([])
    told += world.go(21 * H, 21 * H + 30)
    assert [each[1:] for each in told] == [("ticket", True), ("page", True), ("page", False), ("ticket", False)]


def test_keys_of_page_and_ticket_differ():
    """A receiver that folds by key must not fold the two."""
    world = World()
    world.go(0, 600, lambda t: t < 600)
    page = world.last.key
    world.go(600, 4000)
    assert world.last.labels["severity"] == "ticket"
    assert world.last.key != page


@pytest.mark.parametrize(("keep", "end"), [(None, 2370 + 300), (0.0, 2370), (60.0, 2430)])
def test_it_is_kept_firing_for_the_short_window_of_the_pair_that_fired(keep, end):
    """5 minutes for the quick pair, unless the file says otherwise."""
    told = World(keep_firing_seconds=keep).go(0, 4000, lambda t: t < 600)
    assert (end, "page", False) in told
