"""Windows against the clocks of the world."""

from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.health.windows import Once, Span, Weekly, current, edge, sentence, upcoming, window
from config.load import load

EVERY_DAY = frozenset(range(7))
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
HOUR, DAY = 3600.0, 86400.0
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Australia/Perth",
         "Pacific/Apia", "America/St_Johns", "UTC")  # fmt: skip


def at(text):
    """Unix seconds of a moment in UTC, or of one with an offset."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def weekly(start, hours, days=EVERY_DAY, zone="UTC"):
    return Weekly(frozenset(days), time.fromisoformat(start), hours * HOUR, ZoneInfo(zone))


@pytest.mark.case("M02")
@pytest.mark.parametrize(("ago", "hours"), [(4, 8), (22, 23), (22, 24)])
def test_a_window_that_began_hours_ago(ago, hours):
    """It is open until its end, also where it began yesterday."""
    now = at("2026-06-10T10:15")
    start = datetime.fromtimestamp(now - ago * HOUR, UTC)
    daily = weekly(f"{start:%H:%M}", hours, {start.weekday()})
    assert current(daily, now) == (now - ago * HOUR, now + (hours - ago) * HOUR)


@pytest.mark.case("M04")
@pytest.mark.parametrize("hours", [2, 24])
def test_the_right_hour_of_a_wrong_day(hours):
    """A window of another day is closed, even one that lasts a whole day."""
    now = at("2026-06-10T10:15")  # a Wednesday
    assert current(weekly("10:00", hours, {THU}), now) is None
    assert current(weekly("10:00", hours, {MON}), now) is None
    assert current(weekly("10:00", hours, {WED}), now) is not None


@pytest.mark.case("M05")
def test_a_window_in_another_zone():
    """Its hours are those of its zone: 22:30 in Perth is 14:30 UTC."""
    nightly = weekly("22:30", 2, {WED}, "Australia/Perth")
    assert current(nightly, at("2026-06-10T15:00")) == (at("2026-06-10T14:30"), at("2026-06-10T16:30"))
    assert current(nightly, at("2026-06-10T22:45")) is None


@pytest.mark.case("V18")
@pytest.mark.parametrize(
    ("moment", "closed"),
    [
        ("2026-06-07T17:59", False),
        ("2026-06-08T08:01", True),
        ("2026-06-08T17:01", False),
        ("2026-06-08T18:01", True),
        ("2026-06-12T22:01", False),
    ],
)
def test_working_hours_with_a_break(moment, closed):
    """Several windows make a timetable: Monday to Friday 08 to 20 is watched, but for an hour at 17."""
    weekdays = {MON, TUE, WED, THU, FRI}
    off = (weekly("20:00", 12, weekdays), weekly("17:00", 1, weekdays), weekly("08:00", 24, {SAT, SUN}))
    assert all(current(each, at(moment)) is None for each in off) is closed


def test_a_start_that_the_clocks_skip():
    """02:30 on the night of the gap is 03:00 summer time, the first moment after it."""
    nightly = weekly("02:30", 1, zone="Europe/Berlin")
    assert current(nightly, at("2026-03-29T01:00")) == (at("2026-03-29T01:00"), at("2026-03-29T02:00"))
    assert current(nightly, at("2026-03-29T00:59:59")) is None


def test_a_start_that_the_clocks_show_twice():
    """02:30 is the first of the two, once, and two hours are two hours."""
    nightly = weekly("02:30", 2, zone="Europe/Berlin")
    assert current(nightly, at("2026-10-25T00:30")) == (at("2026-10-25T00:30"), at("2026-10-25T02:30"))
    assert current(nightly, at("2026-10-25T02:30")) is None
    assert upcoming(nightly, at("2026-10-25T00:30")) == (at("2026-10-26T01:30"), at("2026-10-26T03:30"))


def test_a_long_window_over_a_short_day():
    """24 hours from Saturday 23:59 end at 00:59 on Monday, after a Sunday of 23 hours."""
    long = weekly("23:59", 24, {SAT}, "Europe/Berlin")
    assert current(long, at("2026-03-30T00:58+02:00")) is not None
    assert current(long, at("2026-03-30T00:59+02:00")) is None


def test_half_an_hour_of_summer_time():
    """On Lord Howe Island clocks skip from 02:00 to 02:30: a start at 02:10 is 02:30."""
    nightly = weekly("02:10", 1, zone="Australia/Lord_Howe")
    assert current(nightly, at("2026-10-04T02:30+11:00")).start == at("2026-10-04T02:30+11:00")


def test_a_window_that_comes_once():
    """From its first moment until just before its last."""
    once = Once(Span(100.0, 200.0))
    assert [current(once, moment) for moment in (99.9, 100.0, 199.9, 200.0)] == [None, once.span, once.span, None]
    assert [edge(once, moment) for moment in (0.0, 100.0, 200.0)] == [100.0, 200.0, float("inf")]


@cache
def shifts(zone):
    """When the clocks of a zone are put forward or back, to the hour before, from 2010 to 2030."""
    place = ZoneInfo(zone)
    hours = range(int(at("2010-01-01T00:00")), int(at("2030-01-01T00:00")), 6 * 3600)
    offsets = [datetime.fromtimestamp(moment, place).utcoffset() for moment in hours]
    found = [moment for moment, (a, b) in zip(hours, pairwise(offsets), strict=False) if a != b]
    return found or [int(at("2020-06-01T00:00"))]


def slow_spans(known, moment):
    """The same by walking through every minute: a window starts when the clock first shows its start, or later."""
    first = int(moment // 60 * 60 - 5 * DAY)
    minutes = range(first, int(moment + DAY), 60)
    shown = [datetime.fromtimestamp(minute, known.zone).replace(tzinfo=None, fold=0) for minute in minutes]
    day, last = shown[0].date() + timedelta(days=1), shown[-1].date()
    while day <= last:
        wanted = datetime.combine(day, known.start)
        start = next((minute for minute, clock in zip(minutes, shown, strict=True) if clock >= wanted), None)
        if start is not None and day.weekday() in known.days:
            yield Span(float(start), start + known.duration)
        day += timedelta(days=1)


@st.composite
def moments(draw):
    """A window, and a moment within days of a shift of its clocks."""
    zone = draw(st.sampled_from(ZONES))
    start = draw(st.times().map(lambda clock: clock.replace(second=0, microsecond=0)))
    if draw(st.booleans()):  # near midnight and the small hours, where clocks are shifted
        start = start.replace(hour=draw(st.sampled_from([0, 1, 2, 3, 23])))
    duration = draw(st.integers(1, 86400) | st.sampled_from([60, 3600, 86400]))
    days = draw(st.frozensets(st.integers(0, 6), min_size=1) | st.just(EVERY_DAY))
    moment = draw(st.sampled_from(shifts(zone))) + draw(st.integers(-4 * 86400, 4 * 86400))
    return Weekly(days, start, float(duration), ZoneInfo(zone)), float(moment)


@settings(max_examples=80, deadline=None)
@given(moments())
def test_open_when_a_clock_says_so(drawn):
    """Whatever the zone, the start and the duration: open exactly when the slow walk through the minutes says so."""
    known, moment = drawn
    found = [span for span in slow_spans(known, moment) if span.start <= moment < span.end]
    assert current(known, moment) == max(found, key=lambda span: span.end, default=None)


@settings(max_examples=80, deadline=None)
@given(moments())
def test_nothing_happens_between_edges(drawn):
    """From a moment to the next edge the window stays as it is; at a start it is open; the next start lies ahead."""
    known, moment = drawn
    then, coming = edge(known, moment), upcoming(known, moment)
    assert moment < then <= coming.start <= moment + 8 * DAY + 3 * HOUR
    before = current(known, moment)
    for share in (0.25, 0.5, 0.999):
        assert current(known, moment + (then - moment) * share) == before
    assert current(known, coming.start) is not None


def test_sentences():
    """When a window is and what comes next, on its own clock and in UTC."""
    text = (
        "service: s\nmaintenance:\n"
        "  nightly: {days: [tue, mon], start: 22:30, duration: 2h, timezone: Europe/Berlin}\n"
        "  daily: {start: 06:00, duration: 90m}\n"
        "  move: {from: 2026-12-01T22:00:00Z, until: 2026-12-02T22:00:00Z}\n"
    )
    nightly, daily, move = map(window, load(text.encode(), {}).config.maintenance.values())
    wednesday = at("2026-12-02T12:00")
    assert sentence(nightly, wednesday) == (
        "mon, tue at 22:30 Europe/Berlin for 2h; next 2026-12-07 22:30 CET (2026-12-07T21:30:00Z)"
    )
    assert sentence(nightly, at("2026-07-06T21:00")) == (
        "mon, tue at 22:30 Europe/Berlin for 2h; open now, until 2026-07-07 00:30 CEST (2026-07-06T22:30:00Z)"
    )
    assert sentence(daily, wednesday) == "every day at 06:00 UTC for 90m; next 2026-12-03T06:00:00Z"
    lasts = "from 2026-12-01T22:00:00Z until 2026-12-02T22:00:00Z"
    assert sentence(move, at("2026-11-01T00:00")) == lasts
    assert sentence(move, wednesday) == f"{lasts}; open now, until 2026-12-02T22:00:00Z"
    assert sentence(move, at("2026-12-03T00:00")) == f"{lasts}; it is over"
