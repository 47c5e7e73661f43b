"""`outrider queue`: what waits in the state folder, beside a running agent or after it; nothing is changed."""

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.cli import BAD, OK, USAGE, Stop
from agent.cli.open import add_config, open_plan
from agent.relay import journal_tables as tables
from agent.relay.entry import Signal
from agent.state.file import read_only
from agent.state.folder import NAME
from agent.units import number as human

HELP = "Look at what is queued in the state folder. Exit 0: fine; 1: it cannot be read, or its books do not balance."

_HEADS = ("DEST", "SIGNAL", "QUEUED", "ITEMS", "BYTES", "OLDEST", "ACCEPTED", "DELIVERED", "REJECTED", "DROPPED")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to look at."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="inspect | quarantine")
    inspect = commands.add_parser("inspect", help="the queues, their accounts, and what upstreams refused for good")
    inspect.add_argument("--json", action="store_true", help="as JSON")
    quarantine = commands.add_parser("quarantine", help="write one refused request to standard output (protobuf)")
    quarantine.add_argument("number", type=int, help="its number, as `inspect` shows it")
    for command in (inspect, quarantine):
        add_config(command)
        command.add_argument("--state-dir", metavar="DIR", help="a state folder, without any configuration")


def main(args: argparse.Namespace) -> int:
    """Show it. Exit codes: 0, 1 as above, 64 no such number, 78 configuration."""
    folder = args.state_dir or open_plan(args.config).plan.file.state_dir
    path = Path(folder) / NAME if folder else None
    try:
        if path is None or not path.exists():
            return _nothing(args, path)
        with closing(_connect(path)) as db:
            return _inspect(db, path, as_json=args.json) if args.what == "inspect" else _one(db, args.number)
    except (sqlite3.Error, OSError) as error:
        raise Stop(f"{path} cannot be read: {error}; run this as the user that the agent runs as", BAD) from None


def _nothing(args: argparse.Namespace, path: Path | None) -> int:
    if args.what == "quarantine":
        raise Stop("nothing is in quarantine: there is no state folder, or nothing in it yet", USAGE)
    if args.json:
        print(json.dumps(_document(None, [], {}, [], []), indent=2))
    elif path is None:
        print("There is no `state_dir` in the configuration: what is queued is in memory only, and a running agent")
        print("shows it in /api/v1/pipeline of its admin listener.")
    else:
        print(f"Nothing was ever queued: there is no {path}.")
    return OK


def _connect(path: Path) -> sqlite3.Connection:
    """Read-only; `immutable` where no agent has it open, because then the folder need not be writable."""
    db = read_only(path, immutable=not Path(f"{path}-wal").exists())
    version = 0
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'rooms'").fetchone():
        version = (db.execute("SELECT version FROM rooms WHERE name = 'relay'").fetchone() or (0,))[0]
    if version > tables.SCHEMA.version:
        raise Stop(f"{path} was written by a newer Outrider; use the `queue` command of that one", BAD)
    if not version:
        raise Stop(f"{path} has no queue: `traces.durability` is memory, or this is another file", BAD)
    return db


def _inspect(db: sqlite3.Connection, path: Path, *, as_json: bool) -> int:
    db.execute("BEGIN")  # one moment for all of it, however much the agent goes on
    found, wrong = tables.look(db), tables.unbalanced(db)
    refused = [_refused(*row) for row in tables.quarantined(db)]
    db.execute("ROLLBACK")
    lanes = [_lane(row) for row in found.lanes]
    received = {f"{signal}/{transport}": value for (signal, transport), value in found.received.items()}
    if as_json:
        print(json.dumps(_document(str(path), lanes, received, refused, wrong), indent=2))
    else:
        _show(lanes, refused, wrong, path)
    return BAD if wrong else OK


def _document(
    path: str | None, lanes: Sequence[Any], received: dict[str, int], refused: Sequence[Any], wrong: Sequence[str]
) -> dict[str, Any]:
    return {
        "path": path,
        "balanced": not wrong,
        "problems": list(wrong),
        "received_items": received,
        "queues": list(lanes),
        "quarantine": list(refused),
    }


def _lane(row: tables.LaneRow) -> dict[str, Any]:
    left = row.left

    def reasons(kind: str) -> dict[str, int]:
        return {reason: value for (found, reason), value in left.account.items() if found == kind and value}

    return {
        "dest": row.key.dest,
        "signal": row.key.signal.value,
        "requests": left.entries,
        "items": left.items,
        "bytes": left.bytes,
        "oldest_seconds": round(max(0.0, time.time() - left.oldest_at), 3) if left.entries else 0.0,
        "accepted": left.account.get(("accepted", ""), 0),
        "delivered": left.account.get(("delivered", ""), 0),
        "rejected": reasons("rejected"),
        "dropped": reasons("dropped"),
        "learnt_merge_bytes": left.merge_bytes,
        "gone_since": row.gone_at and _moment(row.gone_at),
    }


def _refused(  # the columns of the table
    number: int, at: float, signal: str, dest: str, reason: str, items: int, size: int, body: bytes | None
) -> dict[str, Any]:
    return {
        "number": number,
        "at": _moment(at),
        "dest": dest,
        "signal": signal,
        "reason": reason,
        "items": items,
        "bytes": size,
        "kept": body is not None,
        "first_trace_id": _trace(body) if body and signal == Signal.TRACES else "",
    }


def _trace(body: bytes) -> str:
    """The first trace id of a request; "" where it cannot be read, which may be why it was refused."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return ""
    spans = (span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans)
    return next((span.trace_id.hex() for span in spans), "")


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _show(lanes: list[dict[str, Any]], refused: list[dict[str, Any]], wrong: list[str], path: Path) -> None:
    if not lanes:
        print(f"Nothing was ever queued in {path}.")
        return
    _table(_HEADS, [_cells(lane) for lane in lanes])
    for lane in lanes:
        for line in _remarks(lane):
            print(f"{lane['dest']} ({lane['signal']}): {line}")
    if refused:
        print("\nRefused for good, and kept (`outrider queue quarantine N` writes one):")
        heads = ("N", "WHEN", "DEST", "SIGNAL", "ITEMS", "BYTES", "FIRST TRACE", "REASON")
        keys = ("number", "at", "dest", "signal", "items", "bytes", "first_trace_id", "reason")
        _table(heads, [[_printable(str(one[key])) for key in keys] for one in refused])
    print()
    for line in wrong:
        print(f"wrong: {line}")
    if not wrong:
        print("The books balance: accepted = delivered + rejected + dropped + queued, for each of them.")


def _cells(lane: dict[str, Any]) -> list[str]:
    rejected, dropped = sum(lane["rejected"].values()), sum(lane["dropped"].values())
    numbers = (lane["accepted"], lane["delivered"], rejected, dropped)
    return [
        lane["dest"],
        lane["signal"],
        f"{lane['requests']:,}",
        f"{lane['items']:,}",
        human(lane["bytes"], "bytes"),
        human(lane["oldest_seconds"], "seconds") if lane["requests"] else "-",
        *(f"{value:,}" for value in numbers),
    ]


def _remarks(lane: dict[str, Any]) -> Iterator[str]:
    for kind in ("rejected", "dropped"):
        if lane[kind]:
            yield f"{kind} " + ", ".join(f"{value:,} {reason}" for reason, value in sorted(lane[kind].items()))
    if lane["learnt_merge_bytes"]:
        yield f"takes no more than {human(lane['learnt_merge_bytes'], 'bytes')} at once, as was learnt"
    if lane["gone_since"]:
        yield f"not in the configuration since {lane['gone_since']}; what it owes is dropped an hour later"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _printable(text: str) -> str:
    """An upstream's words on one line, and no orders to the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _one(db: sqlite3.Connection, number: int) -> int:
    rows = {row[0]: row[-1] for row in tables.quarantined(db)}
    if number not in rows:
        known = ", ".join(map(str, rows)) or "none"
        raise Stop(f"there is no number {number} in quarantine; there are: {known}", USAGE)
    body = rows[number]
    if body is None:
        raise Stop(f"the body of number {number} was too large to be kept", BAD)
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()
    return OK
