"""The service and the agent as two children of one small process, which may be the first one of a container.

The service is the point: its end is our end, its exit code is ours, the terminal is its own. The agent starts after
it, is started again whenever it ends, and stays until the service has ended, so that the last spans are delivered.

Signals are blocked and taken one by one by `sigtimedwait`: no code ever runs in the middle of other code.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from agent.supervise import child
from agent.supervise.leash import DRAIN, END, VARIABLE, Leash
from agent.supervise.terminal import Terminal

STOPS = frozenset({signal.SIGTERM, signal.SIGINT})  #: the first of them starts the drain
FORWARDED = STOPS | {signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH}
PAUSES = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})  #: from the terminal
_WATCHED = FORWARDED | {signal.SIGCHLD}
_BLOCKED = _WATCHED | {signal.SIGTTIN, signal.SIGTTOU}

QUICK, SLOW = 0.5, 30.0  #: seconds until an agent that ended is started again: at first, and at most
STEADY = 60.0  #: seconds an agent must have lived for the next wait to be the shortest again
LAST = 15.0  #: seconds the agent has to deliver what waits, once the service is gone
BREATH = 0.2  #: seconds before a service that may be stopped again at once is continued
_IDLE = 3600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What to run and how to stop it.

    `drain`: seconds between the first stop and its forwarding; None: as the agent's file says. `kill_after`: seconds
    between that and SIGKILL; None: never. `log`: the descriptor the agent writes to.
    """

    service: Sequence[str]
    agent: Sequence[str]
    log: int
    drain: float | None = None
    kill_after: float | None = None


class Pair:
    """One run of `outrider exec`. `say` gets sentences for a person."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings, self._say = settings, say
        self._terminal = Terminal()
        self._leash = Leash()
        self._service = 0
        self._agent: int | None = None
        self._code: int | None = None  # the exit code of the service
        self._draining = False
        self._told = 0.0  # seconds of drain, by the file in force
        self._wait, self._started = QUICK, 0.0
        self._mask: set[int] = set()
        # What is due, and when (monotonic); absent: never.
        self._due: dict[Callable[[], None], float] = {}
        self._stop = signal.SIGTERM

    def start(self) -> None:
        """Start the service, then the agent. Raises OSError when the service cannot be started; then nothing is."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # an inherited SIG_IGN would hide every end
        self._mask = set(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)))
        foreground = self._terminal.ours()
        try:
            self._service = child.start(self._settings.service, os.environ, self._as_service, self._mask)
        except OSError:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            raise
        self._terminal.given = foreground
        self._start_agent()

    def run(self) -> int:
        """Wait for the end of the service, then of the agent; the exit code is that of the service.

        Signals stay blocked: one that comes last must not change the exit code.
        """
        while self._code is None or self._agent is not None:
            self._turn()
        return self._code

    def _turn(self) -> None:
        now = time.monotonic()
        for action, at in list(self._due.items()):
            if at <= now and self._due.pop(action, None) is not None:
                action()
        first = min(self._due.values(), default=now + _IDLE)
        # Told late, or not at all: then the next turn looks again.
        got = signal.sigtimedwait(_WATCHED, max(0.0, first - now))
        if got is not None and got.si_signo != signal.SIGCHLD:
            self._take(signal.Signals(got.si_signo))
        self._reap()

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._due[action] = time.monotonic() + seconds

    # -- signals ---------------------------------------------------------------------------------------------------

    def _take(self, number: signal.Signals) -> None:
        if self._code is not None:
            if number in STOPS and self._agent is not None:
                os.kill(self._agent, number)  # its second request to stop: at once
        elif number not in STOPS:
            self._forward(number)
        elif self._draining:
            self._pass_on(number)
        else:
            self._drain(number)

    def _drain(self, number: signal.Signals) -> None:
        """Unready from now on; the service hears of it when balancers have looked elsewhere."""
        self._draining, self._stop = True, number
        self._due.pop(self._start_agent, None)  # a new one would say ready
        self._leash.say(DRAIN)
        self._listen()
        seconds = self._told if self._settings.drain is None else self._settings.drain
        if seconds > 0:
            name = number.name
            self._say(f"draining for {seconds:g} s, then the service gets {name}; a second signal reaches it at once")
        self._after(seconds, self._drained)

    def _listen(self) -> None:
        told = self._leash.told()
        self._told = self._told if told is None else told

    def _drained(self) -> None:
        self._pass_on(self._stop)

    def _pass_on(self, number: signal.Signals) -> None:
        self._due.pop(self._drained, None)
        self._forward(number)
        if self._settings.kill_after is not None and self._kill not in self._due:
            self._after(self._settings.kill_after, self._kill)

    def _kill(self) -> None:
        self._say(f"the service has not ended within {self._settings.kill_after:g} s: it is killed")
        with suppress(OSError):
            os.killpg(self._service, signal.SIGKILL)

    def _forward(self, number: signal.Signals) -> None:
        with suppress(OSError):  # also a service that changed its user: then the signal was not ours to send
            os.kill(self._service, number)

    # -- children --------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        """Take in every child that ended or stopped, also those that others left to us."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
                if pid == 0:
                    return
                if os.WIFSTOPPED(status):
                    if pid == self._service:
                        self._paused(os.WSTOPSIG(status))
                elif pid == self._service:
                    self._service_ended(status)
                elif pid == self._agent:
                    self._agent_ended(status)

    def _service_ended(self, status: int) -> None:
        self._code = child.code(status)
        self._terminal.take_back()
        self._due.clear()
        if os.WIFSIGNALED(status) and not self._draining:
            self._say(f"the service {child.ending(status)}")
        if self._agent is not None:
            self._leash.say(END)
            self._after(LAST, self._leave)

    def _leave(self) -> None:
        """The agent is left behind; it sees us end, and ends."""
        self._say(f"the agent has not delivered everything within {LAST:g} s")
        self._agent = None

    def _agent_ended(self, status: int) -> None:
        self._agent = None
        self._listen()
        self._leash.close()
        if self._code is None:
            self._again(child.ending(status))

    def _again(self, why: str) -> None:
        if self._draining:
            self._say(f"the agent {why} while the service was being stopped: it is not started again")
            return
        if time.monotonic() - self._started >= STEADY:
            self._wait = QUICK
        self._say(f"the agent {why}; the service runs on, and the agent is started again in {self._wait:g} s")
        self._after(self._wait, self._start_agent)
        self._wait = min(SLOW, self._wait * 2)

    def _start_agent(self) -> None:
        self._started, self._leash = time.monotonic(), Leash()
        try:
            environment = os.environ | {VARIABLE: str(self._leash.other.fileno())}
            self._agent = child.start(self._settings.agent, environment, self._as_agent, self._mask)
        except OSError as error:
            self._leash.close()
            self._again(f"cannot be started ({error.strerror})")
            return
        self._leash.other.close()

    def _as_service(self) -> None:
        os.setpgid(0, 0)
        self._terminal.give(os.getpid())

    def _as_agent(self) -> None:
        os.setsid()  # no key pressed and no hang-up reaches it
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for standard in (1, 2):
            os.dup2(self._settings.log, standard)
        self._leash.other.set_inheritable(True)
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
            score.write("500")  # when memory runs out, the agent goes, not the service

    # -- job control -----------------------------------------------------------------------------------------------

    def _paused(self, number: int) -> None:
        """The terminal stopped the service: then we are a stopped job of the shell too, until it continues us."""
        if not self._terminal.there or number not in PAUSES:
            return  # somebody stopped it on purpose, and knows how to continue it
        if number == signal.SIGTSTP or not self._terminal.ours():
            self._terminal.lose()
            os.killpg(0, signal.SIGTSTP)  # stops us here; without a shell that could continue us the kernel drops it
        if self._terminal.ours():
            self._resume()
        else:
            self._after(BREATH, self._resume)

    def _resume(self) -> None:
        self._terminal.give(self._service)
        with suppress(OSError):
            os.killpg(self._service, signal.SIGCONT)


def to_stderr(text: str) -> None:
    """Say it to a person; that nobody can read it harms nothing."""
    with suppress(OSError, ValueError):
        print(f"outrider: {text}", file=sys.stderr, flush=True)  # noqa: T201
