"""`outrider version`: what this is."""

import argparse
import json
import platform

from agent.cli import OK
from outrider import __version__

HELP = "Show the version."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only the form of the answer."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def main(args: argparse.Namespace) -> int:
    """Print it."""
    if args.json:
        print(json.dumps({"version": __version__, "python": platform.python_version()}))
    else:
        print(f"outrider {__version__} (Python {platform.python_version()})")
    return OK
