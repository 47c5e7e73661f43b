"""`outrider dashboard`: a board for Grafana, on standard output."""

import argparse
import difflib

from agent.cli import OK, USAGE, Stop

HELP = "Write a dashboard for Grafana (JSON) to standard output. It needs no file: a board is right for every service."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which board."""
    what = "service: one service and its replicas (the default); fleet: all replicas of all; slo: objectives and alerts"
    parser.add_argument("board", nargs="?", default="service", metavar="service | fleet | slo", help=what)


def main(args: argparse.Namespace) -> int:
    """Print it. Exit codes: 0, 64 no such board."""
    from agent.generate import boards
    from agent.generate.dashboard import text

    if args.board not in boards.BOARDS:
        close = difflib.get_close_matches(args.board, boards.BOARDS, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(boards.BOARDS)}"
        raise Stop(f"there is no board {args.board!r}; {hint}", USAGE)
    print(text(boards.BOARDS[args.board]), end="")
    return OK
