"""What an objective cannot do, or does too eagerly: said before it is needed at night."""

from collections.abc import Iterator
from math import ceil, floor

from agent.slo.budget import allowed_seconds
from agent.slo.burn import bad_slots_needed
from agent.slo.objective import Objective, Requests
from agent.slo.windows import PAGE_QUICK
from config.types import Duration

ENOUGH_SLOTS = 10  #: bad slots in a whole budget; with fewer the objective measures chance


def pages_after(objective: Objective) -> int:
    """Bad slots in a row, on a clean history, that fire the page; its slots are `objective.slot_seconds` apart."""
    needed = bad_slots_needed(objective.threshold, PAGE_QUICK.long_seconds, objective.slot_seconds)
    return max(needed, objective.min_bad, 1)


def explain(objective: Objective) -> str:
    """One sentence: what the objective allows, and when it calls."""
    begins = f"{objective.name}: {objective.percent} over {objective.window}"
    requests = objective.requests
    allows = f"{begins} {_allowed_requests(objective, requests) if requests else _allowed_time(objective)}"
    if objective.threshold >= 1:
        return f"{allows}; it never pages"
    if requests:
        wait = floor(objective.threshold * PAGE_QUICK.long_seconds) + 1 + objective.for_seconds
        least = f" of at least {objective.min_bad} requests" if objective.min_bad > 1 else ""
        return f"{allows}; in steady traffic an outage{least} pages {wait:g} s after it began"
    count = pages_after(objective)
    wait = (count - 1) * objective.slot_seconds + objective.for_seconds
    return f"{allows}; an outage pages {wait:g} s after the first of {count} bad slots of {objective.slot_seconds} s"


def _allowed_time(objective: Objective) -> str:
    minutes = float(allowed_seconds(objective.window_seconds, objective.budget)) / 60
    return f"allows {minutes:.4g} minutes"


def _allowed_requests(objective: Objective, requests: Requests) -> str:
    bad, of = objective.budget.numerator, objective.budget.denominator
    slow = "" if requests.within is None else f" or take longer than {Duration(requests.within)}"
    route = "" if requests.route is None else f" of {requests.route}"
    return f"lets {bad:,} of {of:,} {requests.kind} spans{route} fail{slow}"


def findings(objective: Objective) -> Iterator[str]:
    """Sentences: what is wrong; what would be right. None for an objective that works."""
    lowest = 1 - 1 / PAGE_QUICK.factor(objective.window_seconds)
    if objective.threshold >= 1:
        yield (
            f"{objective.name}: at {objective.percent} even a full outage burns too slowly to page; "
            f"use more than {float(lowest):.5%}, or watch the error budget instead"
        )
        return
    yield from _of_requests(objective) if objective.requests else _of_a_probe(objective)


def _of_requests(objective: Objective) -> Iterator[str]:
    if objective.min_bad <= 1 and objective.min_events * objective.threshold < 1:
        yield (
            f"{objective.name}: in a quiet hour one failed request pages; leave min_bad at 3, "
            f"or write min_events: {ceil(1 / objective.threshold)}"
        )


def _of_a_probe(objective: Objective) -> Iterator[str]:
    slots = allowed_seconds(objective.window_seconds, objective.budget) / objective.slot_seconds
    if slots < ENOUGH_SLOTS:
        yield (
            f"{objective.name}: the whole budget of {objective.percent} is {float(slots):.3g} slots of "
            f"{objective.slot_seconds} s; use a shorter interval or a lower objective"
        )
    needed = bad_slots_needed(objective.threshold, PAGE_QUICK.long_seconds, objective.slot_seconds)
    if needed == 1 and objective.min_bad <= 1:
        yield (
            f"{objective.name}: one lost attempt pages at {objective.percent} and a slot of "
            f"{objective.slot_seconds} s; use a shorter interval, or leave min_bad at 3"
        )
