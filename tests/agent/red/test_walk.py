"""A body in pieces says what the whole body says."""

import random

import pytest

from agent.receiver.validate import SLICE, inspect
from agent.red.objective import SpanObjective
from agent.red.red import Red
from agent.red.settings import Settings
from agent.relay.entry import Signal
from tests.agent.red.bodies import CLIENT, ERROR, INTERNAL, MS, NOW, SERVER, body, counts, measured, samples, send, span

SETTINGS = {"objectives": (SpanObjective("latency", "server", "/r/a", 0.1),)}


def page(red):
    """Every number of it."""
    return [(str(family), sorted(map(repr, found))) for family, found in red.samples()]


async def pieces(red, request):
    """Send it as the receiver does; returns how many pieces it came in."""
    walk, levels = red.walk(NOW), []

    def see(level, first, message):
        levels.append(level)
        walk.see(level, first, message)

    await inspect(request.SerializeToString(), Signal.TRACES, see)
    walk.commit(NOW)
    return levels


def many(chance, spans, filler=100, **options):
    """A request of several services, scopes and kinds."""
    request = None
    for service in ("a", "b", None):
        for scope in ("web", "db"):
            made = []
            for _ in range(spans):
                kind = chance.choice((SERVER, CLIENT, INTERNAL))
                path = f"/r/{chance.choice('abc')}"
                attributes = {"x": "x" * filler, "http.route": path, "http.response.status_code": 200}
                if kind == CLIENT:
                    attributes = {"db.system.name": "redis", "server.address": chance.choice("pq")}
                fields = {"trace_id": chance.randbytes(16), "span_id": chance.randbytes(8)}
                took, status = chance.randrange(1000) * MS, chance.choice((0, 0, ERROR))
                thrown = [("E", "m")] if chance.random() < 0.1 and kind == SERVER else ()
                made.append(span(f"GET {path}", kind, took, NOW, status, attributes, thrown, **fields))
            request = body(*made, service=service, scope=scope, into=request, **options)
    return request


@pytest.mark.parametrize("seed", range(5))
async def test_pieces_and_the_whole_are_counted_alike(seed):
    """Hundreds of kilobytes in pieces of every level: the same numbers, services and scopes."""
    request = many(random.Random(seed), 400, filler=300)
    red = Red(Settings(**SETTINGS))
    assert len(set(await pieces(red, request))) >= 3
    assert page(red) == page(measured(request, **SETTINGS))


async def test_a_giant_span_is_one_request():
    """Larger than a piece: its route, status, exceptions and database are found, and it counts once."""
    filler = {f"filler{number}": "x" * 1000 for number in range(200)}
    facts = {"http.route": "/big/{id}", "http.response.status_code": 503}
    request = body(span("handle", attributes={**facts, **filler}, thrown=[("E", "m" * 3000)] * 50), span("GET /small"))
    body(span("q", CLIENT, attributes={**filler, "db.system.name": "redis", "server.port": 1}), into=request)
    red = Red(Settings())
    await pieces(red, request)
    assert counts(red) == {("/big/{id}", "error"): 1, ("/small", "ok"): 1}
    assert samples(red, "outrider_span_exceptions_total") == {("E", "/big/{id}"): 50}
    assert samples(red, "outrider_span_database_requests_total")["redis", ":1", "ok"] == 1


async def test_a_resource_without_a_name_does_not_inherit_one():
    """A large resource that does not say its service comes behind one that does."""
    request = body(*[span(attributes={"x": "x" * 1000})] * 100, service="named")
    body(*[span(attributes={"x": "x" * 1000})] * 100, service=None, into=request)
    assert request.ByteSize() > 2 * SLICE
    red = Red(Settings())
    await pieces(red, request)
    found = samples(red, "outrider_span_requests_total")
    assert {labels[0]: n for labels, n in found.items() if n} == {"named": 100, "unknown_service": 100}


async def test_no_piece_is_held():
    """What a walk keeps of a large body is numbers and ids: no message of protobuf."""
    red = Red(Settings())
    walk = red.walk(NOW)
    request = many(random.Random(1), 300, filler=300)
    await inspect(request.SerializeToString(), Signal.TRACES, walk.see)
    assert all(not durations.newest for durations in walk.durations.values())
    assert all(not row.durations.newest for row in walk.calls.values())
    assert walk._told == []


def test_fields_nobody_knows_are_no_obstacle():
    """Kinds and statuses of tomorrow."""
    red = measured(body(span(kind=77), span(status=99)))
    assert counts(red) == {("/orders", "ok"): 1}


def test_an_empty_request_counts_nothing():
    """Neither resources without scopes nor scopes without spans."""
    red = Red(Settings())
    request = body()
    request.resource_spans.add()
    send(red, request)
    assert counts(red) == {}
