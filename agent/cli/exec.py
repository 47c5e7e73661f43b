"""`outrider exec -- CMD`: the service and the agent in one container, for platforms without sidecars."""

import argparse
import os
import sys
from contextlib import suppress

from agent.cli import USAGE, Stop
from agent.cli.durations import duration

HELP = """Run CMD with an agent beside it, where there are no sidecars. The exit code is that of CMD (128 and the signal
that killed it; 127 not found, 126 not executable). An agent that ends is started again and never harms CMD."""

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to run, and how it is stopped."""
    parser.add_argument("command", nargs="+", metavar="CMD", help="what to run, after `--`")
    parser.add_argument("-c", "--config", metavar="FILE", help="the agent's configuration, as for `outrider run`")
    parser.add_argument(
        "--agent-log", default="stderr", metavar="WHERE", help="stderr (default), none, or a file to append to"
    )
    parser.add_argument(
        "--drain",
        type=duration,
        metavar="DURATION",
        help="how long CMD serves on, unready, before it gets the signal that stops it (default: readiness.drain)",
    )
    parser.add_argument(
        "--kill-after",
        type=duration,
        metavar="DURATION",
        help="SIGKILL when CMD has not ended so long after (default: never)",
    )


def main(args: argparse.Namespace) -> int:
    """Run both until CMD ends."""
    from agent.supervise.child import NOT_FOUND, refusal
    from agent.supervise.pair import Pair, Settings, to_stderr

    log = _log(args.agent_log)
    agent = [sys.executable, "-P", "-m", "outrider", "run"]  # -P: a `config` folder of the service is not ours
    settings = Settings(
        service=args.command,
        agent=[*agent, "-c", args.config] if args.config else agent,
        log=log,
        drain=args.drain,
        kill_after=args.kill_after,
    )
    if os.getpid() != 1:
        _adopt()
    pair = Pair(settings, to_stderr)
    try:
        pair.start()
    except OSError as error:
        code = refusal(error)
        why = "there is no such command; the first word after `--` is looked for in $PATH" if code == NOT_FOUND else ""
        raise Stop(f"cannot run {args.command[0]}: {why or error.strerror}", code) from None
    return pair.run()


def _log(where: str) -> int:
    if where == "stderr":
        return 2
    path = os.devnull if where == "none" else where
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    except OSError as error:
        raise Stop(f"--agent-log: cannot write {path}: {error.strerror}", USAGE) from None


def _adopt() -> None:
    """Processes whose parent ended become ours, as they are the first process's: their ends are taken in."""
    import ctypes

    with suppress(OSError, AttributeError):  # a system without it; then they go to the first process
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
