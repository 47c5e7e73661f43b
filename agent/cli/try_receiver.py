"""`outrider alerts test`: does a receiver take alerts, from here, with what the file says."""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.alerting.identity import identity
from agent.assemble import Plan
from agent.changes import made
from agent.cli import BAD, CONFIG, OK, USAGE, Stop
from agent.cli.open import open_plan
from agent.outbox.channel import ATTEMPT_SECONDS
from agent.units import number as human
from config.convert import suggestion
from config.errors import ConfigError
from config.net.text import clean
from exporters.base import Alert, Notifier, Permanent, Retryable, Severity

ALERT_NAME = "OutriderTest"


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt: of what, how long it took, and why it was not taken; "" where it was."""

    event: str
    seconds: float
    error: str = ""
    retryable: bool = False


def try_receiver(args: argparse.Namespace) -> int:
    """Send both, print what came of it. Exit codes: 0 taken, 1 not taken, 64 unknown receiver, 78 configuration."""
    _show_log()
    plan = open_plan(args.config).plan
    notifier = _notifier(plan, args.receiver)
    tried = asyncio.run(_send(notifier, alert(plan, args.receiver, time.time())))
    if args.json:
        print(json.dumps(_document(plan, args.receiver, notifier, tried), indent=2))
    else:
        for line in _sentences(plan, args.receiver, notifier, tried):
            print(line)
    return OK if _taken(tried) else BAD


def alert(plan: Plan, receiver: str, now: float) -> Alert:
    """The test alert: marked in its name and its texts, a ticket, with the labels that all alerts of the file have."""
    service, severity = plan.file.service, Severity.TICKET
    labels = dict(plan.file.labels) | {"alertname": ALERT_NAME, "service": service, "severity": severity.value}
    texts = {
        "summary": f"[TEST] {service}: receiver {receiver} is being tried",
        "description": f"Sent by `outrider alerts test {receiver}`. Nothing is wrong, and there is nothing to do.",
    }
    return Alert(ALERT_NAME, severity, now, identity(labels), labels=labels, annotations=texts)


def _notifier(plan: Plan, name: str) -> Notifier[Any]:
    """The one that is asked for, as the agent would make it."""
    if not plan.notifiers:
        raise Stop("there are no receivers in the file; write one under `alerts.receivers`", USAGE)
    if name not in plan.notifiers:
        raise Stop(f"there is no receiver {name!r} in the file; {suggestion(name, plan.notifiers)}", USAGE)
    try:
        notifier: Notifier[Any] = made("alerts.receivers", {name: plan.notifiers[name]})[name]
    except ConfigError as error:
        raise Stop(str(error), CONFIG) from None
    return notifier


async def _send(notifier: Notifier[Any], test: Alert) -> list[Tried]:
    """The alert, and its end where that is said and the alert was taken."""
    try:
        tried = [await _try("firing", notifier, [test])]
        if not tried[0].error and not notifier.lease:
            tried.append(
                await _try("resolved", notifier, [replace(test, resolved_at=max(time.time(), test.started_at))])
            )
        return tried
    finally:
        await notifier.aclose()


async def _try(event: str, notifier: Notifier[Any], alerts: Sequence[Alert]) -> Tried:
    """One attempt, judged as the agent's outbox does."""
    began, error, retryable = time.monotonic(), "", True
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            await notifier.notify(alerts)
    except Permanent as refusal:
        error, retryable = str(refusal), False
    except Retryable as failure:
        error = str(failure)
    except TimeoutError:
        error = f"no end within {ATTEMPT_SECONDS:g} s"
    except Exception as fault:  # noqa: BLE001 - a plug-in's bug is told, not shown as ours
        error = f"the notifier broke: {type(fault).__name__}: {fault}"
    return Tried(event, time.monotonic() - began, clean(error, 500), bool(error) and retryable)


def _taken(tried: Sequence[Tried]) -> bool:
    return not any(each.error for each in tried)


def _sentences(plan: Plan, name: str, notifier: Notifier[Any], tried: Sequence[Tried]) -> list[str]:
    who, words = f"{name} ({plan.file.alerts.receivers[name].type})", {"firing": "the alert", "resolved": "its end"}
    lines = []
    for each in tried:
        took = human(each.seconds, "seconds")
        if not each.error:
            lines.append(f"{who} took {words[each.event]} in {took}")
            continue
        lines.append(f"{who} did not take {words[each.event]}: {each.error} (after {took})")
        what_next = "the agent would try again" if each.retryable else "the agent would not try again"
        lines.append(f"{what_next}: {'this may pass' if each.retryable else 'the same would be refused again'}")
    if notifier.lease and _taken(tried):
        lines.append("it ends by itself: nobody repeats it, and Alertmanager forgets after its `resolve_timeout`, 5m")
    return lines


def _document(plan: Plan, name: str, notifier: Notifier[Any], tried: Sequence[Tried]) -> dict[str, object]:
    return {
        "receiver": name,
        "type": plan.file.alerts.receivers[name].type,
        "taken": _taken(tried),
        "ends_by_itself": notifier.lease,
        "attempts": [
            {
                "event": each.event,
                "taken": not each.error,
                "seconds": round(each.seconds, 6),
                "error": each.error or None,
                "retryable": each.retryable if each.error else None,
            }
            for each in tried
        ],
    }


def _show_log() -> None:
    """What notifiers say beside, and the lines of a `log` receiver, on standard error."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("outrider.alerts").setLevel(logging.INFO)
