"""What objectives cost: one evaluation of a hundred of them, and the memory that each of them keeps.

python -m bench.slo
"""

import gc
import time
import tracemalloc
from decimal import Decimal
from statistics import median

from agent.alerting.engine import AlertEngine
from agent.events import Observation, Outcome
from agent.slo.engine import SloEngine
from agent.slo.objective import Objective, Requests
from bench.rows import Row
from probes.reason import Reason

COUNT = 100
TICKS = 600  #: seconds that are played, one evaluation in each: two ends of five minutes are among them
GATE_SECONDS, GATE_BYTES = 0.005, 100 * 1024
_BASE = 1_767_225_600


def _objectives(requests):
    kinds = {"requests": Requests()} if requests else {"probe": "db"}
    return [Objective(f"slo-{number}", "bench", Decimal("0.999"), **kinds) for number in range(COUNT)]


def _second(slos, requests, at):
    """What arrives in one second: a request of each objective, or every ten seconds an attempt; one in ten fails."""
    if requests:
        for number in range(COUNT):
            slos.count(f"slo-{number}", 9, 1, at)
    elif at % 10 == 0:
        outcome, reason = (Outcome.FAIL, Reason.CONNECT_REFUSED) if at % 100 == 0 else (Outcome.PASS, Reason.OK)
        slos.observe(Observation("db", "postgres", 1, at, at, at, outcome, reason))


def _aged(requests):
    """A hundred objectives with a day behind them; their rings have their whole size from the start."""
    slos = SloEngine(_objectives(requests))
    for at in range(_BASE - 86400, _BASE, 100):
        _second(slos, requests, at)
    return slos


def tick_seconds(requests):
    """CPU seconds of each evaluation: windows, budgets, conditions, alerts."""
    slos = _aged(requests)
    alerts = AlertEngine(slos)
    spent = []
    for at in range(_BASE, _BASE + TICKS):
        _second(slos, requests, at)
        began = time.process_time()
        alerts.tick(at)
        spent.append(time.process_time() - began)
    return spent


def bytes_each(requests):
    """What Python allocated for one objective and its alerts, whose texts are those of alerts that fire."""
    tracemalloc.start()
    try:
        slos = SloEngine(_objectives(requests))
        alerts = AlertEngine(slos)
        for at in range(_BASE, _BASE + 300, 100):
            _second(slos, requests, at)
            alerts.tick(at)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / COUNT
    finally:
        tracemalloc.stop()


def rows():
    """Time and memory, of objectives on a probe and on requests."""
    for what, requests in (("a probe", False), ("requests", True)):
        spent = tick_seconds(requests)
        usual, worst = median(spent), max(spent)
        yield Row(
            f"evaluating {COUNT} objectives on {what}, once",
            f"{usual * 1000:.1f} ms CPU (worst of {TICKS}: {worst * 1000:.1f} ms)",
            gate="5 ms",
            met=usual < GATE_SECONDS,
        )
        held = bytes_each(requests)
        yield Row("memory of one of them", f"{held / 1024:.0f} KiB", gate="100 KiB", met=held < GATE_BYTES)


if __name__ == "__main__":
    for row in rows():
        print(f"{row.what}: {row.ours}")
