"""The document between replicas: what is told is what is read, and nothing hostile gets through."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.peers import wire
from agent.readiness.fleet import Attempted, Told, Word

VALID = {"version": 1, "identity": "a1b2", "wants_out": True, "probes": {"db": [[3.5, True], [1.0, False]]}}


def body(**changes):
    """A valid document with these keys changed; None leaves a key out."""
    return json.dumps({key: value for key, value in (VALID | changes).items() if value is not None}).encode()


def test_what_is_told_is_what_is_read():
    """Ages survive the way between two clocks that have nothing in common."""
    told = wire.document("a1b2", True, {"db": [Attempted(90.0, False), Attempted(99.5, True)], "cache": []}, 100.0)
    view = wire.read(json.dumps(told).encode(), asked_at=7000.0)
    assert (view.identity, view.wants_out, view.heard) == ("a1b2", True, 7000.0)
    assert view.attempts == {"db": (Attempted(6990.0, False), Attempted(6999.5, True)), "cache": ()}


def test_what_is_known_of_alerts_is_told():
    """Word and age of each alert; at most 200 of them, and one of a word that is not known here is passed over."""
    alerts = {f"{number:064x}": Told(Word.ANNOUNCED, 12.5) for number in range(300)}
    told = json.loads(json.dumps(wire.document("a", False, {}, 0.0, alerts)))
    assert wire.read(json.dumps(told).encode(), 0.0).alerts == dict(list(alerts.items())[:200])
    told |= {"alerts": {"0" * 64: ["snoozed", 1], "1" * 64: ["firing", 1]}, "started": {}}
    assert wire.read(json.dumps(told).encode(), 0.0).alerts == {"1" * 64: Told(Word.FIRING, 1.0)}


def test_the_start_that_was_announced_is_told_to_the_digit():
    """What is said again must be what was said; a replica of an earlier version neither tells nor refuses it."""
    key, started = "ab" * 32, 1795236192.7451234
    told = json.loads(json.dumps(wire.document("a", False, {}, 0.0, {key: Told(Word.ANNOUNCED, 2.0, started)})))
    assert told["alerts"] == {key: ["announced", 2.0]}
    assert wire.read(json.dumps(told).encode(), 0.0).alerts == {key: Told(Word.ANNOUNCED, 2.0, started)}
    del told["started"]
    assert wire.read(json.dumps(told).encode(), 0.0).alerts == {key: Told(Word.ANNOUNCED, 2.0)}


def test_an_attempt_never_looks_younger_than_it_is():
    """Ages are rounded up to milliseconds; one that starts just now is 0 old, not in the future."""
    told = wire.document("a", False, {"db": [Attempted(99.99999, True), Attempted(100.5, True)]}, 100.0)
    assert told["probes"]["db"] == [(0.001, True), (0.0, True)]


def test_only_the_newest_eight_attempts_of_a_day_are_told():
    """A long memory neither makes the document long nor tells of yesterday."""
    attempts = [Attempted(float(second), True) for second in (-90000, *range(80, 92))]
    assert [age for age, _ in wire.document("a", False, {"db": attempts}, 100.0)["probes"]["db"]] == list(
        range(16, 8, -1)
    )
    assert wire.document("a", False, {"db": attempts[:1]}, 100.0)["probes"]["db"] == []


def test_the_largest_document_that_is_told_can_be_read():
    """200 probes with the longest names and 8 attempts each, and 200 alerts, fit into the limit; more are left off."""
    attempts = [Attempted(-86299.0 - number, False) for number in range(8)]
    alerts = {f"{number:064x}": Told(Word.ANNOUNCED, 86399.123, 1795236192.7451234) for number in range(300)}
    told = wire.document("f" * 64, True, {f"{number:063}": attempts for number in range(300)}, 100.0, alerts)
    encoded = json.dumps(told, separators=(",", ":")).encode()
    assert len(encoded) < wire.LIMIT
    assert len(wire.read(encoded, 0.0).attempts) == 200


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"color": "red", "probes": {"db": []}}, id="unknown keys"),
        pytest.param({"version": 7}, id="a higher version of the same shape"),
        pytest.param({"wants_out": None, "probes": None}, id="nothing but who it is"),
        pytest.param({"probes": {"db": [[0, True], [86400, False]]}}, id="whole numbers at both ends"),
    ],
)
def test_newer_and_shorter_documents_are_understood(changes):
    """A fleet is never all of one version while it is deployed."""
    assert wire.read(body(**changes), 0.0).identity == "a1b2"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>", id="a page"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"\xff\xfe{}", id="not text"),
        pytest.param(body()[:-1], id="cut short"),
        pytest.param(body() + b"{}", id="two of them"),
        pytest.param(b'{"z":' + b"[" * 60000, id="nested deeply, no end"),
        pytest.param(b'{"z":' + b"[" * 20000 + b"]" * 20000 + b"}", id="nested deeply"),
        pytest.param(b" " * 65536 + body(), id="too long"),
        pytest.param(body(identity=None), id="nobody"),
        pytest.param(body(identity=""), id="an empty name"),
        pytest.param(body(identity="x" * 65), id="a long name"),
        pytest.param(body(identity="a\n"), id="a line break in the name"),
        pytest.param(body(identity="é"), id="a name that is not ASCII"),
        pytest.param(body(identity=5), id="a number for a name"),
        pytest.param(body(version=None), id="no version"),
        pytest.param(body(version="1"), id="a text for a version"),
        pytest.param(body(wants_out=1), id="a number for yes"),
        pytest.param(body(probes={"db": [[1.0, True]] * 9}), id="nine attempts"),
        pytest.param(body(probes={f"p{n}": [] for n in range(201)}), id="201 probes"),
        pytest.param(body(probes={"db": [[-0.1, True]]}), id="the future"),
        pytest.param(body(probes={"db": [[86400.1, True]]}), id="yesterday"),
        pytest.param(body(probes={"db": [[1.0, True, 1]]}), id="three parts"),
        pytest.param(body(probes={"db": [["1", True]]}), id="a text for an age"),
        pytest.param(body(probes={"db": [[1.0, 1]]}), id="a number for passed"),
        pytest.param(body(probes=[]), id="a list of probes"),
        pytest.param(body(alerts={"x": ["firing", 1]}), id="an alert without a key"),
        pytest.param(body(alerts={"0" * 64: ["firing", -1]}), id="an alert of the future"),
        pytest.param(body(alerts={f"{n:064x}": ["firing", 1] for n in range(201)}), id="201 alerts"),
        pytest.param(body(started={"0" * 64: -1}), id="an alert before time began"),
        pytest.param(body(started={"0" * 64: 1e300}), id="an alert after time ended"),
        pytest.param(b'{"identity":"a","version":1,"probes":{"db":[[1e999,true]]}}', id="infinity"),
        pytest.param(b'{"identity":"a","version":1,"probes":{"db":[[NaN,true]]}}', id="not a number"),
        pytest.param(b'{"identity":"a","version":1,"probes":{"\\ud800":[]}}', id="half a character"),
    ],
)
def test_what_is_not_a_view_is_refused_with_a_sentence(raw):
    """Whatever comes is a view or a ValueError, nothing else."""
    with pytest.raises(ValueError, match=r"\w"):
        wire.read(raw, 0.0)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*VALID, "db"]), inner, max_size=4),
)


@settings(deadline=None)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_get_through(raw):
    """No bytes at all do anything but be read or be refused."""
    try:
        view = wire.read(raw, 100.0)
    except ValueError:
        return
    assert all(attempt.started <= 100.0 for seen in view.attempts.values() for attempt in seen)
