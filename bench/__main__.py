"""`python -m bench [--write FILE] [NAME...]`: the table of docs/performance.md, measured here and now.

`python -m bench fleet [--quick]`: that of docs/readiness.md, which takes a quarter of an hour.
`python -m bench outage [--quick]`: an upstream that is dead for ten minutes.
`python -m bench otlp --profile`: where the CPU of the telemetry path goes. Each of these has a table of its own.
"""

import argparse
import importlib
import os
import platform
import sys
import time
from pathlib import Path

from bench.installed import bytecode
from bench.rows import table

PARTS = ("agent", "probe", "exposition", "otlp", "load", "slo")
ALONE = ("fleet", "outage")  # long, so each by itself and in a table of its own
QUICK = (*ALONE, "otlp")  # can be seen to work in a minute
END = "<!-- bench: end -->"


def machine():
    """Where the numbers come from, in a line; how busy it was decides how much they are worth."""
    models = [
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "name" in line
    ]
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return (
        f"{cores} cores ({models[0] if models else platform.machine()}), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}; load average before the run: {load:.1f}"
    )


def measured(names, **options):
    """The rows of these parts, each said when it is known."""
    with bytecode():
        for name in names:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            for row in importlib.import_module(f"bench.{name}").rows(**options):
                print(f"  {row.what}: {row.ours}  {row.peer}", file=sys.stderr, flush=True)
                yield row


def replaced(text, block, what="bench"):
    """The text with what is between its two markers replaced."""
    start = f"<!-- {what}: begin -->\n"
    head, begin, rest = text.partition(start)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the file needs a line {start.strip()} and a line {END}")
    return head + begin + block + end + tail


def asked():
    """The command line."""
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    alone = " or ".join(ALONE)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(PARTS)}; or {alone}; all but {alone}")
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)}: a minute, to see that it works")
    parser.add_argument("--profile", action="store_true", help="otlp: where the CPU goes, instead of how much it is")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the table between the markers in FILE")
    arguments = parser.parse_args()
    names = arguments.names
    if unknown := set(names) - {*PARTS, *ALONE}:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join((*PARTS, *ALONE))}")
    if len(names) > 1 and (own := set(names) & set(ALONE)):
        parser.error(f"{' and '.join(sorted(own))}: a table of its own; name it alone")
    if arguments.quick and (len(names) != 1 or names[0] not in QUICK):
        parser.error(f"--quick is for one of {', '.join(QUICK)}")
    if arguments.profile and names != ["otlp"]:
        parser.error("--profile is for otlp")
    return arguments


def main():
    """Run the parts that were named, or all; exit code 1 when a gate was missed."""
    arguments = asked()
    where, began = machine(), time.monotonic()
    options = {"quick": True} if arguments.quick else {}
    rows = []
    if arguments.profile:
        what, shown = "bench profile", "\n".join(importlib.import_module("bench.cpu").tables(**options))
    else:
        what = f"bench {arguments.names[0]}" if arguments.names and arguments.names[0] in ALONE else "bench"
        rows = list(measured(arguments.names or PARTS, **options))
        shown = table(rows)
    block = f"{where}.\n\n{shown}\n"
    print(block)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if arguments.write:
        arguments.write.write_text(replaced(arguments.write.read_text(), block, what))
    return any(row.met is False for row in rows)


if __name__ == "__main__":
    sys.exit(main())
