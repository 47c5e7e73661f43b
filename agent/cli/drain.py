"""`outrider drain`: the preStop hook; the replica is unready at once while serving and forwarding go on."""

import argparse

from agent.cli import BAD, OK, ask

HELP = "Tell a running agent to stop taking traffic; it answers at once. Exit 0: it drains; 69: nobody answers."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where."""
    ask.add_arguments(parser, ask.ADMIN, "listen.admin")


def main(args: argparse.Namespace) -> int:
    """Ask for it."""
    base = ask.address(args, ask.ADMIN, "listen.admin")
    status, body = ask.ask("POST", base, "/api/v1/drain", args.timeout)
    if status // 100 == 2:
        print("draining: this replica is unready from now on")
        return OK
    print(f"{base} refused to drain ({status}): {body.strip()[:200]}")
    return BAD
