"""Spans in, request metrics out: what counts, and where."""

import pytest

from agent.red.objective import SpanObjective
from agent.red.red import Red
from agent.red.settings import Settings
from agent.relay.wire import Level
from tests.agent.red.bodies import (
    CLIENT,
    CONSUMER,
    ERROR,
    INTERNAL,
    MS,
    NOW,
    PRODUCER,
    SECOND,
    body,
    counts,
    histograms,
    measured,
    samples,
    send,
    span,
)

ALL = ("checkout", "server", "")


def bucket_counts(red, labels=ALL):
    """Each bucket's own count by its bound in seconds."""
    (family,) = [family for family, _ in red.samples() if not isinstance(family, str) and family.labels[-1] == "route"]
    cumulative = (0, *histograms(red)[labels].buckets)
    return {
        bound: upper - lower
        for bound, lower, upper in zip(family.buckets, cumulative, cumulative[1:], strict=False)
        if upper > lower
    }


@pytest.mark.case("I1")
def test_rate_errors_and_durations_are_exact():
    """100 server spans, 5 of them failed, each in its bucket; no other kind counts."""
    spans = [span(took=(number + 1) * MS, status=ERROR if number % 20 == 0 else 0) for number in range(100)]
    others = [span(kind=kind) for kind in (0, INTERNAL, CLIENT, PRODUCER)]
    red = measured(body(*spans, *others))
    assert counts(red) == {("/orders", "ok"): 95, ("/orders", "error"): 5}
    assert bucket_counts(red) == {0.005: 5, 0.01: 5, 0.025: 15, 0.05: 25, 0.075: 25, 0.1: 25}
    assert histograms(red)[ALL].total == pytest.approx(sum(range(1, 101)) / 1000)


def test_consumers_are_requests_too():
    """They have their own kind, unless the file asks for servers alone."""
    request = body(span(name="orders process", kind=CONSUMER))
    series = samples(measured(request), "outrider_span_requests_total")
    assert series == {
        ("checkout", "orders process", "consumer", "ok"): 1,
        ("checkout", "orders process", "consumer", "error"): 0,
    }
    assert counts(measured(request, kinds=("server",))) == {}


@pytest.mark.case("I2")
def test_the_threshold_of_an_objective_is_good():
    """A bucket ends exactly there, and what took a nanosecond more is in the next one, and bad."""
    told = []
    latency = SpanObjective("latency", "server", "/checkout", 0.3)
    spans = [span("GET /checkout", took=300 * MS), span("GET /checkout", took=300 * MS + 1)]
    red = measured(body(*spans), objectives=(latency,), offer=lambda *event: told.append(event))
    assert bucket_counts(red, ("checkout", "server", "/checkout")) == {0.3: 1, 0.5: 1}
    assert told == [("latency", 1, 1, NOW)]


def test_a_fast_failure_is_bad_for_both_kinds_of_objective():
    """In time is not well answered."""
    told = []
    objectives = (SpanObjective("all", "server"), SpanObjective("fast", "server", None, 1.0))
    spans = [span(status=ERROR), span(took=2 * SECOND), span()]
    measured(body(*spans), objectives=objectives, offer=lambda *event: told.append(event))
    assert told == [("all", 2, 1, NOW), ("fast", 1, 2, NOW)]


def test_durations_are_a_partition():
    """A route that an objective names has its own series, all others share one: the sum counts nobody twice."""
    objective = SpanObjective("latency", "server", "/checkout", 0.3)
    red = measured(body(span("GET /checkout"), span("GET /a"), span("GET /b")), objectives=(objective,))
    assert {labels: h.buckets[-1] for labels, h in histograms(red).items()} == {
        ("checkout", "server", "/checkout"): 1,
        ALL: 2,
    }


@pytest.mark.case("I3")
@pytest.mark.parametrize("took", [-1, -5 * SECOND, 86_400 * SECOND + 1, 10 * 365 * 86_400 * SECOND, int(NOW) * SECOND])
def test_times_that_cannot_be(took):
    """End before start, years, no start at all: the request counts, its duration does not, nor is it offered."""
    told = []
    objectives = (SpanObjective("requests", "server"),)
    red = measured(body(span(took=took), span()), objectives=objectives, offer=lambda *event: told.append(event))
    assert counts(red) == {("/orders", "ok"): 2}
    assert histograms(red)[ALL].buckets[-1] == 1
    assert histograms(red)[ALL].total == 0.01
    assert samples(red, "outrider_span_left_out_total") == {("late",): 0, ("time_invalid",): 1}
    assert told == [("requests", 1, 0, NOW)]


def test_a_span_without_any_time():
    """Neither start nor end: time_invalid, and not late as well."""
    red = measured(body(span(took=0, end=0)))
    assert samples(red, "outrider_span_left_out_total") == {("late",): 0, ("time_invalid",): 1}


@pytest.mark.case("I6")
def test_what_an_objective_names_is_there_at_0():
    """Before the first span: its counts, and its durations."""
    objectives = (SpanObjective("latency", "server", "/checkout", 0.3), SpanObjective("all", "consumer"))
    red = Red(Settings(service="checkout", objectives=objectives))
    assert samples(red, "outrider_span_requests_total") == {
        ("checkout", "/checkout", "server", "ok"): 0,
        ("checkout", "/checkout", "server", "error"): 0,
    }
    assert {labels: sum(h.buckets) for labels, h in histograms(red).items()} == {
        ("checkout", "server", "/checkout"): 0,
        ("checkout", "consumer", ""): 0,
    }
    send(red, body(span("GET /checkout", status=ERROR)))
    assert samples(red, "outrider_span_requests_total")["checkout", "/checkout", "server", "error"] == 1


def test_the_first_error_of_a_route_has_a_0_before_it():
    """Both statuses of a route appear together: `increase` sees the first error."""
    red = measured(body(span()))
    assert samples(red, "outrider_span_requests_total")["checkout", "/orders", "server", "error"] == 0


@pytest.mark.case("I7")
def test_late_spans_count_and_are_offered_to_nobody():
    """Older than the limit: in the counts and the durations, not in the objective; just younger: in all."""
    told = []
    spans = [span(end=NOW - age, status=ERROR) for age in (0, 299, 301, 7200)]
    objectives = (SpanObjective("requests", "server"),)
    red = measured(body(*spans), objectives=objectives, late=300.0, offer=lambda *event: told.append(event))
    assert counts(red) == {("/orders", "error"): 4}
    assert histograms(red)[ALL].buckets[-1] == 4
    assert samples(red, "outrider_span_left_out_total")[("late",)] == 2
    assert told == [("requests", 0, 2, NOW)]


def test_an_all_late_body_offers_nothing():
    """No event at all, not events of 0."""
    told = []
    objectives = (SpanObjective("requests", "server"),)
    measured(body(span(end=NOW - 7200)), objectives=objectives, offer=lambda *event: told.append(event))
    assert told == []


@pytest.mark.case("I8")
def test_sampling_leaves_counts_whole_and_exemplars_to_the_kept():
    """One trace of ten is kept: all 200 count, and no exemplar shows a trace that is not there."""
    kept = set()

    def keep(trace_id, trace_state):
        if trace_id[0] % 10 == 0:
            kept.add(trace_id.hex())
        return trace_id[0] % 10 == 0

    spans = [span(took=(n % 9 + 1) * 10 * MS, trace_id=bytes([n]) * 16) for n in range(1, 201)]
    red = measured(body(*spans), kept=keep)
    assert counts(red) == {("/orders", "ok"): 200}
    shown = {dict(exemplar.labels)["trace_id"] for exemplar in histograms(red)[ALL].exemplars if exemplar}
    assert shown
    assert shown <= kept


def test_the_exemplar_is_the_newest_of_its_bucket():
    """A replay of old spans does not take the place of what is new."""
    red = Red(Settings())
    for name, end in (("old", NOW - 60), ("new", NOW), ("replayed", NOW - 3600)):
        send(red, body(span(end=end, trace_id=name.ljust(16).encode(), span_id=b"12345678")))
    (exemplar,) = [one for one in histograms(red)[ALL].exemplars if one]
    assert exemplar == ((("trace_id", b"new".ljust(16).hex()), ("span_id", b"12345678".hex())), 0.01, NOW)


def test_no_exemplar_has_an_id_that_cannot_be():
    """A span with a short trace id counts, and is shown to nobody."""
    red = measured(body(span(trace_id=b"short")))
    assert counts(red) == {("/orders", "ok"): 1}
    assert histograms(red)[ALL].exemplars == ()


def test_nothing_counts_before_commit():
    """A body that turned out invalid changed no number, and offered nothing."""
    told = []
    red = Red(Settings(objectives=(SpanObjective("all", "server"),), offer=lambda *event: told.append(event)))
    before = [(str(family), list(found)) for family, found in red.samples()]
    spans = span(thrown=[("E", "m")]), span(kind=CLIENT, attributes={"db.system.name": "redis"})
    send(red, body(*spans), commit=False)
    assert [(str(family), list(found)) for family, found in red.samples()] == before
    assert (red.groups(), told) == ([], [])


def test_services_and_resources_are_told_apart():
    """Each resource has its service; one that does not say has the conventions' name."""
    request = body(span(), service="a")
    body(span(), span(), service="b", into=request)
    body(span(), service=None, into=request)
    found = samples(measured(request), "outrider_span_requests_total")
    assert {labels[0]: n for labels, n in found.items() if n} == {"a": 1, "b": 2, "unknown_service": 1}


def test_a_reload_keeps_counts_and_starts_durations_anew_where_a_threshold_moved():
    """Counts go on; buckets that changed begin at 0, in the new bounds; those that did not stay."""
    red = measured(body(span()), service="checkout")
    red.configure(Settings(service="checkout", late=60.0))
    assert histograms(red)[ALL].buckets[-1] == 1
    red.configure(Settings(service="checkout", objectives=(SpanObjective("x", "server", "/orders", 0.033),)))
    send(red, body(span(took=33 * MS)))
    assert counts(red) == {("/orders", "ok"): 2}
    assert bucket_counts(red, ("checkout", "server", "/orders")) == {0.033: 1}
    red.configure(Settings(service="checkout"))
    assert set(histograms(red)) == set()
    assert counts(red) == {("/orders", "ok"): 2}


def test_a_body_on_its_way_over_a_reload_counts_without_its_durations():
    """Its buckets are no more, so nothing of it lands in a wrong one."""
    red = Red(Settings())
    walk = send(red, body(span()), commit=False)
    red.configure(Settings(objectives=(SpanObjective("x", "server", None, 0.001),)))
    walk.commit(NOW)
    assert counts(red) == {("/orders", "ok"): 1}
    assert histograms(red) == {}


def test_walks_do_not_disturb_each_other():
    """Two bodies seen at the same time, one of them invalid in the end."""
    red = Red(Settings())
    one, two = red.walk(NOW), red.walk(NOW)
    for walk, name in ((one, "GET /a"), (two, "GET /b"), (one, "GET /a")):
        walk.see(Level.REQUEST, True, body(span(name)))
    one.commit(NOW)
    assert counts(red) == {("/a", "ok"): 2}
