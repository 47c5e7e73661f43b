"""`python -m bench [--write FILE] [NAME...]`: the table of docs/performance.md, measured here and now.

`python -m bench fleet [--quick]`: that of docs/readiness.md, which takes a quarter of an hour.
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

PARTS = ("agent", "probe", "exposition", "otlp", "load")
FLEET = "fleet"  # long, so by itself and in a table of its own
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
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(PARTS)}, or {FLEET}; all but {FLEET}")
    parser.add_argument("--quick", action="store_true", help=f"{FLEET} alone: a minute, to see that it works")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the table between the markers in FILE")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {*PARTS, FLEET}:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(PARTS)}, {FLEET}")
    if FLEET in arguments.names and len(arguments.names) > 1:
        parser.error(f"{FLEET} has a table of its own; name it alone")
    if arguments.quick and arguments.names != [FLEET]:
        parser.error(f"--quick is for {FLEET}")
    return arguments


def main():
    """Run the parts that were named, or all; exit code 1 when a gate was missed."""
    arguments = asked()
    where, began = machine(), time.monotonic()
    fleet = arguments.names == [FLEET]
    rows = list(measured([FLEET], quick=arguments.quick) if fleet else measured(arguments.names or PARTS))
    block = f"{where}.\n\n{table(rows)}\n"
    print(block)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if arguments.write:
        text = replaced(arguments.write.read_text(), block, "bench fleet" if fleet else "bench")
        arguments.write.write_text(text)
    return any(row.met is False for row in rows)


if __name__ == "__main__":
    sys.exit(main())
