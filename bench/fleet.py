"""A fleet of replicas: what a fault costs its clients, and what Outrider costs the fleet.

Fifteen minutes in full; quick, a smoke test of a minute: its numbers say little.
"""

import sys

from bench import fleet_cost, fleet_database, fleet_gap, fleet_lost, load


def rows(*, quick=False):
    """All parts; each says in its own file how it is measured."""
    if quick:
        yield from fleet_lost.rows(_say, number=1, seconds=5, after=3)
        yield from fleet_gap.rows(number=2, intervals=(1.0,))
        yield from fleet_database.rows(sizes=(1, 3), seconds=5, settle=3)
        return
    yield from fleet_lost.rows(_say)
    yield from fleet_gap.rows()
    yield from fleet_database.rows()
    yield from load.fleet_rows()
    yield from fleet_cost.rows()


def _say(line):
    print(f"  {line}", file=sys.stderr, flush=True)
