"""`outrider run`: the agent."""

import argparse
import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from agent.assemble import Plan
from agent.cli import CONFIG, ESSENTIAL, KEPT, OK, Stop, addresses
from agent.cli.open import Opened, add_config, look, open_plan, read_plan, unjudged_plan
from agent.logs import Logs
from agent.supervise.leash import Led
from config import lastgood
from config.errors import ConfigError

HELP = "Run the agent until SIGTERM; SIGHUP reads the configuration again."

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
        default=addresses.folder(),
        help="where the last good file is looked for when the file cannot say it, and where `healthcheck` and `drain` "
        f"find out where this agent listens (default: ${addresses.VARIABLE} or {addresses.FOLDER})",
    )


def main(args: argparse.Namespace) -> int:
    """Start it. Exit codes: 0 stopped, 70 an essential part died, 75 stopped with spans on disk, 78 file or port."""
    opened, problem = _open(args)
    settings = opened.plan.file.log
    logs = Logs(settings.level, settings.format)
    try:
        if problem:
            log.error("the configuration cannot be used: %s", "; ".join(problem.splitlines()))
            log.error("running %s", "the last good one instead" if opened.judged else "unjudged: live and ready")
        kept = _runner()(_serve(args, opened, logs))
    except ConfigError as error:
        raise Stop(str(error), CONFIG) from None
    except Exception:
        log.exception("an essential part died")
        return ESSENTIAL
    finally:
        logs.close()
    return KEPT if kept else OK


def _open(args: argparse.Namespace) -> tuple[Opened, str]:
    """What to run, and what was wrong with the file that should have been run."""
    if args.on_bad_config == "exit":
        return open_plan(args.config), ""
    try:
        return read_plan(args.config), ""
    except ConfigError as error:
        fallback = _fallback(Path(args.state_dir))
        seen = tuple(sorted({*fallback.seen, *look(args.config)}))
        return replace(fallback, seen=seen), str(error)


def _fallback(state_dir: Path) -> Opened:
    try:
        raw = lastgood.recall(state_dir)
        if raw is not None:
            return read_plan(raw)
    except (ConfigError, OSError, ValueError):
        pass  # a last good file that is no good either: our fault must not stop the service
    return unjudged_plan()


async def _serve(args: argparse.Namespace, opened: Opened, logs: Logs) -> int:
    """The agent's life; how many spans it leaves on disk."""
    from agent.app import App
    from agent.reload import Source

    configuration = Configuration(args.config, opened, logs, args.state_dir)
    source = Source(configuration.read, opened.seen, configuration.files, configuration.masked, configuration.in_force)
    app = App(opened.plan, source, judged=opened.judged)
    configuration.led.tell(float(opened.plan.file.readiness.drain))  # before anybody may find it ready
    configuration.led.obey(asyncio.get_running_loop(), app.lifecycle.drain, app.end, app.stop)
    await app.run()
    kept = app.telemetry.relay.kept_spans
    if await _unending():
        log.error("leaving without the tasks of a plug-in that ignore their cancellation")
        logs.close()
        os._exit(KEPT if kept else OK)  # the loop would wait for them for ever
    return kept


async def _unending() -> bool:
    """End every task that is left; whether one will not."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    return bool(left) and bool((await asyncio.wait(left, timeout=1.0))[1])


@dataclass(slots=True)
class Configuration:
    """The configuration in force, and the one that was read last and may be refused yet."""

    option: str | None
    current: Opened
    logs: Logs
    place: str  # where commands find out where this agent listens
    newest: Opened | None = None
    led: Led = field(default_factory=Led)

    def read(self) -> Plan:
        """The plan of what is there now. Raises ConfigError."""
        self.newest = read_plan(self.option)
        return self.newest.plan

    def in_force(self) -> None:
        """What was read last is in force: it is the last good one now."""
        self.current = self.newest or self.current
        settings = self.current.plan.file.log
        self.logs.adjust(settings.level, settings.format)
        _keep(self.current)
        _leave(self.place, self.current)
        self.led.tell(float(self.current.plan.file.readiness.drain))

    def files(self) -> Iterable[Path]:
        """What must be looked at to notice a change."""
        return self.current.files(self.option)

    def masked(self) -> Mapping[str, Any]:
        """What is in force, for the API."""
        return self.current.masked()


def _keep(opened: Opened) -> None:
    """The last good file is what a start with a bad one falls back on."""
    state_dir = opened.plan.file.state_dir
    if state_dir is None or opened.loaded is None:
        return
    try:
        lastgood.keep(Path(state_dir), opened.loaded.raw)
    except OSError as error:
        log.warning("the last good configuration cannot be kept in %s: %s", state_dir, error.strerror)


def _leave(place: str, opened: Opened) -> None:
    """Say where to ask, for commands that do not read the file."""
    listen = opened.plan.file.listen
    try:
        addresses.leave(place, {"listen.public": listen.public, "listen.admin": listen.admin})
    except FileNotFoundError:
        pass  # no such folder is the usual case on a person's own machine
    except OSError as error:
        right = "give `outrider healthcheck` and `outrider drain` a URL"
        log.warning("where this agent listens cannot be left in %s: %s; %s", place, error.strerror, right)


def _runner() -> Callable[..., Any]:
    try:
        import uvloop

        from agent.cli.loop import Loop
    except ImportError:  # a platform without it; asyncio's own loop is slower, and right
        return asyncio.run
    return partial(uvloop.run, loop_factory=Loop)
