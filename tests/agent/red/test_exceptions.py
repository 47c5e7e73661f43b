"""Exceptions: counted by type and route, and grouped for people."""

from agent.red.exceptions import TYPES
from agent.red.failing import RECENT
from agent.red.objective import SpanObjective
from agent.red.red import Red
from agent.red.settings import Settings
from tests.agent.red.bodies import INTERNAL, NOW, SERVER, body, measured, samples, send, span

COUNTS = "outrider_span_exceptions_total"


def test_type_route_and_message():
    """What is thrown in a request counts for its route."""
    red = measured(body(span(thrown=[("ValueError", "bad input"), ("KeyError", "'x'")])))
    assert samples(red, COUNTS) == {("ValueError", "/orders"): 1, ("KeyError", "/orders"): 1}
    group = red.groups()[-1]
    assert (group.type, group.route, group.service, group.count) == ("ValueError", "/orders", "checkout", 1)
    assert (group.message, group.first_seen, group.last_seen) == ("bad input", NOW, NOW)


def test_an_inner_span_has_the_route_of_its_trace():
    """Wherever in the body its request is, in another scope too; without one the route is empty."""
    inner = span("charge", INTERNAL, thrown=[("CardDeclined", "no")], trace_id=b"t" * 16)
    lonely = span("sweep", INTERNAL, thrown=[("Timeout", "no")], trace_id=b"u" * 16)
    request = body(inner, lonely, scope="app")
    body(span("POST /pay", trace_id=b"t" * 16), scope="web", into=request)
    assert samples(measured(request), COUNTS) == {("CardDeclined", "/pay"): 1, ("Timeout", ""): 1}


def test_other_events_are_none():
    """A log line in a span is no exception."""
    request = body(span())
    request.resource_spans[0].scope_spans[0].spans[0].events.add(name="retry")
    red = measured(request)
    assert (samples(red, COUNTS), red.groups()) == ({}, [])


def test_an_exception_that_says_nothing():
    """Neither type nor message: it counts as unknown."""
    request = body(span())
    request.resource_spans[0].scope_spans[0].spans[0].events.add(name="exception")
    assert samples(measured(request), COUNTS) == {("unknown", "/orders"): 1}


def test_groups_grow_and_the_newest_comes_first():
    """Count, times and the newest message; the first sight stays."""
    red = Red(Settings())
    send(red, body(span(thrown=[("A", "one")])), NOW)
    send(red, body(span(thrown=[("B", "")])), NOW + 1)
    send(red, body(span(thrown=[("A", "two")])), NOW + 2)
    first, second = red.groups()
    assert (first.type, first.count, first.first_seen, first.last_seen) == ("A", 2, NOW, NOW + 2)
    assert first.message == "two"
    assert second.type == "B"


def test_messages_are_cleaned_before_anyone_sees_them():
    """The lead's cleaning comes first, then one printable line."""
    seen = []
    red = Red(Settings(clean=lambda text: text.replace("hunter2", "[redacted]"), exceptions=seen.append))
    send(red, body(span(thrown=[("E", "password=hunter2\nat line 1")])))
    assert red.groups()[0].message == "password=[redacted] at line 1"
    assert seen == red.groups()


def test_traces_are_the_newest_three_that_are_kept():
    """Ids of sampled traces, each once, newest last."""
    red = Red(Settings(kept=lambda trace_id, _: trace_id[0] != 9))
    for number in (1, 2, 9, 2, 3, 4):
        send(red, body(span(thrown=[("E", "")], trace_id=bytes([number]) * 16)))
    assert red.groups()[0].traces == tuple((bytes([number]) * 16).hex() for number in (2, 3, 4))
    assert red.groups()[0].count == 6


def test_new_types_since_a_moment():
    """A known type in another route is not new; a new type is, while the moment lies before its first sight."""
    red = Red(Settings())
    send(red, body(span(thrown=[("Old", "")])), NOW)
    send(red, body(span("GET /b", thrown=[("Old", "")]), span(thrown=[("New", "")])), NOW + 10)
    assert [group.type for group in red.new_since(NOW + 5)] == ["New"]
    assert [group.type for group in red.new_since(NOW + 11)] == []


def test_a_group_that_made_room_is_not_new_when_it_comes_back():
    """Types are remembered longer than groups, and not for ever."""
    red = Red(Settings())
    send(red, body(span(thrown=[("Old", "")])), NOW)
    for number in range(150):
        send(red, body(span(thrown=[(f"E{number}", "")])), NOW + 1)
    assert "Old" not in {group.type for group in red.groups()}
    send(red, body(span(thrown=[("Old", "")])), NOW + 10)
    assert red.new_since(NOW + 5) == []
    for part in range(TYPES // 50):
        send(red, body(*(span(thrown=[(f"P{part}E{number}", "")]) for number in range(50))), NOW + 20)
    assert len(red._exceptions._types) == TYPES


def test_a_body_of_exceptions_is_bounded():
    """A hundred groups of one body by name, the rest together; a thousand events of a piece are looked at."""
    spans = [span(kind=SERVER, thrown=[(f"E{n}x{m}", "") for m in range(20)]) for n in range(60)]
    red = measured(body(*spans))
    found = samples(red, COUNTS)
    assert sum(found.values()) == 1000
    assert len(found) <= 101


def test_an_objective_has_the_one_thrown_last_where_it_looks():
    """Of the file's own service, in its route, and lately; an objective on all requests looks everywhere."""
    objectives = (SpanObjective("all", "server"), SpanObjective("pay", "server", "/pay"))
    red = Red(Settings(service="checkout", objectives=objectives))
    send(red, body(span("POST /pay", thrown=[("CardDeclined", "no")])), NOW)
    send(red, body(span(thrown=[("KeyError", "'x'")])), NOW + 1)
    send(red, body(span("POST /pay", thrown=[("Alien", "")]), service="another"), NOW + 2)
    assert red.thrown("all", NOW + 3).type == "KeyError"
    assert red.thrown("pay", NOW + 3).type == "CardDeclined"
    assert red.thrown("pay", NOW + RECENT + 1) is None
    assert red.thrown("unknown", NOW) is None
