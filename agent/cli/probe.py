"""`outrider probe`: run probes once, here and now, and show what they found."""

import argparse
import asyncio
import json
import logging
import sys
from typing import Any

from agent.cli import BAD, OK, USAGE, Stop
from agent.cli.open import add_config, open_plan
from agent.events import Observation, Outcome
from agent.health.judge import Judge
from agent.scheduler.attempt import Runner
from agent.scheduler.tasks import Planned
from agent.units import number as human
from config.convert import suggestion

HELP = "Run one probe, or all, once. Exit 0: all passed; 1: one did not; 64: unknown name."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which, from which file, in which form."""
    parser.add_argument("name", nargs="?", help="one probe of the file (default: all)")
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--debug", action="store_true", help="also show the log, the phases and the facts")


def main(args: argparse.Namespace) -> int:
    """Run and print."""
    if args.debug:
        logging.basicConfig(stream=sys.stderr, level=logging.DEBUG, format="%(levelname)s %(name)s: %(message)s")
    plan = open_plan(args.config).plan
    if args.name and args.name not in plan.probes:
        raise Stop(f"there is no probe {args.name!r} in the file; {suggestion(args.name, plan.probes)}", USAGE)
    wanted = [plan.probes[args.name]] if args.name else list(plan.probes.values())
    seen = asyncio.run(_all(wanted))
    if args.json:
        print(json.dumps([_plain(one) for one in seen], indent=2))
    elif not seen:
        print("There are no probes in the file.")
    else:
        _table(seen, debug=args.debug)
    return OK if all(one.outcome in {Outcome.PASS, Outcome.WARN} for one in seen) else BAD


async def _all(wanted: list[Planned]) -> list[Observation]:
    return await asyncio.gather(*(_once(planned) for planned in wanted))


async def _once(planned: Planned) -> Observation:
    """One attempt; a steady probe keeps its connection for it, so that its readings are seen."""
    member = planned.member
    probe = planned.make()
    runner = Runner(probe, member.type, Judge(planned.bounds, planned.invert), member.timeout, lambda *_: False)
    try:
        await probe.open()
        return await runner.run(fresh=not planned.cls.steady, readings=planned.reads != "never")
    finally:
        await runner.aclose()


def _plain(seen: Observation) -> dict[str, Any]:
    found = seen.measurement
    return {
        "probe": seen.probe,
        "type": seen.type,
        "outcome": seen.outcome,
        "reason": seen.reason,
        "phase": seen.phase,
        "detail": seen.detail,
        "seconds": round(seen.seconds, 6),
        "readings": [
            {"name": one.name, "item": one.item, "value": one.value, "unit": one.unit, "kind": one.kind}
            for one in found.readings
        ],
        "phases": dict(found.phases),
        "facts": dict(found.facts),
    }


def _table(seen: list[Observation], *, debug: bool) -> None:
    heads = ("PROBE", "TYPE", "OUTCOME", "TOOK", "FOUND")
    rows = [
        heads,
        *((one.probe, one.type, str(one.outcome), human(one.seconds, "seconds"), _found(one)) for one in seen),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[4]]).rstrip())
    if debug:
        for one in seen:
            print(f"\n{one.probe}")
            for phase, seconds in one.measurement.phases.items():
                print(f"  phase {phase:<12} {human(seconds, 'seconds')}")
            for fact, value in one.measurement.facts.items():
                print(f"  fact  {fact:<12} {value}")


def _found(seen: Observation) -> str:
    """The reason where there is one, else the readings."""
    where = f" in {seen.phase}" if seen.phase else ""
    said = f"{seen.reason}{where}" + (f": {seen.detail}" if seen.detail else "") if seen.reason != "ok" else ""
    readings = [
        f"{one.name}{f'[{one.item}]' if one.item else ''} {'?' if one.value is None else human(one.value, one.unit)}"
        for one in seen.measurement.readings
    ]
    return "; ".join(part for part in (said, ", ".join(readings[:6])) if part)
