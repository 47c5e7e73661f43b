"""`maintenance` in the file: what it takes, and what it says no to."""

import sys
import zoneinfo
from datetime import time

import jsonschema
import pytest

from config.errors import ConfigError
from config.load import load
from config.model import File
from config.schema import json_schema
from config.types import Unfit
from config.types.calendar import Moment, TimeOfDay, Zone


def read(text):
    """The configuration of a text."""
    return load(f"service: s\nprobes: {{orders-db: {{type: x}}}}\n{text}\n".encode(), {}).config


def faults(text):
    """The problems of a text, without source and place."""
    with pytest.raises(ConfigError) as refused:
        read(text)
    return [line.split(": ", 1)[1] for line in str(refused.value).splitlines()]


def test_a_window_that_comes_back():
    """Days, start, duration and zone as written; times of day stay times, not numbers of seconds."""
    text = "{probes: [orders-db], days: [mon, tue], start: 22:30, duration: 2h, timezone: Europe/Berlin}"
    nightly = read(f"maintenance: {{nightly: {text}}}").maintenance["nightly"]
    assert (nightly.probes, nightly.days, nightly.duration) == (("orders-db",), ("mon", "tue"), 7200)
    assert (nightly.start.time, str(nightly.start), str(nightly.timezone)) == (time(22, 30), "22:30", "Europe/Berlin")


def test_what_is_left_out():
    """Every probe, every day, UTC."""
    nightly = read("maintenance: {nightly: {start: '22:30', duration: 24h}}").maintenance["nightly"]
    assert (nightly.probes, nightly.days, str(nightly.timezone)) == ((), (), "UTC")


def test_a_window_that_comes_once():
    """Two moments, each with its offset."""
    move = read("maintenance: {move: {from: 2026-12-01T22:00:00Z, until: 2026-12-02T00:30+01:00}}").maintenance["move"]
    assert (str(move.from_), str(move.until)) == ("2026-12-01T22:00:00Z", "2026-12-01T23:30:00Z")


def test_windows_of_one_probe():
    """A probe has windows of its own, and takes those of `defaults` over unless it writes some."""
    config = load(
        b"service: s\ndefaults: {maintenance: [{start: 01:00, duration: 1h}]}\n"
        b"probes:\n  a: {type: x}\n  b: {type: x, maintenance: [{start: 02:00, duration: 1h, days: [sun]}]}\n",
        {},
    ).config
    assert [str(window.start) for window in config.probes["a"].maintenance] == ["01:00"]
    assert [(str(window.start), window.days) for window in config.probes["b"].maintenance] == [("02:00", ("sun",))]


WRITE_TIME = "is no time of day; write one from 00:00 to 23:59, such as 22:30"
WRITE_MOMENT = "is no moment; write a date, a time and an offset, such as 2026-12-01T22:00:00Z"
WRITE_ZONE = "is no time zone; write a place of the tz database such as Europe/Berlin, or UTC"
OTHER = "is for a window that comes back, and this one comes once; leave it out, or `from` and `until`"
REFUSED = {
    "day": ("days: [invalid-day], start: 22:30, duration: 2h", "days[0]: 'invalid-day' is not one of mon, tue, wed"),
    "no day": ("days: [], start: 22:30, duration: 2h", "days: is empty; write days of the week: [mon, tue]"),
    "no colon": ("start: '0000', duration: 2h", f"start: '0000' {WRITE_TIME}"),
    "hour": ("start: 25:00, duration: 2h", f"start: '25:00' {WRITE_TIME}"),
    "end of the day": ("start: 24:00, duration: 2h", f"start: '24:00' {WRITE_TIME}"),
    "minute": ("start: 0:61, duration: 2h", f"start: '0:61' {WRITE_TIME}"),
    "letters": ("start: zz:00, duration: 2h", f"start: 'zz:00' {WRITE_TIME}"),
    "duration 0": ("start: 22:30, duration: 0", "duration: '0' is too small; write at least 1s"),
    "long duration": ("start: 22:30, duration: 25h", "duration: '25h' is too large; write at most 1d"),
    "zone": ("start: 22:30, duration: 2h, timezone: invalid", f"timezone: 'invalid' {WRITE_ZONE}"),
    "misspelt zone": (
        "start: 22:30, duration: 2h, timezone: Europe/Brlin",
        "timezone: 'Europe/Brlin' is no time zone; did you mean `Europe/Berlin`?",
    ),
    "city": (
        "start: 22:30, duration: 2h, timezone: new_york",
        "timezone: 'new_york' is no time zone; did you mean `America/New_York`?",
    ),
    "offset": (
        "start: 22:30, duration: 2h, timezone: UTC+2",
        "timezone: 'UTC+2' is no time zone, and an offset knows no summer time; write a place such as Europe/Berlin",
    ),
    "leap seconds": ("start: 22:30, duration: 2h, timezone: right/Europe/Berlin", "timezone: 'right/Europe/Berlin' is"),
    "a path": (
        "start: 22:30, duration: 2h, timezone: ../../../etc/passwd",
        f"timezone: '../../../etc/passwd' {WRITE_ZONE}",
    ),
    "nothing": ("probes: [orders-db], start: 22:30", "needs the key `duration`: how long it lasts, such as 2h"),
    "no start": ("duration: 2h", "needs the key `start`: a time of day such as 22:30 (or `from` and `until`"),
    "backwards": (
        "from: 2026-12-01T22:00:00Z, until: 2026-12-01T23:00:00+01:00",
        "until: 2026-12-01T22:00:00Z is not after `from`; write a moment after 2026-12-01T22:00:00Z",
    ),
    "no end": ("from: 2026-12-01T22:00:00Z", "needs the key `until`: a moment after `from`"),
    "no beginning": ("until: 2026-12-01T22:00:00Z", "needs the key `from`: a moment before `until`"),
    "no offset": ("from: 2026-12-01T22:00, until: 2026-12-01T23:00:00Z", f"from: '2026-12-01T22:00' {WRITE_MOMENT}"),
    "no such date": (
        "from: 2026-02-30T22:00:00Z, until: 2026-12-01T23:00:00Z",
        f"from: '2026-02-30T22:00:00Z' {WRITE_MOMENT}",
    ),
    "both kinds": ("from: 2026-12-01T22:00:00Z, until: 2026-12-02T22:00:00Z, days: [mon]", f"days: {OTHER}"),
    "a zone for moments": (
        "from: 2026-12-01T22:00:00Z, until: 2026-12-02T22:00:00Z, timezone: Asia/Kathmandu",
        f"timezone: {OTHER}",
    ),
    "no such probe": (
        "probes: [order-db], start: 22:30, duration: 2h",
        "probes: 'order-db' names no probe; did you mean `orders-db`?",
    ),
    "no probe": ("probes: [], start: 22:30, duration: 2h", "probes: is empty; write names of probes: [orders-db]"),
}


@pytest.mark.case("X13")
@pytest.mark.parametrize(("window", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(window, says):
    """What cannot be a window is refused with one sentence that says what can."""
    (found,) = faults(f"maintenance: {{m: {{{window}}}}}")
    assert found.removeprefix("maintenance.m").removeprefix(".").removeprefix(": ").startswith(says), found


def test_refused_inside_a_probe():
    """A window of one probe is refused like one with a name, and names no probes."""
    text = "service: s\nprobes: {p: {type: x, maintenance: [{start: 25:00, duration: 1h, probes: [p]}]}}"
    with pytest.raises(ConfigError) as refused:
        load(text.encode(), {})
    assert f"probes.p.maintenance[0].start: '25:00' {WRITE_TIME}" in str(refused.value)
    assert "probes.p.maintenance[0].probes: unknown key" in str(refused.value)


def test_without_a_tz_database(monkeypatch):
    """Where no zone is known at all, the error says so and not that the zone is wrong; UTC needs no database."""
    path = zoneinfo.TZPATH
    for name in ("tzdata", "tzdata.zoneinfo", *(name for name in sys.modules if name.startswith("tzdata."))):
        monkeypatch.setitem(sys.modules, name, None)
    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        assert str(Zone.parse("UTC")) == "UTC"
        with pytest.raises(Unfit, match="this machine has no tz database; install tzdata, or write UTC"):
            Zone.parse("Europe/Berlin")
    finally:
        zoneinfo.reset_tzpath(path)


@pytest.mark.parametrize(
    ("word", "text"),
    [(TimeOfDay, "00:00"), (TimeOfDay, "23:59"), (Zone, "Asia/Kathmandu"), (Moment, "2026-12-01T22:00:00Z")],
)
def test_words_print_what_they_read(word, text):
    """A value prints the text that means it."""
    assert str(word.parse(text)) == text


@pytest.mark.parametrize("word", [TimeOfDay, Zone, Moment])
@pytest.mark.parametrize("text", ["", "x" * 100_000, "\0", "é", "22:30\n", "Europe", "zone.tab", "/etc/localtime"])
def test_words_refuse_anything_else(word, text):
    """Hostile texts are unfit, at once, and nothing else happens."""
    with pytest.raises(Unfit):
        word.parse(text)


def test_schema():
    """An editor is told the same: what the file takes fits the schema, and a bad time does not."""
    schema = json_schema(File)
    good = {"service": "s", "maintenance": {"m": {"days": ["mon"], "start": "22:30", "duration": "2h"}}}
    jsonschema.validate(good, schema)
    bad = {"service": "s", "maintenance": {"m": {"start": "25:00", "duration": "2h"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(bad, schema)
