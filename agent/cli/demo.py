"""`outrider demo`: everything real, in one terminal; from another one, break it."""

import argparse
import asyncio
import sys

from agent.cli import USAGE

HELP = "Start a real PostgreSQL, a real Redis, an OTLP upstream, and three replicas with Outrider beside each."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with a demo that runs, or where the new one listens."""
    orders = parser.add_mutually_exclusive_group()
    orders.add_argument("--break", dest="broken", metavar="WHAT", help="break something in the running demo")
    orders.add_argument("--mend", dest="mended", metavar="WHAT", help="mend it")
    parser.add_argument(
        "--public", type=_port, default=9740, metavar="PORT", help="of the first listen.public (default: 9740)"
    )
    parser.add_argument(
        "--admin", type=_port, default=9741, metavar="PORT", help="of the first listen.admin (default: 9741)"
    )
    parser.add_argument(
        "--otlp", type=_port, default=4318, metavar="PORT", help="of the first traces.receive (default: 4318)"
    )


def main(args: argparse.Namespace) -> int:
    """Run the demo, or give the running one an order."""
    if args.broken is not None:
        return _order("break", args.broken)
    if args.mended is not None:
        return _order("mend", args.mended)
    from agent.demo.files import Ports
    from agent.demo.run import perform

    try:
        return asyncio.run(perform(Ports(args.public, args.admin, args.otlp)))
    except KeyboardInterrupt:  # before the demo listened to signals, so before it started anything
        return 0


def _order(verb: str, what: str) -> int:
    from agent.demo import control, files

    if control.named(what) is None:
        print(f"outrider demo: there is nothing called {what!r}; {control.THERE_ARE}", file=sys.stderr)
        return USAGE
    code, sentence = control.ask(files.HOME / files.CONTROL, verb, what)
    print(sentence if code == control.OK else f"outrider demo: {sentence}", file=sys.stderr if code else sys.stdout)
    return code


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; write a number from 1 to 65535")
    return int(text)
