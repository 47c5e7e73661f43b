"""`outrider run`: the agent."""

import argparse
import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from agent.assemble import Plan
from agent.cli import CONFIG, ESSENTIAL, OK, Stop
from agent.cli.open import Opened, add_config, open_plan, read_plan, unjudged_plan
from config import lastgood
from config.errors import ConfigError

HELP = "Run the agent until SIGTERM; SIGHUP reads the configuration again."
STATE_DIR = "/var/lib/outrider"

log = logging.getLogger("agent")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and what to do when it cannot be used."""
    add_config(parser)
    parser.add_argument(
        "--on-bad-config",
        choices=["exit", "last-good"],
        default="exit",
        help="exit with 78 (default), or start from the last good file in the state folder; without one, unjudged",
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        default=os.environ.get("OUTRIDER_STATE_DIR", STATE_DIR),
        help=f"where the last good file is looked for when the file cannot say it (default: {STATE_DIR})",
    )


def main(args: argparse.Namespace) -> int:
    """Start it. Exit codes: 0 stopped, 70 something essential died, 78 configuration or port."""
    opened, problem = _open(args)
    from agent.logs import Logs

    settings = opened.plan.file.log
    logs = Logs(settings.level, settings.format)
    try:
        if problem:
            log.error("the configuration cannot be used: %s", "; ".join(problem.splitlines()))
            log.error("running %s", "the last good one instead" if opened.judged else "unjudged: live and ready")
        _runner()(_serve(args, opened))
    except ConfigError as error:
        raise Stop(str(error), CONFIG) from None
    except Exception:
        log.exception("an essential part died")
        return ESSENTIAL
    finally:
        logs.close()
    return OK


def _open(args: argparse.Namespace) -> tuple[Opened, str]:
    """What to run, and what was wrong with the file that should have been run."""
    if args.on_bad_config == "exit":
        return open_plan(args.config), ""
    try:
        return read_plan(args.config), ""
    except ConfigError as error:
        return _fallback(Path(args.state_dir)), str(error)


def _fallback(state_dir: Path) -> Opened:
    try:
        raw = lastgood.recall(state_dir)
        if raw is not None:
            return read_plan(raw)
    except (ConfigError, OSError, ValueError):
        pass  # a last good file that is no good either: our fault must not stop the service
    return unjudged_plan()


async def _serve(args: argparse.Namespace, opened: Opened) -> None:
    from agent.app import App, Source

    current = opened

    def read() -> Plan:
        nonlocal current
        current = read_plan(args.config)
        _keep(current)
        return current.plan

    _keep(opened)
    source = Source(read, opened.seen, lambda: current.files(args.config), lambda: current.masked())  # noqa: PLW0108 - `current` is another one after a reload
    await App(opened.plan, source, judged=opened.judged).run()


def _keep(opened: Opened) -> None:
    """The last good file is what a start with a bad one falls back on."""
    state_dir = opened.plan.file.state_dir
    if state_dir is None or opened.loaded is None:
        return
    try:
        lastgood.keep(Path(state_dir), opened.loaded.raw)
    except OSError as error:
        log.warning("the last good configuration cannot be kept in %s: %s", state_dir, error.strerror)


def _runner() -> Callable[..., object]:
    try:
        import uvloop
    except ImportError:  # a platform without it; asyncio's own loop is slower, and right
        return asyncio.run
    return uvloop.run
