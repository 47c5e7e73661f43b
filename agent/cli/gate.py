"""`outrider gate`: watch a deploy for a while and say pass or fail, for scripts and CI; standard library alone."""

import argparse
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from agent.cli import BAD, OK, UNREACHABLE, USAGE, Stop, ask
from agent.cli.durations import duration, words
from agent.cli.progress import Progress, printable
from agent.cli.smoke import Smoke, smokes
from agent.cli.wait import Answer, Vigil, add_patience, look, told, until_good

HELP = """Wait until the replica is ready, then watch it for the bake time: it must stay ready, no probe may become down
or degraded, no objective may burn its budget, no span may tell of an exception of a type that was not there before, and
the smoke requests must be answered. Fails as soon as something is
wrong. Exit 0: passed; 1: failed; 69: nobody ever answered."""
EVERY = 1.0  #: seconds between two looks
MISSES = 3  #: looks in a row that may go unanswered, less one
LONGEST_BAKE = 3600.0  #: seconds: an agent remembers an hour
_NEWS = 10  #: lines of progress without a terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """For how long, and what else to look at."""
    ask.add_arguments(parser, ask.ADMIN, "listen.admin")
    parser.add_argument("--bake", type=duration, default=300.0, metavar="DURATION", help="1s to 1h (default: 5m)")
    add_patience(parser)
    parser.add_argument(
        "--smoke", action="append", default=[], metavar="URL|PATH", help="ask the service this each second; repeatable"
    )
    parser.add_argument("--smoke-base", default="", metavar="URL", help="where the service is, for smoke paths")
    parser.add_argument("--accept-degraded", action="store_true", help="a replica that is degraded already may pass")
    parser.add_argument(
        "--known-exception", action="append", default=[], metavar="TYPE", help="is no news when seen; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="the result for programs")


@dataclass(slots=True)
class Bake:
    """One run of the gate: what was seen. `before`: it was wrong already when the bake began."""

    base: str
    seconds: float
    smokes: list[Smoke]
    timeout: float
    known: str = ""  # as a part of the query
    started: float = 0.0
    looks: int = 0
    missed: int = 0
    before: bool = False
    reasons: list[str] = field(default_factory=list)
    newest: dict[str, Any] = field(default_factory=dict)

    def baked(self) -> float:
        """Seconds since the bake began."""
        return time.monotonic() - self.started

    def look(self) -> list[str]:
        """Ask the agent, then the service; what is wrong, in sentences."""
        wrong = self._ask_agent()
        wrong += [why for smoke in self.smokes if (why := smoke.ask(self.timeout))]
        self.looks += 1
        return wrong

    def _ask_agent(self) -> list[str]:
        # Only what came after the replica was ready: that an app was not there before it was is no news.
        baked = self.baked()
        try:
            path = f"/api/v1/gate?bake={max(1.0, baked):.3f}s{self.known}"
            status, body = ask.ask("GET", self.base, path, self.timeout)
        except Stop as stop:
            self.missed += 1
            return [f"{self.missed} looks in a row unanswered: {stop}"] if self.missed >= MISSES else []
        self.missed = 0
        self.newest = _document(status, body)
        reasons = [printable(str(why)) for why in self.newest["reasons"] if not str(why).startswith("still baking")]
        if self.newest["observed_seconds"] < baked - 2 * EVERY:
            reasons.append("the agent was started anew during the bake: what happened before is not known")
        return reasons


def main(args: argparse.Namespace) -> int:
    """Wait, bake, tell."""
    if not 1.0 <= args.bake <= LONGEST_BAKE:
        raise Stop("--bake is out of bounds; write one from 1s to 1h, such as 5m", USAGE)
    known = "".join(f"&known={quote(each, safe='')}" for each in args.known_exception)
    base, requests = ask.address(args, ask.ADMIN, "listen.admin"), smokes(args.smoke, args.smoke_base)
    bake = Bake(base, args.bake, requests, args.timeout, known)
    progress = Progress(quiet=args.json)
    vigil = Vigil(args.longest, 0.0, time.monotonic())
    path = "/readyz?verbose"
    ready = until_good(lambda: look(bake.base, path, min(args.timeout, vigil.left())), vigil, "ready", progress)
    bake.started = time.monotonic()
    waited = bake.started - vigil.started
    if ready:
        _bake(bake, [] if args.accept_degraded else _degraded(vigil.last), progress)
    elif vigil.answered:
        bake.reasons = told(vigil, "ready", good=False, spent=waited)
    passed = ready and not bake.reasons
    code = OK if passed else BAD if vigil.answered else UNREACHABLE
    if args.json:
        print(json.dumps(_result(bake, vigil, passed=passed, waited=waited, ready=ready)))
    elif code == UNREACHABLE:
        raise Stop(f"{vigil.silence}; asked for {words(waited)}", UNREACHABLE)
    else:
        print("\n".join(_summary(bake, passed=passed, waited=waited, ready=ready)))
    return code


def _bake(bake: Bake, wrong: list[str], progress: Progress) -> None:
    """Look until something is wrong or the time is over."""
    bake.reasons = [*wrong, *bake.look()]
    bake.before = bool(bake.reasons)
    while not bake.reasons and bake.baked() < bake.seconds:
        progress.show(_line(bake, live=progress.live), int(_NEWS * bake.baked() / bake.seconds))
        time.sleep(min(EVERY, max(0.0, bake.seconds - bake.baked())))
        bake.reasons = bake.look()
    progress.clear()


def _degraded(last: Answer | None) -> list[str]:
    return list(last.degraded) if last else []


def _document(status: int, body: str) -> dict[str, Any]:
    """What the agent says of the gate. Raises Stop when that is no such document."""
    try:
        found = json.loads(body)
        if status == 200 and isinstance(found["reasons"], list) and found["observed_seconds"] + 0 >= 0:
            return dict(found)
    except (ValueError, KeyError, TypeError):
        pass
    raise Stop(f"what answers there has no /api/v1/gate (status {status}); is it an Outrider of this version?", BAD)


def _line(bake: Bake, *, live: bool) -> str:
    """Where the bake stands."""
    baked = bake.baked()
    status = printable(str(bake.newest.get("status", "unknown")), 20)
    requests = sum(smoke.requests for smoke in bake.smokes)
    smoke = f", {requests} smoke requests" if bake.smokes else ""
    if not live:
        return f"baking: {words(baked)} of {words(bake.seconds)}, {status}{smoke}"
    filled = min(20, int(20 * baked / bake.seconds))
    return f"[{'#' * filled}{'-' * (20 - filled)}] {words(max(0.0, bake.seconds - baked))} left, {status}{smoke}"


def _summary(bake: Bake, *, passed: bool, waited: float, ready: bool) -> list[str]:
    """How it went, for a person."""
    smokes = [f"  {s.url}: {s.requests} requests, the slowest {words(s.slowest)}" for s in bake.smokes if s.requests]
    if passed:
        head = f"passed: ready after {words(waited)}, then well for {words(bake.seconds)} ({bake.looks} looks)"
        return [head, *smokes]
    if not ready:
        return [f"failed: {bake.reasons[0]}", *bake.reasons[1:]]
    when = "before the bake began" if bake.before else f"after {words(bake.baked())} of {words(bake.seconds)}"
    return [f"failed {when}:", *(f"  {reason}" for reason in bake.reasons)]


def _result(bake: Bake, vigil: Vigil, *, passed: bool, waited: float, ready: bool) -> dict[str, object]:
    return {
        "pass": passed,
        "url": bake.base,
        "answered": vigil.answered,
        "ready_seconds": round(waited, 3) if ready else None,
        "bake_seconds": bake.seconds,
        "baked_seconds": round(min(bake.seconds, bake.baked()), 3) if ready else 0.0,
        "before": bake.before,
        "reasons": bake.reasons or ([] if passed else [vigil.silence]),
        "smoke": [
            {"url": smoke.url, "requests": smoke.requests, "slowest_seconds": round(smoke.slowest, 3)}
            for smoke in bake.smokes
        ],
        "gate": bake.newest,
    }
