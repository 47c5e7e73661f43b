"""Who is in maintenance, and who asked for it."""

from datetime import UTC, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import Observation, Outcome
from agent.health import maintenance
from agent.health.board import Board, Member
from agent.health.maintenance import MOST_ASKED, Asked, Maintenance, TooMany, Written, whose
from agent.health.windows import Once, Span, Weekly, current
from config.load import load
from probes.base import Measurement
from probes.reason import Reason

MIDNIGHT = 1_780_272_000.0  # 2026-06-01, a Monday
HOUR = 3600.0


def once(name, start, end, *probes):
    """A window that comes once, in hours since midnight."""
    return Written(name, probes, Once(Span(MIDNIGHT + start * HOUR, MIDNIGHT + end * HOUR)))


def asked(id_, start, end, *probes):
    """A window that somebody asked for, in hours since midnight."""
    return Asked(id_, probes, Span(MIDNIGHT + start * HOUR, MIDNIGHT + end * HOUR), "upgrade", "127.0.0.1 (curl/8)")


def said(windows, probe, *hours):
    """What is said of a probe at these hours."""
    return [windows.why(MIDNIGHT + hour * HOUR, probe) for hour in hours]


def test_a_window_of_some_probes():
    """Its probes are in maintenance from its start until just before its end, others never."""
    windows = Maintenance([once("move", 1, 3, "db", "cache")])
    text = "move, until 2026-06-01T03:00:00Z"
    assert said(windows, "db", 0.9, 1, 2.9, 3) == ["", text, text, ""]
    assert said(windows, "app", 0.9, 1, 2.9, 3) == [""] * 4


def test_a_window_of_all_probes():
    """A window without names is everybody's."""
    assert said(Maintenance([once("move", 1, 3)]), "any", 0, 2) == ["", "move, until 2026-06-01T03:00:00Z"]


def test_the_window_that_lasts_longest_is_named():
    """Of several, whoever wonders is told when it is really over."""
    windows = Maintenance([once("short", 0, 1, "db"), once("long", 0, 4), once("middle", 0, 2, "db")])
    assert said(windows, "db", 0.5, 1.5, 3) == ["long, until 2026-06-01T04:00:00Z"] * 3


def test_asked_for_until_it_expires():
    """It opens at once, says who and why, and ends by itself."""
    windows = Maintenance()
    assert said(windows, "db", 0) == [""]
    windows.ask(asked("a", 0, 0.5, "db"))
    text = "upgrade, asked for by 127.0.0.1 (curl/8), until 2026-06-01T00:30:00Z"
    assert said(windows, "db", 0, 0.49, 0.5) == [text, text, ""]
    assert windows.asked(MIDNIGHT + 0.5 * HOUR) == ()


def test_ended_before_its_time():
    """One that is ended is over at once; ending it again, or something else, ends nothing."""
    windows = Maintenance()
    windows.ask(asked("a", 0, 1, "db"))
    assert said(windows, "db", 0.1) != [""]
    assert windows.end("b", MIDNIGHT) is None
    assert windows.end("a", MIDNIGHT + 360).probes == ("db",)
    assert said(windows, "db", 0.1) == [""]
    assert windows.end("a", MIDNIGHT + 360) is None


def test_over_cannot_be_ended():
    """What expired is as if it had never been there."""
    windows = Maintenance()
    windows.ask(asked("a", 0, 1))
    assert windows.end("a", MIDNIGHT + HOUR) is None


def test_another_file():
    """A reload brings other windows at once, and keeps what people asked for."""
    windows = Maintenance([once("move", 0, 4, "db")])
    windows.ask(asked("a", 0, 4, "cache"))
    assert said(windows, "db", 1) != [""]
    windows.configure([once("other", 0, 4, "app")])
    assert [bool(*said(windows, probe, 1)) for probe in ("db", "cache", "app")] == [False, True, True]


def test_a_clock_that_is_put_back():
    """It ends early rather than late, and a window of the file follows the clock."""
    windows = Maintenance([once("move", 1, 3, "db")])
    windows.ask(asked("a", 2, 2.5, "cache"))
    assert [*said(windows, "db", 2), *said(windows, "cache", 2)] != ["", ""]
    assert [*said(windows, "db", 0), *said(windows, "cache", 0)] == ["", ""]


def test_not_without_end():
    """Nobody fills the memory with windows; those that are over make room."""
    windows = Maintenance()
    for number in range(MOST_ASKED):
        windows.ask(asked(str(number), 0, 1))
    with pytest.raises(TooMany):
        windows.ask(asked("more", 0.5, 1.5))
    windows.ask(asked("more", 1, 2))
    assert [each.id for each in windows.asked(MIDNIGHT + HOUR)] == ["more"]


def test_looked_up_between_edges(monkeypatch):
    """A thousand verdicts between two edges cost one look at the windows."""
    looks = []
    monkeypatch.setattr(maintenance, "current", lambda window, at: looks.append(at) or current(window, at))
    daily = Weekly(frozenset(range(7)), time(1), HOUR, UTC)
    windows = Maintenance([Written("daily", (), daily)])
    for number in range(1000):
        windows.why(MIDNIGHT + number, "db")
    assert len(looks) == 1
    assert said(windows, "db", 1.5, 2.5) == ["daily, until 2026-06-01T02:00:00Z", ""]
    assert len(looks) == 3


HOURS = st.integers(0, 24)
SPANS = st.tuples(HOURS, HOURS).filter(lambda pair: pair[0] < pair[1])
FROM_NOW = st.tuples(st.just(0), st.integers(1, 24))
PROBES = st.lists(st.sampled_from(["db", "cache"]), unique=True)


@given(
    st.lists(st.tuples(SPANS, PROBES), max_size=4), st.lists(st.tuples(FROM_NOW, PROBES), max_size=4), st.lists(HOURS)
)
def test_the_look_up_forgets_nothing(of_file, of_people, hours):
    """Whatever is asked in whatever order, the answer is that of all windows looked at anew."""
    windows = Maintenance([once("w", *span, *probes) for span, probes in of_file])
    for number, (span, probes) in enumerate(of_people):
        windows.ask(asked(str(number), *span, *probes))
    left = of_people
    for hour in hours:
        left = [(span, probes) for span, probes in left if hour < span[1]]  # what is over does not come back
        for probe in ("db", "cache", "app"):
            expected = any(
                span[0] <= hour < span[1] and (not probes or probe in probes) for span, probes in (*of_file, *left)
            )
            assert bool(*said(windows, probe, hour)) is expected


def test_the_windows_of_a_file():
    """Those with a name, and those of each probe; a sentence tells each to its owner."""
    text = (
        "service: s\nprobes:\n  db: {type: x, maintenance: [{start: 22:00, duration: 1h, days: [sun]}]}\n"
        "maintenance:\n  nightly: {start: 01:00, duration: 2h}\n"
    )
    config = load(text.encode(), {}).config
    found = maintenance.written(config.maintenance, {name: probe.maintenance for name, probe in config.probes.items()})
    assert [(each.name, each.probes) for each in found] == [("nightly", ()), ("", ("db",))]
    assert [each.sentence(MIDNIGHT) for each in found] == [
        "Maintenance nightly of all probes: every day at 01:00 UTC for 2h; next 2026-06-01T01:00:00Z.",
        "Maintenance of db: sun at 22:00 UTC for 1h; next 2026-06-07T22:00:00Z.",
    ]
    assert whose(("db", "cache")) == "db, cache"


@pytest.mark.case("A15c")
@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.FAIL])
def test_no_news_is_no_event(outcome):
    """Up to up, down to down, maintenance to maintenance: nothing changes, so nothing is told."""
    board, windows = Board(), Maintenance([once("move", 0, 4)])
    board.enter(Member("db", "x"), 0.0)
    edges = [
        board.record(
            Observation("db", "x", n, n - 0.1, float(n), MIDNIGHT + n, outcome, Reason.OK, measurement=Measurement())
        )
        for n in range(1, 9)
    ]
    assert sum(edge is not None for edge in edges) == 1  # the first belief
    views = [board.view(9.0, lambda name, at=MIDNIGHT + n: windows.why(at, name))["db"] for n in range(9)]
    assert {view.overlays for view in views} == {("maintenance",)}
    assert len({view.state for view in views}) == 1
