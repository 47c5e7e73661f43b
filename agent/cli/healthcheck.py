"""`outrider healthcheck`: for container health checks; no curl needed in the image."""

import argparse

from agent.cli import BAD, OK, ask

HELP = "Ask a running agent whether it is live. Exit 0: yes; 1: no; 69: nobody answers."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where, and what."""
    ask.add_arguments(parser, ask.PUBLIC, "listen.public")
    parser.add_argument("--ready", action="store_true", help="ask whether the replica is ready instead")


def main(args: argparse.Namespace) -> int:
    """Ask, print the answer's first line, and say it with the exit code."""
    path = "/readyz" if args.ready else "/livez"
    status, body = ask.ask("GET", ask.address(args, ask.PUBLIC, "listen.public"), path, args.timeout)
    print(body.partition("\n")[0])
    return OK if status == 200 else BAD
