"""`outrider alerts silence`, `silences` and `unsilence`: over the API of a running agent."""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from agent.cli import BAD, OK, USAGE, Stop, ask
from config.net.text import clean

PATH = "/api/v1/silences"
_KEPT = {"outrider": "this agent", "alertmanager": "Alertmanager"}


def silence(args: argparse.Namespace) -> int:
    """Have one made. Exit codes: 0 it is in force, 64 it cannot be written so, 1 it is refused, 69 no agent."""
    first, *rest = args.matchers
    here = not ("://" in first.partition("=")[0] or first.startswith("unix:"))
    args.url = "" if here else first
    wanted = {"matchers": args.matchers if here else rest, "for": args.length, "reason": args.why}
    made = _asked(args, "POST", PATH, wanted)
    if args.json:
        print(json.dumps(made, indent=2))
    else:
        print(f"silence {made['id']} until {made['end']}, kept by {_KEPT[made['where']]}: {' '.join(made['matchers'])}")
    return OK


def show(args: argparse.Namespace) -> int:
    """Those that are not over."""
    found = _asked(args, "GET", PATH)
    if args.json:
        print(json.dumps(found, indent=2))
    elif not found["silences"]:
        print("No silences.")
    else:
        _table([("ID", "UNTIL", "KEPT BY", "MATCHERS", "BY", "WHY"), *map(_row, found["silences"])])
    return OK


def end(args: argparse.Namespace) -> int:
    """End one."""
    left = _asked(args, "DELETE", f"{PATH}/{quote(args.id, safe='')}")
    if args.json:
        print(json.dumps(left, indent=2))
    else:
        print(f"silence {args.id} is over; what still fires is told now")
    return OK


def _asked(args: argparse.Namespace, method: str, path: str, wanted: Mapping[str, Any] | None = None) -> Any:
    """What the agent answers. Raises Stop with its own words where it refuses."""
    base = ask.address(args, ask.ADMIN, "listen.admin")
    name = clean(os.environ.get("USER", "")).encode("ascii", "ignore").decode()[:32] or f"user {os.getuid()}"
    head = f"User-Agent: outrider, for {name}\r\n"
    if wanted is not None:
        head += "Content-Type: application/json\r\n"
    sent = "" if wanted is None else json.dumps(wanted)
    status, body = ask.ask(method, base, path, args.timeout, head, sent)
    try:
        answer = json.loads(body)
    except ValueError:
        raise Stop(f"{base} answered {status}, and nothing that can be read; is it listen.admin?", BAD) from None
    if status != 200:
        said = answer.get("detail", "") if isinstance(answer, dict) else ""
        raise Stop(clean(said) or f"{base} answered {status}", USAGE if status in {400, 404} else BAD)
    return answer


def _row(one: Mapping[str, Any]) -> Sequence[str]:
    return (one["id"], one["end"], _KEPT[one["where"]], " ".join(one["matchers"]), one["by"], one["reason"])


def _table(lines: Sequence[Sequence[str]]) -> None:
    shown = [[clean(cell) for cell in line] for line in lines]
    widths = [max(len(line[column]) for line in shown) for column in range(len(shown[0]))]
    for line in shown:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
