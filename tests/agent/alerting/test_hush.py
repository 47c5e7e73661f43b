"""What is silenced or left to others is said late, once, or never; its end is said to those who heard its beginning."""

from dataclasses import replace

import pytest

from agent.alerting.hush import Hush
from agent.alerting.row import Notice
from agent.alerting.silences import Silences
from tests.agent.alerting.test_silences import silence
from tests.exporters.notify.place import alert

FIRES = Notice(alert(started_at=30.0), ("oncall", "fleet"))
ENDS = Notice(alert(started_at=30.0, resolved_at=300.0), ("oncall", "fleet"))


@pytest.fixture
def silences():
    """One, from 100 until 400."""
    known = Silences()
    known.add(silence("slo=pg-availability"), 0.0)
    return known


def said(notices):
    """In short: whether it fires, and who is told."""
    return [(notice.alert.firing, notice.receivers) for notice in notices]


@pytest.mark.case("L12")
def test_an_end_inside_a_silence_is_said(silences):
    """Announced at 30; nothing while it is silenced from 100 on; its resolve at 300 is sent."""
    hush = Hush(silences)
    assert hush.step([FIRES], 30.0) == [FIRES]
    assert [hush.step([], float(at)) for at in range(31, 300)] == [[]] * 269
    assert hush.step([ENDS], 300.0) == [ENDS]
    assert hush.step([], 400.0) == []


def test_what_fires_on_when_a_silence_ends_is_said_then(silences):
    """Once, with the time at which it began."""
    hush = Hush(silences)
    assert hush.step([FIRES], 200.0) == []
    assert hush.step([], 399.0) == []
    assert hush.step([], 400.0) == [FIRES]
    assert hush.step([], 401.0) == []
    assert hush.step([ENDS], 402.0) == [ENDS]


def test_what_ended_inside_a_silence_was_never_said(silences):
    """Nobody is told the end of what nobody was told."""
    hush = Hush(silences)
    assert hush.step([FIRES], 200.0) == []
    assert hush.step([ENDS], 300.0) == []
    assert hush.step([], 400.0) == []
    assert not hush.held


def test_another_alert_is_not_touched(silences):
    """A silence is for the alerts it names."""
    other = Notice(alert(key="k2", slo="cart"), ("oncall",))
    assert Hush(silences).step([FIRES, other], 200.0) == [other]


def test_who_keeps_to_silences_by_itself_is_told(silences):
    """An Alertmanager gets what fires, also while it is silenced there; each hears the end of what it heard begin."""
    hush = Hush(silences, keeps=lambda name: name == "fleet")
    assert said(hush.step([FIRES], 200.0)) == [(True, ("fleet",))]
    assert said(hush.step([], 201.0)) == []
    assert said(hush.step([ENDS], 300.0)) == [(False, ("fleet",))]
    assert said(hush.step([FIRES], 310.0)) == [(True, ("fleet",))]
    assert said(hush.step([], 400.0)) == [(True, ("oncall",))]
    assert said(hush.step([ENDS], 410.0)) == [(False, ("oncall", "fleet"))]


def test_while_somebody_else_calls_nothing_new_is_said():
    """To nobody at all; what fires when that is over is said then, and what was said before gets its end."""
    hush = Hush(Silences(), keeps=lambda name: name == "fleet")
    before = Notice(alert(key="k2"), ("oncall",))
    assert hush.step([before], 10.0) == [before]
    assert hush.step([FIRES], 30.0, quiet=True) == []
    over = replace(before, alert=replace(before.alert, resolved_at=40.0))
    assert hush.step([over], 40.0, quiet=True) == [over]
    assert hush.step([], 50.0) == [FIRES]
    assert hush.step([], 60.0, quiet=True) == []
    assert hush.step([ENDS], 70.0, quiet=True) == [ENDS]


def test_an_alert_without_receivers_passes():
    """The outbox says so in the log; a silenced one is not worth that."""
    nobody = replace(FIRES, receivers=())
    hush = Hush(Silences())
    assert hush.step([nobody], 30.0) == [nobody]
    assert hush.step([nobody], 30.0, quiet=True) == []


def test_what_was_held_back_outlives_a_restart():
    """As far as it fires on; the rest is forgotten, since nobody would ever end it."""
    hush = Hush(Silences())
    hush.restore([FIRES, Notice(alert(key="gone"), ("oncall",))], {"k1"})
    assert hush.step([], 100.0) == [FIRES]
