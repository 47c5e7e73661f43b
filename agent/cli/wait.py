"""`outrider wait`: until the replica may get traffic, for deploy scripts; with the standard library alone."""

import argparse
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from agent.cli import BAD, OK, UNREACHABLE, USAGE, Stop, ask
from agent.cli.durations import duration, words
from agent.cli.progress import Progress, printable

HELP = "Wait until an agent says ready. Exit 0: it does; 1: it answers, but not so in time; 69: nobody ever answered."
EVERY = 0.5  #: seconds between two questions
LONGEST = 120.0  #: seconds of patience, unless told
_WITHOUT_NUMBERS = re.compile(r"[\d.]+")  # a countdown is no change


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said: `reasons` are the failing parts as far as the listener shows them."""

    good: bool
    status: int
    reasons: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


@dataclass(slots=True)
class Vigil:
    """One wait: what was seen, and what follows. Times are seconds on one clock."""

    longest: float
    stable: float
    started: float
    good_since: float | None = None
    answered: bool = False
    last: Answer | None = None  #: None: the last question was not answered
    silence: str = ""  #: why not

    def take(self, now: float, answer: Answer | None) -> None:
        """One question more, answered or not."""
        self.last = answer
        self.answered = self.answered or answer is not None
        if answer is None or not answer.good:
            self.good_since = None
        elif self.good_since is None:
            self.good_since = now

    def left(self) -> float:
        """Seconds that are left for one more question; never so few that it could not be answered."""
        return max(0.1, self.started + self.longest - time.monotonic())

    def held(self, now: float) -> float:
        """Seconds for which it has been good without a break."""
        return 0.0 if self.good_since is None else now - self.good_since

    def enough(self, now: float) -> bool:
        """It is good, and has been for as long as was asked."""
        return self.good_since is not None and self.held(now) >= self.stable

    def pause(self, now: float) -> float:
        """Seconds until the next question; 0: there is no time left."""
        left = self.started + self.longest - now
        wanted = EVERY if self.good_since is None else max(0.01, min(EVERY, self.stable - self.held(now)))
        return max(0.0, min(wanted, left))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """For what, and for how long."""
    ask.add_arguments(parser, ask.ADMIN, "listen.admin")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--ready", action="store_true", help="until the replica may get traffic (default)")
    what.add_argument("--live", action="store_true", help="until the agent itself is live")
    what.add_argument("--started", action="store_true", help="until the agent's configuration is in force")
    what.add_argument("--probe", metavar="NAME", help="until this probe is up or degraded")
    what.add_argument("--group", metavar="NAME", help="until this group is ready by its own rule")
    add_patience(parser)
    parser.add_argument("--stable", type=duration, default=0.0, metavar="DURATION", help="and has been so for")
    parser.add_argument("--json", action="store_true", help="the result for programs")


def add_patience(parser: argparse.ArgumentParser) -> None:
    """`--for`, as `gate` has it too."""
    parser.add_argument(
        "--for", dest="longest", type=duration, default=LONGEST, metavar="DURATION", help="at most (default: 2m)"
    )


def main(args: argparse.Namespace) -> int:
    """Wait, and say how it went."""
    base = ask.address(args, ask.ADMIN, "listen.admin")
    what, path = target(args)
    progress = Progress(quiet=args.json)
    vigil = Vigil(args.longest, args.stable, time.monotonic())
    good = until_good(lambda: look(base, path, min(args.timeout, vigil.left())), vigil, what, progress)
    spent = time.monotonic() - vigil.started
    code = OK if good else BAD if vigil.answered else UNREACHABLE
    if args.json:
        print(json.dumps(_document(base, what, vigil, good=good, spent=spent)))
        return code
    if code == UNREACHABLE:
        raise Stop(f"{vigil.silence}; asked for {words(spent)}", UNREACHABLE)
    print("\n".join(told(vigil, what, good=good, spent=spent)))
    return code


def target(args: argparse.Namespace) -> tuple[str, str]:
    """What is waited for, in words, and the path that tells."""
    if args.probe is not None:
        return f"probe {args.probe}", f"/readyz/{quote(args.probe, safe='')}"
    if args.group is not None:
        return f"group {args.group}", f"/groups/{quote(args.group, safe='')}?verbose"
    if args.live:
        return "live", "/livez?verbose"
    return ("started", "/startupz?verbose") if args.started else ("ready", "/readyz?verbose")


def look(base: str, path: str, timeout: float) -> Answer:
    """Ask once. Raises Stop: nobody answers, or (64) there is no such name."""
    status, body = ask.ask("GET", base, path, timeout)
    named = path.startswith(("/readyz/", "/groups/"))
    if status == 404 and named:
        raise Stop(f"{base} knows no such name: {_first(_detail(body))}", USAGE)
    if status not in {200, 503}:
        return Answer(good=False, status=status, reasons=(f"{path.partition('?')[0]} answers {status} there",))
    lines = [printable(line) for line in body.splitlines()[:1000]]
    failing = tuple(line[3:] for line in lines if line.startswith("[-]"))
    degraded = tuple(line[3:] for line in lines if line.startswith("[+]") and " degraded:" in line)
    return Answer(status == 200, status, failing if failing or status == 200 else (_first(body),), degraded)


def until_good(ask_once: Callable[[], Answer], vigil: Vigil, what: str, progress: Progress) -> bool:
    """Ask until it has been good for long enough, or there is no time left."""
    while True:
        try:
            answer: Answer | None = ask_once()
        except Stop as stop:
            if stop.code != UNREACHABLE:
                raise
            answer, vigil.silence = None, str(stop)
        now = time.monotonic()
        vigil.take(now, answer)
        enough, pause = vigil.enough(now), vigil.pause(now)
        if enough or not pause:
            progress.clear()
            return enough
        text, change = line(vigil, what, now)
        progress.show(text, change)
        time.sleep(pause)


def told(vigil: Vigil, what: str, *, good: bool, spent: float) -> list[str]:
    """How it went, for a person."""
    if good:
        since = f", and has been for {words(vigil.stable)}" if vigil.stable else ""
        return [f"{what} after {words(spent)}{since}"]
    if vigil.last is None:
        return [f"not {what} within {words(spent)}: it answered before, but now {vigil.silence}"]
    if vigil.last.good:
        held = words(vigil.held(vigil.started + spent))
        return [f"{what}, but within {words(spent)} not for {words(vigil.stable)} in a row: only for {held} now"]
    lines = [f"not {what} within {words(spent)}", *(f"  {reason}" for reason in vigil.last.reasons)]
    withheld = any("reason withheld" in reason for reason in vigil.last.reasons)
    return [*lines, "(reasons are told on listen.admin)"] if withheld else lines


def line(vigil: Vigil, what: str, now: float) -> tuple[str, object]:
    """Where it stands, and what of that is a change worth a line."""
    spent = words(now - vigil.started)
    if vigil.last is None:
        return f"waiting for {what}: {vigil.silence} ({spent})", None
    if vigil.last.good:
        return f"{what}, for {words(vigil.held(now))} of {words(vigil.stable)} ({spent})", True
    return f"waiting for {what}: {'; '.join(vigil.last.reasons)} ({spent})", _WITHOUT_NUMBERS.sub(
        "", "".join(vigil.last.reasons)
    )


def _document(base: str, what: str, vigil: Vigil, *, good: bool, spent: float) -> dict[str, object]:
    last = vigil.last
    return {
        "what": what,
        "url": base,
        "good": good,
        "answered": vigil.answered,
        "status": last.status if last else None,
        "seconds": round(spent, 3),
        "held_seconds": round(vigil.held(vigil.started + spent), 3),
        "reasons": list(last.reasons) if last else [vigil.silence],
    }


def _detail(body: str) -> str:
    """What a problem document says."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body


def _first(text: str) -> str:
    return printable(text.strip().partition("\n")[0]) or "no reason is told"
