"""The ratio rule: what the peers' attempts say of a dependency that is down here."""

import pytest

from agent.readiness.evidence import Doubt, Tally, tally
from agent.readiness.fleet import Attempted, PeerView

FAILED_AT = 100.0  #: when our own first failure of the episode started


def view(letters, at=FAILED_AT + 1, *, name="peer", heard=120.0, probe="db"):
    """A view with these attempts, a tenth of a second apart."""
    attempts = tuple(Attempted(at + number / 10, letter == "S") for number, letter in enumerate(letters))
    return PeerView(name, heard, attempts={probe: attempts})


def said(*views, since=FAILED_AT, recent=0.0):
    return tally(views, "db", since, recent)


@pytest.mark.parametrize(
    ("views", "blames"),
    [
        pytest.param((), False, id="nobody is heard"),
        pytest.param(("S",), True, id="the only peer reaches it"),
        pytest.param(("F",), False, id="the only peer does not"),
        pytest.param(("S", ""), True, id="half of them tried and reached it"),
        pytest.param(("S", "", ""), False, id="fewer than half of them tried"),
        pytest.param(("SSSSSSSSS", "F"), True, id="one in ten failed"),
        pytest.param(("SSSSSSSS", "F"), False, id="one in nine failed"),
        pytest.param(("SF", "SF", "SF"), False, id="everyone both passes and fails"),
    ],
)
def test_the_rule(views, blames):
    """Half of the views tried since and at most one in ten of those attempts failed: then it is us."""
    assert said(*map(view, views)).blames_us is blames


def test_only_attempts_that_started_after_ours_count():
    """What passed before the fault says nothing; not even what started at the same instant."""
    assert said(view("SSS", at=FAILED_AT - 10), view("S", at=FAILED_AT)) == Tally(views=2)


def test_only_recent_attempts_count():
    """In a long episode a pass of an hour ago is no evidence."""
    assert said(view("SSS", at=FAILED_AT + 1), recent=FAILED_AT + 50).asked == 0


def test_another_probe_of_the_peer_does_not_count():
    """Each dependency is judged by its own attempts."""
    assert said(view("SSS", probe="cache")) == Tally(views=1)


def test_what_is_counted():
    """Views, those that tried, those that reached it, all attempts, the failed ones, those that saw a failure."""
    assert said(view("SF"), view("FF"), view("")) == Tally(3, 2, 1, 4, 3, 2)


def test_whether_they_tried_is_asked_of_the_newest_views():
    """Views from before anyone could have tried do not outvote a dozen newer ones; every failure still counts."""
    old = [view("", heard=110.0) for _ in range(24)]
    new = [view("S", heard=115.0) for _ in range(12)]
    assert said(*new, *old).blames_us
    assert (said(*new, *old).views, said(*new, *old).asked) == (12, 12)
    failing = [view("F", heard=110.0) for _ in range(2)]
    assert not said(*new, *failing).blames_us


@pytest.mark.parametrize(("views", "elsewhere"), [(("SS", "SF", "SF"), True), (("SS", "SS", "FF"), False), ((), False)])
def test_it_fails_elsewhere_where_more_than_one_suffers(views, elsewhere):
    """One peer that fails alone may be cut off itself."""
    assert said(*map(view, views)).fails_elsewhere is elsewhere


def test_evidence_asks_for_one_more_attempt_once():
    """When it first appears an attempt is due; while it holds no other."""
    doubt = Doubt()
    against = said(view("S"))
    assert [doubt.weigh(against, 110.0), doubt.weigh(against, 112.0)] == [True, False]


@pytest.mark.parametrize(("last_failure", "convinced"), [(None, False), (105.0, False), (110.0, False), (110.1, True)])
def test_a_failure_counts_when_it_started_after_the_evidence(last_failure, convinced):
    """What failed before the evidence was in hand might have been everybody's trouble."""
    doubt = Doubt()
    doubt.weigh(said(view("S")), 110.0)
    assert doubt.convinced(last_failure) is convinced


def test_evidence_that_no_longer_holds_is_dropped():
    """And has to be found, and failed after, anew."""
    doubt = Doubt()
    doubt.weigh(said(view("S")), 110.0)
    assert not doubt.weigh(said(view("F")), 112.0)
    assert not doubt.convinced(111.0)
    assert doubt.weigh(said(view("S")), 114.0)
    assert not doubt.convinced(111.0)
