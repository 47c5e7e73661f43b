"""What an objective cannot do, or does too eagerly: said before it is needed at night."""

from collections.abc import Iterator

from agent.slo.budget import allowed_seconds
from agent.slo.burn import bad_slots_needed
from agent.slo.objective import Objective
from agent.slo.windows import PAGE_QUICK

ENOUGH_SLOTS = 10  #: bad slots in a whole budget; with fewer the objective measures chance


def pages_after(objective: Objective) -> int:
    """Bad slots in a row, on a clean history, that fire the page; its slots are `objective.slot_seconds` apart."""
    needed = bad_slots_needed(objective.threshold, PAGE_QUICK.long_seconds, objective.slot_seconds)
    return max(needed, objective.min_bad, 1)


def explain(objective: Objective) -> str:
    """One sentence: what the objective allows, and when it calls."""
    minutes = float(allowed_seconds(objective.window_seconds, objective.budget)) / 60
    allows = f"{objective.name}: {objective.percent} over {objective.window} allows {minutes:.4g} minutes"
    if objective.threshold >= 1:
        return f"{allows}; it never pages"
    count = pages_after(objective)
    wait = (count - 1) * objective.slot_seconds + objective.for_seconds
    return f"{allows}; an outage pages {wait:g} s after the first of {count} bad slots of {objective.slot_seconds} s"


def findings(objective: Objective) -> Iterator[str]:
    """Sentences: what is wrong; what would be right. None for an objective that works."""
    lowest = 1 - 1 / PAGE_QUICK.factor(objective.window_seconds)
    if objective.threshold >= 1:
        yield (
            f"{objective.name}: at {objective.percent} even a full outage burns too slowly to page; "
            f"use more than {float(lowest):.5%}, or watch the error budget instead"
        )
        return
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
