"""Every label has a bounded number of values, and who is beyond is told of once."""

import pytest

from agent.red.objective import SpanObjective
from agent.red.red import Red
from agent.red.settings import Settings
from agent.relay.wire import Level
from tests.agent.red.bodies import CLIENT, SERVER, body, counts, histograms, measured, samples, send, span

WORDS = [f"{first}{second}" for first in "abcdefghijkl" for second in "mnopqrstuvwx"]


def test_routes_beyond_the_cap_are_other():
    """Nothing is lost: the first ones by name, the rest together."""
    red = measured(body(*(span(f"GET /{word}") for word in WORDS)), routes=50)
    found = counts(red)
    assert len(found) == 51
    assert sum(found.values()) == len(WORDS)
    assert found["_other", "ok"] == len(WORDS) - 50


def test_what_objectives_name_needs_no_room():
    """A route of an objective is told apart though the cap is reached."""
    objective = SpanObjective("latency", "server", "/checkout", 0.3)
    red = measured(body(*(span(f"GET /{word}") for word in WORDS[:60])), routes=5, objectives=(objective,))
    send(red, body(span("GET /checkout")))
    assert counts(red)["/checkout", "ok"] == 1


def test_offenders_are_told_of_once():
    """One sentence with samples and what to do, however many come."""
    said = []
    red = Red(Settings(routes=2, tell=said.append))
    for _ in range(3):
        send(red, body(*(span(f"GET /{word}") for word in WORDS[:10])))
    (sentence,) = said
    assert sentence == (
        "more than 2 routes; the others are counted as _other: /ao, /ap, /aq. "
        "Set http.route in the service, or raise traces.metrics.routes."
    )


def test_services_beyond_the_cap_are_other():
    """Ten services by name, in counts and durations alike."""
    red = measured(*(body(span(), service=f"s{number}") for number in range(15)))
    found = samples(red, "outrider_span_requests_total")
    assert len({labels[0] for labels in found}) == 11
    assert found["_other", "/orders", "server", "ok"] == 5
    assert histograms(red)["_other", "server", ""].buckets[-1] == 5


def test_peers_beyond_the_cap_are_other():
    """Twenty databases by name."""
    spans = [span("q", CLIENT, attributes={"db.system": "redis", "server.address": word}) for word in WORDS[:30]]
    found = samples(measured(body(*spans)), "outrider_span_database_requests_total")
    assert len(found) == 42
    assert found["_other", "_other", "ok"] == 10


def test_exceptions_beyond_the_cap_are_other():
    """A hundred pairs of type and route by name; groups are bounded as well, the newest stay."""
    requests = [body(span(thrown=[(f"{word}Error", "")])) for word in WORDS]
    red = measured(*requests)
    found = samples(red, "outrider_span_exceptions_total")
    assert len(found) == 101
    assert sum(found.values()) == len(WORDS)
    assert [group.type for group in red.groups()] == [f"{word}Error" for word in reversed(WORDS[-100:])]


@pytest.mark.parametrize("length", [10, 60_000])
def test_hostile_names_are_short_printable_labels(length):
    """Control characters, surrogates of nothing, pages of text: every label is a short printable line."""
    nasty = "\n\x1b[31m\u202e" + "ä" * length
    attributes = {"http.route": nasty, "db.system.name": nasty, "server.address": nasty}
    spans = [span(nasty, kind, attributes=attributes, thrown=[(nasty, nasty)]) for kind in (SERVER, CLIENT)]
    red = measured(body(*spans, service=nasty, scope=nasty), body(span(nasty), service=nasty))
    for _, found in red.samples():
        for sample in found:
            assert all(len(label) <= 120 and label.isprintable() for label in sample.labels)
    assert all(len(group.message) <= 500 and group.message.isprintable() for group in red.groups())


def test_a_body_of_nothing_but_routes_holds_little():
    """One body may not fill the memory: beyond a thousand routes and a hundred scopes its spans share rows."""
    red = Red(Settings())
    walk = red.walk(0.0)
    for part in range(6):
        request = body()
        for word in WORDS[:120]:
            body(*(span(f"POST /{word}{part}/{letter}") for letter in "abcd"), service=word, scope=word, into=request)
        walk.see(Level.REQUEST, True, request)
    assert len(walk.requests) <= 1100
    assert sum(row.ok for row in walk.requests.values()) == 6 * 120 * 4
