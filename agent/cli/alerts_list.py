"""`outrider alerts list`: what fires, or is about to, and who knows of it; standard library alone."""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agent.cli import BAD, OK, Stop, ask
from agent.cli.progress import printable
from agent.units import seconds

_HEADS = ("STATE", "SEVERITY", "WHAT", "FOR", "TOLD", "SAYS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom to ask, and the form of the answer."""
    ask.add_arguments(parser, ask.ADMIN, "listen.admin")
    parser.add_argument("--json", action="store_true", help="as JSON")


def main(args: argparse.Namespace) -> int:
    """Ask and print. Exit codes: 0 whatever fires, 1 no Outrider, 69 nobody answers, 78 configuration."""
    base = ask.address(args, ask.ADMIN, "listen.admin")
    alerts, objectives, lost = (
        _asked(base, args.timeout, *what)
        for what in (("alerts", "alerts"), ("slos", "slos"), ("alerts/undelivered", "undelivered"))
    )
    if args.json:
        print(json.dumps({"alerts": alerts, "objectives": len(objectives), "undelivered": lost}, indent=2))
        return OK
    try:
        lines = [*_shown(alerts, len(objectives), datetime.now(UTC)), *_lost(lost)]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _stranger("/api/v1/alerts", 200) from None
    print("\n".join(lines))
    return OK


def _asked(base: str, timeout: float, path: str, key: str) -> list[dict[str, Any]]:
    status, body = ask.ask("GET", base, f"/api/v1/{path}", timeout)
    try:
        found = json.loads(body)[key] if status == 200 else None
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, list):
        raise _stranger(f"/api/v1/{path}", status)
    return found


def _stranger(path: str, status: int) -> Stop:
    return Stop(f"what answers there has no {path} (status {status}); is it the admin listener of an Outrider?", BAD)


def _shown(alerts: Sequence[Mapping[str, Any]], objectives: int, now: datetime) -> list[str]:
    """The table, or why it is empty."""
    if not alerts:
        if not objectives:
            return ["Nothing fires; no objective is watched. `slo: 99.9%` on a probe makes one."]
        are = "objective is" if objectives == 1 else "objectives are"
        return [f"Nothing fires; {objectives} {are} watched."]
    rows = [_HEADS, *(_row(alert, now) for alert in alerts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS) - 1)]
    return ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows]


def _row(alert: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    what = alert.get("slo") or " ".join(filter(None, (alert["name"], alert.get("about"))))
    since = max(0.0, (now - datetime.fromisoformat(alert["since"])).total_seconds())
    cells = (alert["state"], alert["severity"], what, seconds(round(since)), _told(alert), _says(alert))
    return tuple(printable(str(cell)) for cell in cells)


def _told(alert: Mapping[str, Any]) -> str:
    return ", ".join(alert["receivers"]) or "nobody"


def _says(alert: Mapping[str, Any]) -> str:
    """What was announced; or why nothing was."""
    parts = [alert["annotations"].get("summary", "")]
    if cause := alert.get("suppressed_by"):
        parts.append(f"({cause} calls for it)")
    if alert.get("silenced"):
        parts.append(f"(silenced by {alert.get('silenced_by')} until {alert.get('silenced_until')})")
    return " ".join(filter(None, parts))


def _lost(letters: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line where a receiver will never hear of something."""
    if not letters:
        return []
    newest = letters[0]
    receivers = ", ".join(sorted({letter["receiver"] for letter in letters}))
    why = f"the last one {newest['outcome']}: {newest['why']}"
    return ["", printable(f"{len(letters)} never reached {receivers}; {why}")]
