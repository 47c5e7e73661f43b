"""What an objective cannot do, or does too eagerly: said before it is needed at night."""

from collections.abc import Iterator
from math import ceil, floor

from agent.slo.budget import allowed_seconds
from agent.slo.burn import bad_slots_needed
from agent.slo.objective import Objective, Requests
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
    requests = objective.requests
    allows = f"{begins} {_allowed_requests(objective, requests) if requests else _allowed_time(objective)}"
    count = pages_after(objective)
    if count is None:
        return f"{allows}; it never pages"
    if requests:
        burnt = min(pair.threshold(objective.budget) * pair.long_seconds for pair in _able(objective))
        wait = floor(burnt) + 1 + objective.for_seconds
        least = f" of at least {objective.min_bad} requests" if objective.min_bad > 1 else ""
        return f"{allows}; in steady traffic an outage{least} pages {wait:g} s after it began"
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
    yield from _of_pairs(objective)
    if pages_after(objective) is not None:
        yield from _of_requests(objective) if objective.requests else _of_a_probe(objective)


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


def _of_requests(objective: Objective) -> Iterator[str]:
    lowest = min(pair.threshold(objective.budget) for pair in _able(objective))
    if objective.min_bad <= 1 and objective.min_events * lowest < 1:
        yield (
            f"{objective.name}: in a quiet hour one failed request pages; leave min_bad at 3, "
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
