"""Attempts on a fixed cadence, as the conformance vectors write them."""

from decimal import Decimal

from agent.events import Observation, Outcome
from agent.slo.engine import SloEngine
from agent.slo.objective import Objective
from probes.reason import Reason

BASE = 1_767_225_600  #: 2026-01-01T00:00:00Z, on every slot's edge; t = 0 of every vector
OUTCOMES = {"good": Outcome.PASS, "warn": Outcome.WARN, "bad": Outcome.FAIL, "unknown": Outcome.INCONCLUSIVE}


def objective(percent="99.9", **options):
    """An objective for the probe `db`; without evidence gates unless told."""
    plain = {"name": "db", "service": "shop", "probe": "db", "target": Decimal(percent) / 100, "min_bad": 0}
    return Objective(**(plain | options))


def attempt(t, what="good"):
    """One attempt of `db` that ended `t` seconds after BASE."""
    failed = what == "bad"
    reason, phase = (Reason.CONNECT_REFUSED, "connect") if failed else (Reason.OK, "")
    return Observation("db", "postgres", 1, t, t, BASE + t, OUTCOMES[what], reason, phase=phase)


def play(engine, step, start, end, what):
    """Record `what(t)` at each t and judge at once; yields (t, condition). `what` None: no attempt."""
    for t in range(start, end + 1, step):
        verdict = what(t)
        if verdict is not None:
            engine.observe(attempt(t, verdict))
        yield t, engine.tick(BASE + t)[1][0].condition


def bad_while(is_bad):
    """From a condition on t to verdicts."""
    return lambda t: "bad" if is_bad(t) else "good"


def conditions(target, end, what, *, history=True):
    """(t, condition) of one objective, after a clean hour (all that its windows can remember) or none."""
    engine = SloEngine([target])
    if history:
        for _ in play(engine, target.slot_seconds, -3600, -target.slot_seconds, lambda t: "good"):
            pass
    return list(play(engine, target.slot_seconds, 0, end, what))


def edges(seen):
    """[(t, "F" or "c")] wherever a condition changes; None holds what was."""
    found, held = [], False
    for t, condition in seen:
        if condition is not None and condition != held:
            found.append((t, "F" if condition else "c"))
            held = condition
    return found


def first(seen):
    """When it fires first; None for never."""
    return next((t for t, condition in seen if condition), None)
