import pytest

from agent.events import Outcome
from agent.health.board import Member, View
from agent.health.judge import Bound
from agent.health.state import State
from agent.readiness.policy import Status, Verdict, unjudged
from agent.readiness.weight import weight
from probes.base import Reading

READY = Verdict(ready=True, status=Status.HEALTHY)
SOFT = Bound("used", 0.8, above=True, outcome=Outcome.WARN, unit="ratio")
HARD = Bound("used", 0.9, above=True, outcome=Outcome.FAIL, unit="ratio")
NOW = 1000.0


def view(*readings, bounds=(SOFT, HARD), name="memory", stale=False, maintenance="", **member):
    """A member whose `used` reads so."""
    return View(
        Member(name, "memory", bounds=bounds, **member), State.UP, 0.0, None, stale=stale, maintenance=maintenance,
        readings=tuple(each if isinstance(each, Reading) else Reading("used", each, "ratio") for each in readings),
    )  # fmt: skip


def share(*views, ready_since=0.0, verdict=READY):
    return weight({each.member.name: each for each in views}, verdict, NOW, ready_since)


@pytest.mark.parametrize(
    ("used", "percent"),
    [(0.0, 100), (0.8, 100), (0.81, 91), (0.85, 55), (0.89, 19), (0.9, 10), (0.99, 10), (7.0, 10)],
)
def test_falls_from_the_degraded_to_the_down_limit(used, percent):
    """The whole share up to the degraded limit, then linearly down to a tenth at the limit of down, and no less."""
    assert share(view(used)) == percent


@pytest.mark.parametrize(("used", "percent"), [(0.8, 100), (0.9, 55), (1.0, 10)])
def test_falls_to_the_whole_of_it(used, percent):
    """Without a limit of down the share reaches a tenth where nothing is left."""
    assert share(view(used, bounds=(SOFT,))) == percent


def test_a_limit_at_the_end_of_the_scale():
    """A degraded limit with no room above it takes the share to a tenth at once, and divides by nothing."""
    full = Bound("used", 1.0, above=True, outcome=Outcome.WARN, unit="ratio")
    assert [share(view(used, bounds=(full,))) for used in (1.0, 1.01)] == [100, 10]


def test_the_lowest_counts():
    """Of several items, readings and members the one that is shortest decides."""
    mounts = view(Reading("used", 0.5, "ratio", item="/"), Reading("used", 0.85, "ratio", item="/var"), name="disk")
    assert share(view(0.81), mounts, view(0.2, name="cpu")) == 55


@pytest.mark.parametrize(
    "member",
    [
        pytest.param({"shared": True}, id="shared"),
        pytest.param({"when_down": "ignore"}, id="ignored"),
        pytest.param({"stale": True}, id="stale"),
        pytest.param({"maintenance": "nightly"}, id="in maintenance"),
    ],
)
def test_members_that_have_no_say(member):
    """What all replicas suffer alike, what is ignored, old or in maintenance leaves the share whole."""
    assert share(view(0.99, **member)) == 100


@pytest.mark.parametrize(
    "bound",
    [
        pytest.param(HARD, id="down alone"),
        pytest.param(Bound("used", 0.8, above=False, outcome=Outcome.WARN, unit="ratio"), id="a lower limit"),
        pytest.param(Bound("used", 0.8, above=True, outcome=Outcome.WARN, unit="seconds"), id="no ratio"),
        pytest.param(Bound("used", 0.8, above=True, outcome=Outcome.WARN, per_second=True, unit="ratio"), id="a rate"),
        pytest.param(Bound("other", 0.8, above=True, outcome=Outcome.WARN, unit="ratio"), id="another reading"),
    ],
)
def test_limits_that_say_nothing_of_the_share(bound):
    """Only a ratio with an upper limit for degraded is a resource that runs short."""
    assert share(view(0.99, bounds=(bound,))) == 100


def test_a_reading_that_cannot_be_read():
    """What is not known does not count."""
    assert share(view(None), view(name="none")) == 100


@pytest.mark.parametrize(("seconds", "percent"), [(0, 10), (10, 40), (20, 70), (30, 100), (3000, 100)])
def test_a_return_is_slow(seconds, percent):
    """From a tenth to the whole share within 30 s of becoming ready, and not more afterwards."""
    assert share(view(0.1), ready_since=NOW - seconds) == percent


def test_both_at_once():
    """A replica that returns with little to spare gets less than either alone would leave it, and never nothing."""
    assert share(view(0.85), ready_since=NOW - 10) == 22
    assert share(view(0.99), ready_since=NOW) == 1


def test_unready_is_the_least():
    """While it is not ready, the share is the one it would return with."""
    assert share(view(0.1), ready_since=None) == 10


def test_unjudged_is_the_whole():
    """Without a valid configuration nothing is held against the replica."""
    assert share(view(0.99), ready_since=None, verdict=unjudged(draining=False)) == 100
