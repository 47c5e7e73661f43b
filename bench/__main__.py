"""`python -m bench [NAME...]`: the table of docs/performance.md, measured here and now."""

import importlib
import os
import platform
import sys

from bench.rows import table

PARTS = ("agent", "exposition", "probe", "otlp")


def main():
    """Run the parts that were named, or all; exit code 1 when a gate was missed."""
    wanted = sys.argv[1:] or PARTS
    rows = []
    for name in wanted:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"bench.{name}").rows()
    print(f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}\n")
    print(table(rows))
    return any(row.met is False for row in rows)


if __name__ == "__main__":
    sys.exit(main())
