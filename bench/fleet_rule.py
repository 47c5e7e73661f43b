"""The two tables of docs/readiness.md: who leaves in a shared fault, and how soon one that is cut off is out.

python -m bench.fleet_rule [--runs N]      plays the rooms in simulated time, on two processes; some minutes for 20
"""

import argparse
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.agent.readiness.fleet_play import Fault, Play, probe

ONSET = 60.0  #: seconds of quiet first: by then the replicas ask at random moments
AFTER = 100.0  #: seconds played after the end: the way back takes up to three slow attempts
FLEET = 50
OUTAGES = (20, 60, 400)
BROWN_OUTS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
BROWN_OUT_SECONDS = 300
CUT_FLEETS = (2, 3, 5, 10, 50)
DB, APP = probe("db"), probe("app", interval=5.0, shared=False, depends_on=("db",))


def shared(seconds, p, with_app, seed):
    """Replicas that ever left, by the naive rule and by ours, in a fault that all of them have."""
    fault = Fault(ONSET, ONSET + seconds, p, probes=("db", "app"))
    play = Play(FLEET, *([DB, APP] if with_app else [DB]), seed=seed, faults=[fault])
    play.run(ONSET + seconds + AFTER)
    return len(play.naive_left()), len(play.left())


def cut_off(size, seed):
    """Seconds until the one that is cut off for good was out, by the naive rule and by ours."""
    play = Play(size, DB, seed=seed, faults=[Fault(ONSET, of=frozenset([1]))]).run(ONSET + AFTER)
    return play.naive_left()[1] - ONSET, play.left()[1] - ONSET


def line(label, pairs, digits):
    """One row: mean and most of both rules."""
    cells = [f"{statistics.mean(each):.1f}, {max(each):.{digits}f}" for each in zip(*pairs, strict=True)]
    print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser("python -m bench.fleet_rule", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="of each row; twice as many of the second")
    runs, began = parser.parse_args().runs, time.monotonic()
    with ProcessPoolExecutor(2) as pool:
        for with_app in (False, True):
            title = ", each with an app that depends on it" if with_app else ""
            print(f"replicas of {FLEET} that ever left{title}: mean, most of {runs} runs\n")
            print("| fault | naive | Outrider |\n|---|---|---|")
            faults = [(f"shared outage {seconds} s", seconds, 1.0) for seconds in OUTAGES]
            faults += [(f"brown-out p={p}, {BROWN_OUT_SECONDS} s", BROWN_OUT_SECONDS, p) for p in BROWN_OUTS]
            for label, seconds, p in faults:
                asked = [pool.submit(shared, seconds, p, with_app, seed) for seed in range(runs)]
                line(label, [each.result() for each in asked], 0)
            print()
        print(f"seconds until the one cut-off replica was out: mean, most of {2 * runs} runs\n")
        print("| replicas | naive | Outrider |\n|---|---|---|")
        for size in CUT_FLEETS:
            asked = [pool.submit(cut_off, size, seed) for seed in range(2 * runs)]
            line(str(size), [each.result() for each in asked], 1)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
