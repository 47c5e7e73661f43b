"""Attempts on a fixed cadence, as the conformance vectors write them."""

from decimal import Decimal

from agent.events import Observation, Outcome
from agent.slo.engine import SloEngine
from agent.slo.objective import Objective
from agent.slo.windows import workbook
from probes.reason import Reason

BASE = 1_767_225_600  #: 2026-01-01T00:00:00Z, on every slot's edge; t = 0 of every vector
OUTCOMES = {"good": Outcome.PASS, "warn": Outcome.WARN, "bad": Outcome.FAIL, "unknown": Outcome.INCONCLUSIVE}
H, D = 3600, 86400


def objective(percent="99.9", **options):
    """An objective for the probe `db`; without evidence gates unless told."""
    plain = {"name": "db", "service": "shop", "probe": "db", "target": Decimal(percent) / 100, "min_bad": 0}
    return Objective(**(plain | options))


def page_only(percent="99.9", **options):
    """The same, judged by the quickest pair of 30 days alone."""
    return objective(percent, **({"own_pairs": workbook(30 * D)[:1]} | options))


def attempt(t, what="good"):
    """One attempt of `db` that ended `t` seconds after BASE."""
    failed = what == "bad"
    reason, phase = (Reason.CONNECT_REFUSED, "connect") if failed else (Reason.OK, "")
    return Observation("db", "postgres", 1, t, t, BASE + t, OUTCOMES[what], reason, phase=phase)


def quick(row):
    """What the quickest pair says of an objective."""
    return row.judgements[0].condition


def every(row):
    """What each pair says of an objective."""
    return tuple(each.condition for each in row.judgements)


def play(engine, step, start, end, what, said=quick):
    """Record `what(t)` at each t and judge at once; yields (t, what is said). `what` None: no attempt."""
    for t in range(start, end + 1, step):
        verdict = what(t)
        if verdict is not None:
            engine.observe(attempt(t, verdict))
        yield t, said(engine.tick(BASE + t)[1][0])


def bad_while(is_bad):
    """From a condition on t to verdicts."""
    return lambda t: "bad" if is_bad(t) else "good"


def aged(target):
    """An engine with a clean past: six hours, which is all that matters to a ratio over expected slots."""
    engine = SloEngine([target])
    for _ in play(engine, target.slot_seconds, -6 * H, -target.slot_seconds, lambda t: "good"):
        pass
    return engine


def conditions(target, end, what, *, history=True, said=quick):
    """(t, condition) of one objective, after a clean past or none."""
    engine = aged(target) if history else SloEngine([target])
    return list(play(engine, target.slot_seconds, 0, end, what, said))


def edges(seen):
    """[(t, "F" or "c")] wherever a condition changes; None holds what was."""
    found, held = [], False
    for t, condition in seen:
        if condition is not None and condition != held:
            found.append((t, "F" if condition else "c"))
            held = condition
    return found


def by_pair(seen):
    """The edges of each pair, from what `every` said."""
    return [edges([(t, said[number]) for t, said in seen]) for number in range(len(seen[0][1]))]


def first(seen):
    """When it fires first; None for never."""
    return next((t for t, condition in seen if condition), None)
