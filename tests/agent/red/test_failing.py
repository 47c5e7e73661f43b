"""Traces of what was bad: of which objective, kept by sampling, and delivered where that is known."""

from agent.red.failing import KEPT, RECENT
from agent.red.objective import SpanObjective
from agent.red.red import Red
from agent.red.settings import Settings
from tests.agent.red.bodies import ERROR, MS, NOW, SECOND, body, histograms, send, span

ALL = SpanObjective("all", "server")
LATENCY = SpanObjective("latency", "server", "/checkout", 0.3)


def trace(number):
    """An id; in hex as it is told."""
    return number.to_bytes(16, "big")


def told(number):
    return trace(number).hex()


def numbered(number, name="GET /checkout", **fields):
    """A span of the trace with that number."""
    return span(name, trace_id=trace(number), **fields)


def take(red, *spans, now=NOW):
    """One body all the way: seen, valid, and on its way upstream."""
    send(red, body(*spans), now).taken(now)


def made(**settings):
    return Red(Settings(objectives=(ALL, LATENCY), **settings))


def test_each_objective_has_the_traces_that_were_bad_for_it():
    """An error is bad for both, a slow answer for the one on duration, and a good one for none."""
    red = made()
    good, slow, failed = numbered(1), numbered(2, took=400 * MS), numbered(3, took=8 * MS, status=ERROR)
    elsewhere = numbered(4, "GET /other", took=2 * SECOND, status=ERROR)
    take(red, good, slow, failed, elsewhere)
    assert set(red.traces("all", NOW)) == {told(3), told(4)}
    assert set(red.traces("latency", NOW)) == {told(2), told(3)}
    assert red.traces("unknown", NOW) == []


def test_the_threshold_itself_is_good():
    """300 ms are within 300 ms."""
    red = made()
    take(red, numbered(1, took=300 * MS), numbered(2, took=300 * MS + 1))
    assert red.traces("latency", NOW) == [told(2)]


def test_the_newest_are_told_first_and_the_oldest_forgotten():
    """Eight of each objective, one of each bucket of a body; one that comes again is told once."""
    red = made()
    for number in range(1, 20):
        take(red, numbered(number, status=ERROR), now=NOW + number)
    take(red, numbered(15, status=ERROR), now=NOW + 20)
    assert red.traces("all", NOW + 20) == [told(number) for number in (15, 19, 18, 17, 16, 14, 13, 12)]
    assert len(red.traces("all", NOW + 20)) == KEPT


def test_what_was_long_ago_is_not_told():
    """Five minutes: then it may be of another fault."""
    red = made()
    take(red, numbered(1, status=ERROR))
    assert red.traces("all", NOW + RECENT) == [told(1)]
    assert red.traces("all", NOW + RECENT + 1) == []


def test_only_sampled_traces_are_told():
    """What is not forwarded leads nowhere, however it failed."""
    red = made(kept=lambda trace_id, _: trace_id == trace(2))
    take(red, numbered(1, status=ERROR), numbered(2, status=ERROR), numbered(3, status=ERROR))
    assert red.traces("all", NOW) == [told(2)]


def test_what_is_no_event_is_not_told():
    """Late spans, spans without times and invalid ids."""
    red = made(late=300.0)
    late, untimed = numbered(1, status=ERROR, end=NOW - 400), numbered(2, status=ERROR, took=-1)
    take(red, late, untimed, numbered(0, status=ERROR), numbered(3, status=ERROR, took=90 * MS))
    assert red.traces("all", NOW) == [told(3)]


def test_a_body_that_was_not_taken_is_not_told():
    """Refused by a full queue: its spans go nowhere."""
    red = made()
    send(red, body(numbered(1, status=ERROR)))
    assert red.traces("all", NOW) == []


def test_delivered_traces_come_first():
    """An older trace that somebody can open is worth more than a newer one that still waits."""
    arrived, now_delivered = [], {NOW}

    def delivery():
        at = arrived[-1]
        return lambda: at in now_delivered

    red = made(delivery=delivery)
    for number in (0, 1, 2):
        arrived.append(NOW + number)
        take(red, numbered(number + 1, status=ERROR), now=NOW + number)
    assert red.traces("all", NOW + 3) == [told(1), told(3), told(2)]
    now_delivered |= {NOW + 1, NOW + 2}
    assert red.traces("all", NOW + 3) == [told(3), told(2), told(1)]


def test_an_objective_that_leaves_takes_its_traces_along():
    """And the one that stays keeps its own."""
    red = made()
    take(red, numbered(1, status=ERROR))
    red.configure(Settings(objectives=(ALL,)))
    assert (red.traces("all", NOW), red.traces("latency", NOW)) == ([told(1)], [])


def test_exemplars_are_as_they_were():
    """The traces of what failed take no bucket of their own on the metrics page."""
    red = made()
    take(red, numbered(1, "GET /other", status=ERROR))
    (histogram,) = [one for labels, one in histograms(red).items() if labels[2] == "" and one.buckets[-1]]
    shown = [exemplar.labels[0][1] for exemplar in histogram.exemplars if exemplar]
    assert (shown, len(histogram.exemplars)) == ([told(1)], len(histogram.buckets))
