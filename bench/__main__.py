"""`python -m bench [--write FILE] [NAME...]`: the table of docs/performance.md, measured here and now."""

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
BEGIN, END = "<!-- bench: begin -->\n", "<!-- bench: end -->"


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


def measured(names):
    """The rows of these parts, each said when it is known."""
    with bytecode():
        for name in names:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            for row in importlib.import_module(f"bench.{name}").rows():
                print(f"  {row.what}: {row.ours}  {row.peer}", file=sys.stderr, flush=True)
                yield row


def replaced(text, block):
    """The text with what is between its two markers replaced."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the file needs a line {BEGIN.strip()} and a line {END}")
    return head + begin + block + end + tail


def main():
    """Run the parts that were named, or all; exit code 1 when a gate was missed."""
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(PARTS)}; all when none is named")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the table between the markers in FILE")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(PARTS):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(PARTS)}")
    where, began = machine(), time.monotonic()
    rows = list(measured(arguments.names or PARTS))
    block = f"{where}.\n\n{table(rows)}\n"
    print(block)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if arguments.write:
        arguments.write.write_text(replaced(arguments.write.read_text(), block))
    return any(row.met is False for row in rows)


if __name__ == "__main__":
    sys.exit(main())
