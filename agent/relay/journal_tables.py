"""The relay's tables in the state folder, and what is asked of them. Runs in the database's thread, or read-only."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from agent.relay.entry import Entry, Headers, Signal
from agent.relay.store import LaneKey, Left
from agent.state.database import Schema

QUARANTINED = 100  #: rows that are kept
QUARANTINE_BYTES = 4 << 20  #: and bytes of their bodies
_GONE = 20  # lanes that are remembered though nothing is known of them but an account
_OLDEST = 10_000  # rows at once, however small they are
_AT_ONCE = 16  # rows of one INSERT: each statement costs the thread a turn at the interpreter's lock

SCHEMA = Schema(
    "relay",
    1,
    (
        # gone_at: since when the configuration has not named it; NULL while it does.
        """CREATE TABLE lanes(
            id INTEGER PRIMARY KEY, signal TEXT NOT NULL, dest TEXT NOT NULL, gone_at REAL,
            merge_bytes INTEGER NOT NULL, UNIQUE(signal, dest))""",
        # The body last, so that the other columns are found without its pages.
        """CREATE TABLE requests(
            seq INTEGER PRIMARY KEY, signal TEXT NOT NULL, at REAL NOT NULL, items INTEGER NOT NULL,
            size INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL)""",
        # Which lanes still owe which request. Items and size are here too, so that counting reads no request.
        """CREATE TABLE owed(
            seq INTEGER NOT NULL, lane INTEGER NOT NULL, items INTEGER NOT NULL, size INTEGER NOT NULL,
            PRIMARY KEY(seq, lane)) WITHOUT ROWID""",
        """CREATE TABLE account(
            lane INTEGER NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, value INTEGER NOT NULL,
            PRIMARY KEY(lane, kind, reason)) WITHOUT ROWID""",
        """CREATE TABLE received(
            signal TEXT NOT NULL, transport TEXT NOT NULL, value INTEGER NOT NULL,
            PRIMARY KEY(signal, transport)) WITHOUT ROWID""",
        """CREATE TABLE quarantine(
            id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, signal TEXT NOT NULL, dest TEXT NOT NULL,
            reason TEXT NOT NULL, items INTEGER NOT NULL, size INTEGER NOT NULL, body BLOB)""",
    ),
)


class LaneRow(NamedTuple):
    """One lane as it stands in the file. `left` is what it owes, and its account."""

    id: int
    key: LaneKey
    gone_at: float | None
    left: Left


class Found(NamedTuple):
    """What an earlier process left."""

    lanes: list[LaneRow]
    received: dict[tuple[Signal, str], int]
    bytes: int
    last_seq: int


class Batch(NamedTuple):
    """What one transaction changes. Every number is what it shall be, so that a second time changes nothing.

    `unsure`: from this seq on nothing is known for certain to be in the file, or not to be.
    """

    lanes: Sequence[tuple[int, str, str, float | None, int]]
    entries: Sequence[tuple[Entry, Sequence[int]]]
    settled: dict[int, list[int]]  #: lane -> seqs
    account: Sequence[tuple[int, str, str, int]]
    received: Sequence[tuple[str, str, int]]
    quarantined: Sequence[tuple[float, str, str, str, int, int, bytes | None]]
    unsure: int | None


def apply(db: sqlite3.Connection, batch: Batch) -> int:
    """Write it; returns the bytes of the bodies that nobody owed any more, and that are gone now."""
    if batch.unsure is not None:
        db.execute("DELETE FROM owed WHERE seq >= ?", (batch.unsure,))
        db.execute("DELETE FROM requests WHERE seq >= ?", (batch.unsure,))
    _insert(db, "OR REPLACE INTO lanes", batch.lanes)
    _insert(db, "INTO requests", [_row(entry) for entry, _ in batch.entries])
    _insert(db, "INTO owed", [(e.seq, lane, e.items, e.size) for e, lanes in batch.entries for lane in lanes])
    gone: set[int] = set()
    for lane, seqs in batch.settled.items():
        db.execute("DELETE FROM owed WHERE lane = ? AND seq IN (SELECT value FROM json_each(?))", (lane, str(seqs)))
        gone.update(seqs)
    freed = _forget(db, gone) if gone else 0
    _insert(db, "OR REPLACE INTO account", batch.account)
    _insert(db, "OR REPLACE INTO received", batch.received)
    if batch.quarantined:
        _insert(db, "INTO quarantine(at, signal, dest, reason, items, size, body)", batch.quarantined)
        _bound_quarantine(db)
    return freed


def leave(db: sqlite3.Connection, lanes: Iterable[LaneKey], now: float, grace: float) -> list[tuple[LaneKey, int]]:
    """Remember since when a lane is not among these any more; after `grace` seconds it owes nothing: who, and how much.

    Its account stays, with what was dropped; of lanes that are long gone only the last few.
    """
    wanted, dropped = set(lanes), []
    for number, signal, dest, gone_at in db.execute("SELECT id, signal, dest, gone_at FROM lanes").fetchall():
        key = LaneKey(Signal(signal), dest)
        if key in wanted:
            db.execute("UPDATE lanes SET gone_at = NULL WHERE id = ? AND gone_at IS NOT NULL", (number,))
        elif gone_at is None or gone_at > now:  # the second: the clock was set back
            db.execute("UPDATE lanes SET gone_at = ? WHERE id = ?", (now, number))
        elif now - gone_at >= grace and (items := _drop_lane(db, number)):
            dropped.append((key, items))
    empty = "SELECT id FROM lanes WHERE gone_at IS NOT NULL AND id NOT IN (SELECT lane FROM owed)"
    old = [number for (number,) in db.execute(f"{empty} ORDER BY gone_at DESC, id DESC LIMIT -1 OFFSET {_GONE}")]
    for number in old:
        db.execute("DELETE FROM account WHERE lane = ?", (number,))
        db.execute("DELETE FROM lanes WHERE id = ?", (number,))
    return dropped


def _drop_lane(db: sqlite3.Connection, lane: int) -> int:
    """What a lane owes is given up: how many items that is."""
    owed: dict[int, int] = dict(db.execute("SELECT seq, items FROM owed WHERE lane = ?", (lane,)))
    items = sum(owed.values())
    if not owed:
        return 0
    db.execute("DELETE FROM owed WHERE lane = ?", (lane,))
    _forget(db, owed)
    more = "ON CONFLICT DO UPDATE SET value = value + excluded.value"
    db.execute(f"INSERT INTO account VALUES (?, 'dropped', 'removed', ?) {more}", (lane, items))  # noqa: S608
    return items


def look(db: sqlite3.Connection) -> Found:
    """All lanes with their accounts and what they owe. Reads the index of what is owed, and no body."""
    accounts: dict[int, dict[tuple[str, str], int]] = {}
    for lane, kind, reason, value in db.execute("SELECT lane, kind, reason, value FROM account"):
        accounts.setdefault(lane, {})[kind, reason] = value
    sums = "SELECT lane, count(*), sum(items), sum(size), min(seq) FROM owed GROUP BY lane"
    owed = {lane: rest for lane, *rest in db.execute(sums)}
    lanes = []
    for number, signal, dest, gone_at, merge_bytes in db.execute("SELECT * FROM lanes ORDER BY id").fetchall():
        entries, items, size, first = owed.get(number, (0, 0, 0, 0))
        at = db.execute("SELECT at FROM requests WHERE seq = ?", (first,)).fetchone() if entries else None
        left = Left(accounts.get(number, {}), entries, items, size, at[0] if at else 0.0, merge_bytes)
        lanes.append(LaneRow(number, LaneKey(Signal(signal), dest), gone_at, left))
    received = {(Signal(signal), transport): value for signal, transport, value in db.execute("SELECT * FROM received")}
    # One lane owes each request at least: its size is counted once.
    size = db.execute("SELECT coalesce(sum(size), 0) FROM (SELECT max(size) AS size FROM owed GROUP BY seq)").fetchone()
    last = db.execute("SELECT coalesce(max(seq), 0) FROM requests").fetchone()
    return Found(lanes, received, size[0], last[0])


def read(db: sqlite3.Connection, lane: int, after: int, before: int, limit: int) -> list[Entry]:
    """What a lane owes between these seqs, oldest first: about `limit` bytes, and at least one."""
    rows = db.execute(
        """SELECT r.seq, r.signal, r.body, r.items, r.at, r.headers
            FROM owed o CROSS JOIN requests r ON r.seq = o.seq
            WHERE o.lane = ? AND o.seq > ? AND o.seq < ? ORDER BY o.seq""",
        (lane, after, before),
    )
    entries, size = [], 0
    for row in rows:
        entries.append(_entry(*row))
        size += entries[-1].size
        if size >= limit:
            break
    rows.close()
    return entries


def oldest(db: sqlite3.Connection, limit: int) -> list[tuple[Entry, list[int]]]:
    """The oldest requests of about `limit` bytes without their bodies, and who owes them."""
    owers: dict[int, list[int]] = {}
    total = 0
    for seq, lane, size in db.execute("SELECT seq, lane, size FROM owed ORDER BY seq"):
        if seq not in owers:
            if total >= limit or len(owers) >= _OLDEST:
                break
            total += size
        owers.setdefault(seq, []).append(lane)
    sql = "SELECT seq, signal, x'', items, at, headers FROM requests WHERE seq IN (SELECT value FROM json_each(?))"
    rows = db.execute(sql, (str(list(owers)),))
    return [(entry, owers[entry.seq]) for entry in (_entry(*row) for row in rows)]


def unbalanced(db: sqlite3.Connection) -> list[str]:
    """What is wrong with the books, a sentence each: nothing, ever."""
    wrong = []
    for row in look(db).lanes:
        account = row.left.account
        accepted = account.get(("accepted", ""), 0)
        settled = sum(value for (kind, _), value in account.items() if kind != "accepted")
        if accepted != settled + row.left.items:
            what = f"accepted {accepted}, settled {settled}, queued {row.left.items}"
            wrong.append(f"{row.key.dest} ({row.key.signal}) does not balance: {what}")
    for what, sql in (
        ("requests that nobody owes", "SELECT count(*) FROM requests WHERE seq NOT IN (SELECT seq FROM owed)"),
        ("owed requests that are missing", "SELECT count(*) FROM owed WHERE seq NOT IN (SELECT seq FROM requests)"),
        ("requests owed by unknown lanes", "SELECT count(*) FROM owed WHERE lane NOT IN (SELECT id FROM lanes)"),
        ("accounts of unknown lanes", "SELECT count(*) FROM account WHERE lane NOT IN (SELECT id FROM lanes)"),
    ):
        if number := db.execute(sql).fetchone()[0]:
            wrong.append(f"{what}: {number}")
    return wrong


def _insert(db: sqlite3.Connection, into: str, rows: Sequence[tuple[object, ...]]) -> None:
    for at in range(0, len(rows), _AT_ONCE):
        some = rows[at : at + _AT_ONCE]
        one = f"({', '.join('?' * len(some[0]))})"
        db.execute(f"INSERT {into} VALUES {', '.join([one] * len(some))}", [value for row in some for value in row])  # noqa: S608


def _forget(db: sqlite3.Connection, seqs: Iterable[int]) -> int:
    """Delete those of these requests that nobody owes any more; returns their bytes."""
    rows = db.execute(
        """DELETE FROM requests WHERE seq IN (SELECT value FROM json_each(?))
            AND NOT EXISTS (SELECT 1 FROM owed WHERE owed.seq = requests.seq) RETURNING size""",
        (str(list(seqs)),),
    )
    return sum(size for (size,) in rows.fetchall())


def _bound_quarantine(db: sqlite3.Connection) -> None:
    db.execute(
        """DELETE FROM quarantine WHERE id IN (
            SELECT id FROM (
                SELECT id, row_number() OVER newest AS place, sum(length(body)) OVER newest AS total FROM quarantine
                WINDOW newest AS (ORDER BY id DESC))
            WHERE place > ? OR total > ?)""",
        (QUARANTINED, QUARANTINE_BYTES),
    )


def _row(entry: Entry) -> tuple[object, ...]:
    headers = json.dumps(entry.headers) if entry.headers else ""
    return entry.seq, entry.signal.value, entry.at, entry.items, entry.size, headers, entry.body


def _entry(seq: int, signal: str, body: bytes, items: int, at: float, headers: str) -> Entry:
    return Entry(seq, Signal(signal), body, items, at, _headers(headers) if headers else ())


def _headers(text: str) -> Headers:
    return tuple((name, value) for name, value in json.loads(text))


def quarantined(db: sqlite3.Connection) -> Iterator[tuple[int, float, str, str, str, int, int, bytes | None]]:
    """What is kept of what upstreams refused, newest first: id, at, signal, dest, reason, items, size, body."""
    yield from db.execute("SELECT id, at, signal, dest, reason, items, size, body FROM quarantine ORDER BY id DESC")
