"""What is said of an objective before anybody relies on it."""

from fractions import Fraction

import pytest

from agent.slo.counters import Counters, Histogram
from agent.slo.lint import explain, findings
from agent.slo.objective import Requests
from agent.slo.sli import Limit
from agent.slo.windows import written
from config.types import Bound
from exporters.base import Severity
from tests.agent.slo.stream import objective


def test_a_sound_objective_is_explained_and_not_blamed():
    """Numbers a person can check: allowed minutes, seconds to a page."""
    sound = objective(min_bad=3)
    assert list(findings(sound)) == []
    assert explain(sound) == (
        "db: 99.9% over 30d allows 43.2 minutes; an outage pages 50 s after the first of 6 bad slots of 10 s"
    )


def test_min_bad_and_for_are_part_of_the_wait():
    """At 30 s and 99.9 % two failures would do; min_bad asks for three, and `for` comes on top."""
    assert "90 s after the first of 3 bad slots of 30 s" in explain(
        objective(slot_seconds=30, min_bad=3, for_seconds=30)
    )


@pytest.mark.case("C08")
def test_an_objective_that_can_never_page_is_told():
    """Below 93.056 % the quick pair cannot fire, below 83.333 % neither page can, and so on; each is told."""
    (said,) = findings(objective("93"))
    assert "use more than 93.05556%" in said
    assert explain(objective("80")).endswith("it never pages")
    assert "an outage pages 12960 s after" in explain(objective("90"))
    assert list(findings(objective("93.06"))) == []


@pytest.mark.case("C08")
@pytest.mark.parametrize(("percent", "pairs"), [("93.06", 0), ("84", 1), ("83", 2), ("67", 2), ("66", 3), ("10", 3)])
def test_each_pair_that_can_never_fire_is_told(percent, pairs):
    """Slower pairs fire at lower objectives; the slowest at any."""
    said = list(findings(objective(percent)))
    assert len(said) == pairs
    assert all("even a full outage burns too slowly" in each for each in said)


@pytest.mark.case("C01")
def test_pairs_that_fire_within_the_budget_are_told():
    """Over 7 days the workbook's tickets fire at burn rates of 0.7 and 0.233; over 30 none does."""
    quick, slow = findings(objective(window_seconds=7 * 86400))
    assert "ticket-quick fires at a burn rate above 0.7," in quick
    assert "ticket-slow fires at a burn rate above 0.233, which spends no more than the budget of 7d" in slow


def test_pairs_of_the_file_are_judged_as_written():
    """A demo's pair pages within its own windows; one that only opens tickets never pages."""
    demo = written(Severity.PAGE, 60, 5, Fraction(10))
    assert list(findings(objective("99", own_pairs=(demo,), slot_seconds=5))) == []
    assert "an outage pages 5 s after the first of 2 bad slots of 5 s" in explain(
        objective("99", own_pairs=(demo,), slot_seconds=5)
    )
    (said,) = findings(objective("95", own_pairs=(written(Severity.PAGE, 3600, 300, Fraction(30)),)))
    assert "burns too slowly to page by page-1h-5m; use more than 96.66667%" in said
    assert explain(objective(own_pairs=(written(Severity.TICKET, 3600, 300, Fraction(2)),))).endswith("it never pages")


@pytest.mark.case("V03")
def test_one_lost_attempt_that_pages_is_told():
    """99.9 % at 60 s pages on one failure unless min_bad asks for more."""
    assert "one lost attempt pages" in next(findings(objective(slot_seconds=60, min_bad=1)))
    assert list(findings(objective(slot_seconds=60, min_bad=3))) == []


@pytest.mark.case("V05")
def test_an_objective_too_strict_for_its_interval_is_told():
    """99.99 % at 60 s has a budget of 4.32 slots: chance, not measurement."""
    assert "is 4.32 slots of 60 s" in next(findings(objective("99.99", slot_seconds=60, min_bad=3)))


def requests(percent="99.9", requests=Requests(), **options):  # noqa: B008 - it is frozen
    """An objective over requests."""
    return objective(percent, **({"name": "web", "probe": "", "requests": requests, "min_bad": 3} | options))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            requests(),
            "lets 1 of 1,000 server spans fail; in steady traffic an outage of at least 3 requests pages 52 s after",
        ),
        (
            requests("97", Requests(route="/checkout", within=0.3), for_seconds=60),
            "97% over 30d lets 3 of 100 server spans of /checkout fail or take longer than 300ms; in steady traffic",
        ),
        (
            requests("80", Requests("consumer")),
            "web: 80% over 30d lets 1 of 5 consumer spans fail; it never pages",
        ),
    ],
)
def test_requests_are_explained_in_requests(target, said):
    """How many may fail, of which, and when an outage calls: numbers a person can check."""
    assert said in explain(target)


def test_for_is_part_of_the_wait_for_requests():
    """The arithmetic of the threshold, rounded up, and `for` on top."""
    assert explain(requests("97", for_seconds=60)).endswith("pages 1616 s after it began")
    assert "in steady traffic an outage pages 52 s" in explain(requests(min_bad=1))


def test_a_sound_objective_on_requests_is_not_blamed():
    """The defaults need three failures."""
    assert list(findings(requests())) == []


def test_one_request_that_pages_is_told():
    """In an hour of few requests a single failure is a large share, unless min_bad or min_events ask for more."""
    (said,) = findings(requests(min_bad=1))
    assert said == ("web: in a quiet hour one failed request pages; leave min_bad at 3, or write min_events: 167")
    assert list(findings(requests(min_bad=1, min_events=167))) == []
    assert len(list(findings(requests(min_bad=1, min_events=166)))) == 1


@pytest.mark.case("C08")
def test_requests_that_can_never_page_are_told():
    """The arithmetic of the pair is the same for events."""
    (said,) = findings(requests("93"))
    assert "use more than 93.05556%" in said


STEADY = "in steady traffic an outage of at least 3 events pages 62 s after it began"


@pytest.mark.parametrize(
    ("reads", "said"),
    [
        (
            Limit("lag", Bound(10, "seconds")),
            "allows 43.2 minutes of db.lag above 10s; it pages 50 s after the first of 6 bad slots of 10 s",
        ),
        (Counters("errors", "requests"), f"lets 1 of 1,000 events of db.requests be counted by db.errors; {STEADY}"),
        (
            Histogram("latency", Bound(0.3, "seconds")),
            f"lets 1 of 1,000 events of db.latency be above 300ms; {STEADY}",
        ),
    ],
)
def test_what_a_probe_reads_is_explained(reads, said):
    """In its own words and numbers; counters are seen up to a slot late."""
    target = objective(min_bad=3, reads=reads)
    assert explain(target) == f"db: 99.9% over 30d {said}"
    assert list(findings(target)) == []


def test_one_event_that_pages_is_told():
    """As for requests."""
    (said,) = findings(objective(min_bad=1, reads=Counters("errors", "requests")))
    assert said == "db: in a quiet hour one bad event pages; leave min_bad at 3, or write min_events: 167"
