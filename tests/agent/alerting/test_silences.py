"""Silences: whom they are for, and when."""

import pytest

from agent.alerting.matchers import Matcher
from agent.alerting.silences import MOST, MOST_MATCHERS, Silence, Silences, TooMany, Where, problem

LABELS = {"slo": "orders", "severity": "page", "team": "payments"}


def silence(*matchers, id_="s", starts=100.0, ends=400.0, where=Where.HERE):
    """One, from 100 until 400 unless told otherwise."""
    return Silence(id_, tuple(map(Matcher.parse, matchers)), starts, ends, "alice", "upgrade", where)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("slo=orders", True),
        ('slo = "orders"', True),
        ("slo=order", False),
        ("severity!=page", False),
        ("severity!=ticket", True),
        ('team=~"pay.*"', True),
        ("team=~pay", False),
        ("team!~pay", True),
        ("absent=", True),
        ("absent!=x", True),
        ('absent=~".+"', False),
    ],
)
def test_matchers_are_those_of_alertmanager(text, fits):
    """Anchored expressions, and an absent label is the empty one."""
    assert Matcher.parse(text).fits(LABELS) is fits


@pytest.mark.parametrize("text", ['slo="a b"', "slo=orders", 'slo!~"a|\\"b"', "slo=", 'team=~"pay.*"'])
def test_a_matcher_is_shown_as_it_is_read(text):
    """What the API shows can be written again."""
    assert Matcher.parse(str(Matcher.parse(text))) == Matcher.parse(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("orders", "is no matcher"),
        ("=x", "is no matcher"),
        ("a-b=x", "is no matcher"),
        ('slo="x', "quotes"),
        ("slo=~(a", "opens a group"),
        ("slo=" + "x" * 300, "256"),
        ('slo="a\\u0000"', "printed"),
    ],
)
def test_a_matcher_that_is_none_is_refused(text, what):
    """With what is wrong with it."""
    with pytest.raises(ValueError, match=what):
        Matcher.parse(text)


@pytest.mark.parametrize(
    ("texts", "what"),
    [((), "no matcher"), (("a=", "b!=x"), "every alert"), (("a=b",) * (MOST_MATCHERS + 1), "more than")],
)
def test_what_would_silence_everything_is_refused(texts, what):
    """At least one matcher must need a label, as Alertmanager asks too."""
    assert what in problem([Matcher.parse(text) for text in texts])
    assert problem([Matcher.parse("a=b"), Matcher.parse("c=")]) == ""


def test_in_force_for_its_alerts_in_its_time():
    """From its start until its end, for alerts that meet all matchers; the one that lasts longest is shown."""
    known = Silences()
    known.add(silence("slo=orders", "severity=page"), 0.0)
    known.add(silence("slo=orders", id_="longer", ends=500.0), 0.0)
    assert known.matching(LABELS, 99.0) is None
    assert known.matching(LABELS, 100.0).id == "longer"
    assert known.matching(LABELS | {"slo": "cart"}, 100.0) is None
    assert known.matching(LABELS, 500.0) is None
    assert [each.id for each in known.every(450.0)] == ["longer"]


def test_ended_and_bounded():
    """One that is ended is over at once; no more than 200 are kept, and those that are over make room."""
    known = Silences()
    for number in range(MOST):
        known.add(silence("slo=orders", id_=str(number)), 0.0)
    with pytest.raises(TooMany):
        known.add(silence("slo=orders", id_="more"), 0.0)
    assert known.end("0", 0.0).id == "0"
    assert known.end("0", 0.0) is None
    known.add(silence("slo=orders", id_="more"), 0.0)
    assert known.end("more", 400.0) is None


def test_what_somebody_else_keeps_does_not_touch_our_own():
    """Their list takes the place of their list alone."""
    known = Silences()
    known.add(silence("slo=orders"), 0.0)
    theirs = silence("slo=cart", id_="t", where=Where.ALERTMANAGER)
    assert known.mirror([theirs])
    assert not known.mirror([theirs])
    assert {each.id for each in known.every(0.0)} == {"s", "t"}
    assert known.mirror([])
    assert {each.id for each in known.every(0.0)} == {"s"}
