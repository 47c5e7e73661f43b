"""What an objective cannot do, or does too eagerly: said before it is needed at night."""

from collections.abc import Iterator
from math import ceil, floor

from agent.slo.budget import allowed_seconds
from agent.slo.burn import bad_slots_needed
from agent.slo.counters import Counters, Histogram
from agent.slo.objective import Objective, Requests
from agent.slo.sli import Limit
from agent.slo.windows import Pair
from config.types import Duration
from exporters.base import Severity

ENOUGH_SLOTS = 10  #: bad slots in a whole budget; with fewer the objective measures chance


def pages_after(objective: Objective) -> int | None:
    """Bad slots in a row, on a clean history, that fire the first page; None where no pair can, or none pages."""
    counts = [
        bad_slots_needed(pair.threshold(objective.budget), pair.long_seconds, objective.slot_seconds)
        for pair in _able(objective)
    ]
    return max(min(counts), objective.min_bad, 1) if counts else None


def _able(objective: Objective) -> list[Pair]:
    """The paging pairs that a full outage would fire."""
    pages = [pair for pair in objective.pairs if pair.severity is Severity.PAGE]
    return [pair for pair in pages if pair.threshold(objective.budget) < 1]


def explain(objective: Objective) -> str:
    """One sentence: what the objective allows, and when it calls."""
    begins = f"{objective.name}: {objective.percent} over {objective.window}"
    events = objective.counts_events
    allows = f"{begins} {_allowed_events(objective) if events else _allowed_time(objective)}"
    count = pages_after(objective)
    if count is None:
        return f"{allows}; it never pages"
    if events:
        burnt = min(pair.threshold(objective.budget) * pair.long_seconds for pair in _able(objective))
        # Spans are counted as they come, counters when they are read.
        late = 0 if objective.requests else objective.slot_seconds
        wait = floor(burnt) + 1 + late + objective.for_seconds
        least = (
            f" of at least {objective.min_bad} {'requests' if objective.requests else 'events'}"
            if objective.min_bad > 1
            else ""
        )
        return f"{allows}; in steady traffic an outage{least} pages {wait:g} s after it began"
    wait = (count - 1) * objective.slot_seconds + objective.for_seconds
    what = "it" if objective.reads else "an outage"
    return f"{allows}; {what} pages {wait:g} s after the first of {count} bad slots of {objective.slot_seconds} s"


def _allowed_time(objective: Objective) -> str:
    minutes = float(allowed_seconds(objective.window_seconds, objective.budget)) / 60
    reads = objective.reads
    above = f" of {objective.probe}.{reads.reading} above {reads.bound}" if isinstance(reads, Limit) else ""
    return f"allows {minutes:.4g} minutes{above}"


def _allowed_events(objective: Objective) -> str:
    bad, of = objective.budget.numerator, objective.budget.denominator
    lets, probe = f"lets {bad:,} of {of:,}", objective.probe
    if isinstance(objective.reads, Counters):
        return f"{lets} events of {probe}.{objective.reads.total} be counted by {probe}.{objective.reads.bad}"
    if isinstance(objective.reads, Histogram):
        return f"{lets} events of {probe}.{objective.reads.reading} be above {objective.reads.bound}"
    requests = objective.requests or Requests()
    slow = "" if requests.within is None else f" or take longer than {Duration(requests.within)}"
    route = "" if requests.route is None else f" of {requests.route}"
    return f"{lets} {requests.kind} spans{route} fail{slow}"


def findings(objective: Objective) -> Iterator[str]:
    """Sentences: what is wrong; what would be right. None for an objective that works."""
    yield from _of_pairs(objective)
    if pages_after(objective) is not None:
        yield from _of_events(objective) if objective.counts_events else _of_a_probe(objective)


def _of_pairs(objective: Objective) -> Iterator[str]:
    """Pairs that can never fire, and such as fire within the budget."""
    for pair in objective.pairs:
        calls = "page" if pair.severity is Severity.PAGE else "open a ticket"
        if pair.threshold(objective.budget) >= 1:
            lowest = f"use more than {float(1 - 1 / pair.factor):.5%}"
            yield (
                f"{objective.name}: at {objective.percent} even a full outage burns too slowly to {calls} by "
                f"{pair.name}; {lowest}, or write alerts.windows with a lower factor"
            )
        if pair.factor < 1:
            yield (
                f"{objective.name}: {pair.name} fires at a burn rate above {float(pair.factor):.3g}, which spends no "
                f"more than the budget of {objective.window}; write alerts.windows with factors of 1 and more"
            )


def _of_events(objective: Objective) -> Iterator[str]:
    lowest = min(pair.threshold(objective.budget) for pair in _able(objective))
    which = "failed request" if objective.requests else "bad event"
    if objective.min_bad <= 1 and objective.min_events * lowest < 1:
        yield (
            f"{objective.name}: in a quiet hour one {which} pages; leave min_bad at 3, "
            f"or write min_events: {ceil(1 / lowest)}"
        )


def _of_a_probe(objective: Objective) -> Iterator[str]:
    slots = allowed_seconds(objective.window_seconds, objective.budget) / objective.slot_seconds
    if slots < ENOUGH_SLOTS:
        yield (
            f"{objective.name}: the whole budget of {objective.percent} is {float(slots):.3g} slots of "
            f"{objective.slot_seconds} s; use a shorter interval or a lower objective"
        )
    if pages_after(objective) == 1:
        yield (
            f"{objective.name}: one lost attempt pages at {objective.percent} and a slot of "
            f"{objective.slot_seconds} s; use a shorter interval, or leave min_bad at 3"
        )
