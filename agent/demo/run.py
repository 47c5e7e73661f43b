"""The demo from its first line to its last: start, show, obey keys and the other terminal, end, print what ran."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from agent.demo import control, files
from agent.demo.faults import FaultError, Faults
from agent.demo.glance import Glance, look
from agent.demo.keys import pressed
from agent.demo.lines import Lines
from agent.demo.process import ServerError
from agent.demo.stage import NotPossibleError, Stage, check_alone, check_packages, check_ports

ENDED, NOT_STARTED, NOT_POSSIBLE = 0, 70, 78  #: exit codes, as everywhere in Outrider
_LOOK_EVERY = 0.5  # seconds
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_HELP = "each key breaks what it names, again to mend; q ends"


class Show(Protocol):
    """Where looks and sentences go: the screen, or plain lines."""

    def show(self, seen: Glance | None) -> None:
        """Show one look; None: the first Outrider did not answer."""

    def note(self, text: str) -> None:
        """Show one sentence."""


def say(text: str) -> None:
    """Print at once; a terminal or a pipe that is gone is no reason to leave servers behind."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - it lives as long as we do


async def perform(ports: files.Ports) -> int:
    """Run the demo until q, SIGINT, SIGTERM or SIGHUP; exit code. Everything it started is ended first."""
    try:
        check_packages()
        check_alone(files.HOME)
        check_ports(ports)
    except NotPossibleError as error:
        sys.stderr.write(f"outrider demo: {error}\n")
        return NOT_POSSIBLE
    with files.folder(files.HOME) as home:
        stage = Stage(home, ports, say)
        playing = asyncio.create_task(_play(stage))
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
        try:
            await asyncio.wait([playing])
            ran = stage.yaml(stage.first) if stage.complete else ""
        finally:
            say("\nending ... ")
            await stage.close()
    say("nothing is left behind\n")
    return _last_words(playing, ran)


def _last_words(playing: "asyncio.Task[None]", ran: str) -> int:
    if not playing.cancelled() and (error := playing.exception()) is not None:
        if not isinstance(error, ServerError):
            raise error
        sys.stderr.write(f"outrider demo: {error}\n")
        return NOT_STARTED
    if ran:
        say(f"\n{ran}\n{files.chart_lines(ran)}")
    return ENDED


async def _play(stage: Stage) -> None:
    """Start everything, then show it until the user has seen enough."""
    await stage.start()
    faults = Faults(stage)
    wanted: asyncio.Queue[str] = asyncio.Queue()
    path = stage.home / files.CONTROL
    with ExitStack() as terminal:
        keys = terminal.enter_context(pressed(sys.stdin, wanted.put_nowait))
        show = _show(stage, faults, terminal, keys=keys)
        async with control.listening(path, _obedience(faults, show)):
            await _first_to_end(_watch(stage, show), _obey_keys(wanted, faults, show))


async def _first_to_end(*lives: Coroutine[Any, Any, None]) -> None:
    """Run them side by side; when one ends or fails, so does everything."""
    tasks = [asyncio.create_task(life) for life in lives]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _show(stage: Stage, faults: Faults, terminal: ExitStack, *, keys: bool) -> Show:
    if not sys.stdout.isatty():
        lines = Lines(say, stage.sink)
        lines.note(f"open {stage.addresses()['outrider-1-admin']}/; more in {files.HOME / files.ADDRESSES}")
        if keys:
            lines.note(_HELP)
        return lines
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what a server said may be in letters this terminal does not know
    from rich.console import Console  # noqa: PLC0415 - an extra, needed here only

    from agent.demo.screen import Screen  # noqa: PLC0415

    return terminal.enter_context(Screen(Console(), faults, stage.sink, stage.addresses(), keys=keys))


async def _watch(stage: Stage, show: Show) -> None:
    """Look twice a second, for ever. ServerError when an Outrider has died: that is no fault of the demo's list."""
    admins = [stage.addresses()[f"outrider-{replica.number}-admin"] for replica in stage.replicas]
    async with aiohttp.ClientSession() as session:
        while True:
            show.show(await look(session, admins))
            await asyncio.sleep(_LOOK_EVERY)
            for replica in stage.replicas:
                if not replica.outrider.running:
                    last = replica.outrider.log[-2000:]
                    raise ServerError(f"Outrider of {replica.title} ended by itself; its last lines were:\n{last}")


async def _obey_keys(wanted: "asyncio.Queue[str]", faults: Faults, show: Show) -> None:
    """Until q. Keys without a meaning show the help line."""
    by_key = {key: what for what, key in control.KEYS.items()}
    while (key := await wanted.get()) != "q":
        if key not in by_key:
            show.note(_HELP)
            continue
        try:
            show.note(await faults.toggle(by_key[key]))
        except FaultError as error:
            show.note(str(error))


def _obedience(faults: Faults, show: Show) -> control.Obey:
    async def obey(verb: str, what: str) -> control.Answer:
        name = control.named(what)
        if name is None:
            return control.UNKNOWN, f"there is nothing called {what}; {control.THERE_ARE}"
        try:
            sentence = await faults.put(name, broken=verb == "break")
        except FaultError as error:
            return control.NOT_DONE, str(error)
        show.note(sentence)
        return control.OK, sentence

    return obey
